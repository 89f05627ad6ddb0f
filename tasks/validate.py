"""Stage 2, validate: what a dataset has to be before anything is learned from it.

Makes a `validation`: checks.json, quarantine.parquet (rows to leave out, with their reasons) and Data Docs. It is kept
also where the verdict is "failed"; the stage then stops the run with the first thing to mend.
"""

import json
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.data import digits, expectations, quarantine
from tasks.data.digits import Digits
from tasks.data.expectations import READABLE, Check, Limits
from tasks.data.metrics import DatasetMetrics, Failure, RowCounts, ValidationMetrics
from tasks.data.tables import LABEL
from tasks.errors import DataError
from tasks.stage import stage
from tasks.store import Artifact, Draft, Store
from tasks.words import counted

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.expectations.expectation import Expectation

log = logging.getLogger(__name__)

LIMITS = Limits()
BLANK_IMAGE = "blank image"
LEAK = "copy of an image of the test part"
Row = dict[str, Any]  # with the columns of `quarantine.SCHEMA`


def validate(store: Store, dataset: Artifact, *, limits: Limits = LIMITS, fresh: bool = False) -> Artifact:
    """Return the validation of a dataset.

    Raises: DataError if a critical expectation is not met; the validation is kept all the same.
    """

    def build(draft: Draft) -> ValidationMetrics:
        rejected = quarantine.read(dataset.file("rejected.parquet"))
        judgement = judge(profiles_of(dataset), rejected, limits, draft.folder / "data_docs")
        quarantine.write(draft.folder / "quarantine.parquet", judgement.quarantined)
        checks = json.dumps([asdict(check) for check in judgement.checks], indent=2)
        (draft.folder / "checks.json").write_text(checks + "\n")
        return judgement.metrics

    validation = store.make(
        "validation", build, code=__name__, parameters=asdict(limits), inputs=[dataset], fresh=fresh
    )
    metrics = validation.measured(ValidationMetrics)
    if metrics.failure:
        log.error("validation failed; its Data Docs: %s", validation.path / "data_docs" / "index.html")
        raise DataError(**asdict(metrics.failure))
    log.info("validation %s", "; ".join([metrics.verdict, *metrics.warnings]))
    return validation


# --- What is judged ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Profile:
    """One split of a dataset, seen from above: a line of a frame for each row of its file, in the file's order.

    frame: row; label (null where unknown); fault (a rule of `tables.py`, or READABLE); ink (mean, 0–255);
        image (fingerprint); copied (the image is in the test part, too); usable (breaks no rule).
    file: what messages call it. columns: its header, empty where the format has none. count: rows that ingest counted.
    """

    frame: "pd.DataFrame"
    file: str
    labelled: bool
    columns: tuple[str, ...]
    count: RowCounts


def profiles_of(dataset: Artifact) -> dict[str, Profile]:
    """Read the profile of each split, "train" always and "test" where there is one."""
    import pandas as pd

    counts = dataset.measured(DatasetMetrics)
    rejected = pd.read_parquet(dataset.file("rejected.parquet"))
    profiles = {}
    held_out: set[str] = set()  # images of the test part, which comes first
    for split, count in (("test", counts.test), ("train", counts.train)):
        if not count:
            continue
        path = dataset.file(f"{split}.parquet")
        frame = frame_of(digits.batches(path), rejected[rejected["part"] == split], held_out)
        held_out = set(_readable(frame)["image"])
        about = digits.about(path)
        columns = tuple(about["columns"].split(",")) if about["columns"] else ()
        profiles[split] = Profile(frame, about["file"], about["labelled"] == "true", columns, count)
    return profiles


def frame_of(batches: Iterable[Digits], rejected: "pd.DataFrame", held_out: Collection[str]) -> "pd.DataFrame":
    """Return the frame of a `Profile`.

    rejected: rows that could not be read, with the columns of `quarantine.SCHEMA`. held_out: fingerprints of the images
        that must not be learned from.
    """
    import pandas as pd

    rows = [*map(_readable_rows, batches), _rejected_rows(rejected)]
    frame = pd.concat(rows, ignore_index=True).sort_values("row", ignore_index=True)
    frame["copied"] = frame["image"].isin(held_out)
    frame["usable"] = (frame["fault"] == READABLE) & (frame["ink"] > 0) & ~frame["copied"]
    return frame


def _readable_rows(batch: Digits) -> "pd.DataFrame":
    import pandas as pd

    labels = [pd.NA] * len(batch) if batch.labels is None else batch.labels
    return pd.DataFrame(
        {
            "row": batch.ids,
            "label": pd.array(labels, "Int64"),
            "fault": READABLE,
            "ink": batch.images.mean(axis=(1, 2)),
            "image": [format(fingerprint, "016x") for fingerprint in digits.fingerprints(batch.images)],
        }
    )


def _rejected_rows(rejected: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    wrong_labels = rejected["received"].where(rejected["rule"] == LABEL).astype(object).str.strip("'")
    labels = pd.to_numeric(wrong_labels, "coerce").clip(-1, 1_000_000)  # however long the number is
    return pd.DataFrame(
        {
            "row": rejected["row"],
            "label": labels.astype("Int64"),
            "fault": rejected["rule"],
            "ink": np.nan,
            "image": None,
        }
    )


def _readable(frame: "pd.DataFrame") -> "pd.DataFrame":
    return frame[frame["fault"] == READABLE]


# --- The judgement ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judgement:
    """What validation makes of a dataset: each check, the rows to leave out, and the summary of both."""

    checks: list[Check]
    quarantined: list[Row]
    metrics: ValidationMetrics


def judge(profiles: Mapping[str, Profile], rejected: Sequence[Row], limits: Limits, docs: Path) -> Judgement:
    """Check the profiles against the expectations; Data Docs go into the folder `docs`.

    rejected: the rows that ingest could not read.
    """
    checks = expectations.check(_expected(profiles, limits), docs)
    quarantined = [*rejected, *_unwanted(profiles["train"].frame)]
    failed = [check for check in checks if not check.passed]
    critical = [check for check in failed if check.critical]
    warnings = [f"{check.profile}: {check.says} ({check.seen})" for check in failed if not check.critical]
    if quarantined:
        warnings.append(f"{counted(len(quarantined), 'training row')} left out, see quarantine.parquet")
    frames = {split: profile.frame for split, profile in profiles.items()}
    metrics = ValidationMetrics(
        verdict="failed" if critical else "passed with warnings" if failed or quarantined else "passed",
        failure=_failure(critical[0], quarantined, profiles, limits) if critical else None,
        warnings=warnings,
        checks=len(checks),
        quarantined=len(quarantined),
        duplicates={split: int(_readable(frame)["image"].duplicated().sum()) for split, frame in frames.items()},
        class_counts={split: _class_counts(frame) for split, frame in frames.items()},
    )
    return Judgement(checks, quarantined, metrics)


def _expected(profiles: Mapping[str, Profile], limits: Limits) -> "list[tuple[str, pd.DataFrame, list[Expectation]]]":
    """Return each frame that is checked, with its name and its expectations."""
    import pandas as pd

    expected = []
    for split, profile in profiles.items():
        count = profile.count.rows + profile.count.rejected
        rules = expectations.rows(profile.labelled, count, limits, training=split == "train")
        expected.append((split, profile.frame, rules))
    train = profiles["train"]
    counts = pd.Series(_class_counts(train.frame))
    classes = pd.DataFrame({"label": counts.index, "images": counts, "share": counts / max(counts.sum(), 1)})
    expected.append(("classes", classes, expectations.classes(limits)))
    if train.columns:
        expected.append(("header", pd.DataFrame(columns=list(train.columns)), expectations.header()))
    return expected


def _class_counts(frame: "pd.DataFrame") -> list[int]:
    """Count the usable images of each class, 0 to 9; zeros where the labels are not known."""
    labels = frame.loc[frame["usable"], "label"].dropna().astype(int)
    return [int((labels == label).sum()) for label in range(digits.CLASSES)]


def _unwanted(train: "pd.DataFrame") -> list[Row]:
    """Return the training rows that can be read and are not to be learned from.

    There is none for the test part: a blank image there has to get an answer like any other.
    """
    rows = train[(train["fault"] == READABLE) & ~train["usable"]]
    return [
        {
            "part": "train",
            "row": row,
            "rule": LEAK if copied else BLANK_IMAGE,
            "expected": "an image that is not in the test part" if copied else "some ink",
            "received": "a copy of one that is" if copied else f"{digits.PIXELS} zeros",
        }
        for row, copied in zip(rows["row"], rows["copied"], strict=True)
    ]


def _failure(check: Check, quarantined: Sequence[Row], profiles: Mapping[str, Profile], limits: Limits) -> Failure:
    """Return the first thing to mend: the first bad row of the split that a check is about, else the rule itself."""
    split = check.profile if check.profile in profiles else "train"
    file, frame = profiles[split].file, profiles[split].frame
    rows = sorted((row for row in quarantined if row["part"] == check.profile), key=lambda row: row["row"])
    if not rows:
        by_class = ", ".join(f"{label}: {count}" for label, count in enumerate(_class_counts(frame)))
        return Failure(
            what="the data are not what they should be",
            file=file,
            expected=check.says,
            received=f"images by class {by_class}" if check.profile == "classes" else check.seen,
            remedy="add what is missing, or look whether this is the right file",
        )
    if split == "train":
        bad_rows = f"{counted(len(rows), 'bad row')} of {len(frame):,}"
        remedy = f"correct the {bad_rows}; up to {100 * limits.bad_rows:g} % may be left out (--max-bad-rows)"
    else:
        remedy = "correct the file: a row to score cannot be left out"
    first = rows[0]
    return Failure(
        what=first["rule"],
        file=file,
        expected=first["expected"],
        received=first["received"],
        remedy=remedy,
        row=first["row"],
        column=first.get("column"),
    )


validate_stage = stage(validate)
