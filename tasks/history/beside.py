"""What is known of a package from answering beside another: on how much they differ, and who was right."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.history import ledger
from tasks.history.ledger import Line
from tasks.judging.statistics import Paired
from tasks.store import Store
from tasks.words import counted, p_value, percent


@dataclass(frozen=True)
class Evidence:
    """Everything that two packages have both answered.

    first, second: their names; second answered beside. since, until: of the scores, ISO 8601. files: scores. rows:
    answers, on `differ` of which they differ. read: of these, such as people have decided on.
    people, labels: of these who was right, as people say and as labels do; images that either has learned from are not
    counted.
    """

    first: str
    second: str
    since: str
    until: str
    files: int
    rows: int
    differ: int
    read: int
    people: Paired
    labels: Paired

    @property
    def right(self) -> Paired:
        """Who was right, the second package first: by labels where there are any, for they are of all rows."""
        known = self.labels if self.labels.only_first + self.labels.only_second else self.people
        return Paired(known.only_second, known.only_first)

    def __str__(self) -> str:
        """What it comes to, in a sentence."""
        share = percent(self.differ / self.rows)
        text = (
            f"beside {self.first} in {counted(self.files, 'file')} with {counted(self.rows, 'row')} it answers "
            f"{self.differ:,} ({share}) differently"
        )
        for count, who, paired in (
            (self.read, f"of {self.read:,} of these that people read", self.people),
            (self.labels.only_first + self.labels.only_second, "by the labels", self.labels),
        ):
            if count:
                text += (
                    f"; {who} it alone is right on {paired.only_second:,}, the other alone on {paired.only_first:,} "
                    f"(McNemar's p {p_value(paired.p)})"
                )
        return text


def evidence(store: Store) -> list[Evidence]:
    """Return what is known of each pair, the last one first. Raises: StoreError if the ledger cannot be written."""
    lines = ledger.read(store)
    reviews = {line.of: line for line in lines if line.read}  # the last has all answers
    pairs: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        if line.beside and line.rows and not line.read:
            pairs.setdefault((line.of, line.beside), []).append(line)
    return [
        _added_up(pair, scored, [reviews[line.name] for line in scored if line.name in reviews])
        for pair, scored in reversed(pairs.items())
    ]


def of(store: Store, champion: str, package: str) -> Evidence | None:
    """Return what is known of a package beside the champion; None where nothing is. Raises: as `evidence`."""
    pair = (champion, package)
    return next((known for known in evidence(store) if (known.first, known.second) == pair), None)


def _added_up(pair: tuple[str, str], scored: Sequence[Line], reviews: Sequence[Line]) -> Evidence:
    people, labels = (
        Paired(sum(line.only_first for line in lines), sum(line.only_second for line in lines))
        for lines in (reviews, scored)
    )
    return Evidence(
        *pair,
        since=scored[0].created,
        until=scored[-1].created,
        files=len(scored),
        rows=sum(line.rows for line in scored),
        differ=sum(line.differ for line in scored),
        read=sum(review.differ for review in reviews),
        people=people,
        labels=labels,
    )
