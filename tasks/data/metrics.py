"""The metrics of the artifacts that hold digits: `dataset`, `validation` and `prepared`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RowCounts:
    """Rows of a table: rows that are digits, and rejected, that are not."""

    rows: int
    rejected: int


@dataclass(frozen=True)
class DatasetMetrics:
    """test: None where the source has no test part."""

    train: RowCounts
    test: RowCounts | None = None


@dataclass(frozen=True)
class Failure:
    """The first thing to mend in a dataset, as the arguments of a DataError."""

    what: str
    file: str
    expected: str
    received: str
    remedy: str
    row: int | None = None
    column: str | None = None


@dataclass(frozen=True)
class ValidationMetrics:
    """verdict: failed, passed with warnings, or passed. failure: what is wrong where it failed.

    checks: how many there were. quarantined: training rows that are left out.
    duplicates: rows that repeat an earlier image, by split. class_counts: usable images of each digit, by split.
    """

    verdict: str
    failure: Failure | None
    warnings: list[str]
    checks: int
    quarantined: int
    duplicates: dict[str, int]
    class_counts: dict[str, list[int]]


@dataclass(frozen=True)
class PreparedMetrics:
    """Digits in each split; test: None where there is none.

    added, relabelled: images that people's corrections have brought into the training part, or given another label.
    field: images that people have read, which no model learns from and models are judged by.
    """

    train: int
    validation: int
    test: int | None = None
    added: int = 0
    relabelled: int = 0
    field: int = 0

    def by_split(self) -> dict[str, int]:
        """Return the digits of the splits that there are."""
        counts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {split: count for split, count in counts.items() if count is not None}
