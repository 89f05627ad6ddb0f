"""Stage 2, validate: what a dataset has to be before anything is learned from it.

Makes a `validation`: checks.json, quarantine.parquet (rows to leave out, with their reasons) and Data Docs. It is kept
also where the verdict is "failed"; the stage then stops the run with the first thing to mend.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.data import digits, expectations, quarantine
from tasks.data.expectations import READABLE, Check, Limits
from tasks.data.tables import LABEL
from tasks.errors import DataError
from tasks.stage import stage
from tasks.store import Artifact, Draft, Store

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.expectations.expectation import Expectation

log = logging.getLogger(__name__)

LIMITS = Limits()
BLANK_IMAGE = "blank image"
LEAK = "copy of an image of the test part"


def validate(store: Store, dataset: Artifact, *, limits: Limits = LIMITS, fresh: bool = False) -> Artifact:
    """The validation of a dataset.

    Raises: DataError if a critical expectation is not met; the validation is kept all the same.
    """

    def build(draft: Draft) -> dict[str, Any]:
        frames = _profile(dataset)
        abouts = {name: digits.about(dataset.path / f"{name}.parquet") for name in frames}
        checks = expectations.check(_profiles(frames, abouts, dataset, limits), draft.folder / "data_docs")
        bad = quarantine.read(dataset.path / "rejected.parquet") + _unwanted(frames["train"])
        quarantine.write(draft.folder / "quarantine.parquet", bad)
        (draft.folder / "checks.json").write_text(json.dumps([asdict(check) for check in checks], indent=2) + "\n")
        failed = [check for check in checks if not check.passed]
        critical = [check for check in failed if check.critical]
        return {
            "verdict": "failed" if critical else "passed with warnings" if failed or bad else "passed",
            "failure": _failure(critical[0], bad, frames, abouts, limits) if critical else None,
            "warnings": _warnings([check for check in failed if not check.critical], bad),
            "checks": len(checks),
            "quarantined": len(bad),
            "duplicates": {name: int(_known(frame)["image"].duplicated().sum()) for name, frame in frames.items()},
            "class_counts": {name: _class_counts(frame) for name, frame in frames.items()},
        }

    validation = store.make(
        "validation", build, code=__name__, parameters=asdict(limits), inputs=[dataset], fresh=fresh
    )
    found = validation.metrics
    if found["failure"]:
        log.error("validation failed; its Data Docs: %s", validation.path / "data_docs" / "index.html")
        raise DataError(**found["failure"])
    log.info("validation %s%s", found["verdict"], "".join(f"; {warning}" for warning in found["warnings"]))
    return validation


def _profile(dataset: Artifact) -> "dict[str, pd.DataFrame]":
    """For each part a frame with one line a row of the source, in its order.

    row; label (null where unknown); fault (a rule of `parts`, or READABLE); ink (mean, 0–255); image (fingerprint);
    copied (the image is in the test part, too); usable (breaks no rule).
    """
    import pandas as pd

    rejected = pd.read_parquet(dataset.path / "rejected.parquet")
    paths = {name: dataset.path / f"{name}.parquet" for name in ("test", "train")}
    frames = {name: _rows(path, rejected[rejected["part"] == name]) for name, path in paths.items() if path.exists()}
    held_out = set(_known(frames["test"])["image"]) if "test" in frames else set()
    for name, frame in frames.items():
        frame["copied"] = frame["image"].isin(held_out) if name == "train" else False
        frame["usable"] = (frame["fault"] == READABLE) & (frame["ink"] > 0) & ~frame["copied"]
    return frames


def _rows(path: Path, rejected: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    def frame(batch: digits.Digits) -> "pd.DataFrame":
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

    label = pd.to_numeric(rejected["received"].where(rejected["rule"] == LABEL).astype(object).str.strip("'"), "coerce")
    unreadable = pd.DataFrame(
        {
            "row": rejected["row"],
            "label": label.clip(-1, 1_000_000).astype("Int64"),  # however long the number is
            "fault": rejected["rule"],
            "ink": np.nan,
            "image": None,
        }
    )
    frames = [*map(frame, digits.batches(path)), unreadable]
    return pd.concat(frames, ignore_index=True).sort_values("row", ignore_index=True)


def _known(frame: "pd.DataFrame") -> "pd.DataFrame":
    return frame[frame["fault"] == READABLE]


def _profiles(
    frames: "Mapping[str, pd.DataFrame]", abouts: Mapping[str, Mapping[str, str]], dataset: Artifact, limits: Limits
) -> "list[tuple[str, pd.DataFrame, list[Expectation]]]":
    import pandas as pd

    counts = pd.Series(_class_counts(frames["train"]))
    classes = pd.DataFrame({"label": counts.index, "images": counts, "share": counts / max(counts.sum(), 1)})
    profiles = []
    for name, frame in frames.items():
        read = dataset.metrics[name]
        labelled = abouts[name]["labelled"] == "true"
        count = read["rows"] + read["rejected"]
        profiles.append((name, frame, expectations.rows(labelled, count, limits, training=name == "train")))
    profiles.append(("classes", classes, expectations.classes(limits)))
    if abouts["train"]["columns"]:
        columns = pd.DataFrame(columns=abouts["train"]["columns"].split(","))
        profiles.append(("header", columns, expectations.header()))
    return profiles


def _class_counts(frame: "pd.DataFrame") -> list[int]:
    """Usable images of each class, 0 to 9; zeros where the labels are not known."""
    labels = frame.loc[frame["usable"], "label"].dropna().astype(int)
    return [int((labels == label).sum()) for label in range(digits.CLASSES)]


def _unwanted(train: "pd.DataFrame") -> list[dict[str, Any]]:
    """Training rows that can be read and are not to be learned from, with the columns of `quarantine.SCHEMA`.

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


def _warnings(failed: list[Check], bad: list[dict[str, Any]]) -> list[str]:
    lines = [f"{check.profile}: {check.says} ({check.seen})" for check in failed]
    if bad:
        lines.append(f"{len(bad):,} training rows left out, see quarantine.parquet")
    return lines


def _failure(
    check: Check,
    bad: list[dict[str, Any]],
    frames: "Mapping[str, pd.DataFrame]",
    abouts: Mapping[str, Mapping[str, str]],
    limits: Limits,
) -> dict[str, Any]:
    """The first thing to mend, as the arguments of a DataError: the first bad row of a part, else the rule itself."""
    rows = sorted((row for row in bad if row["part"] == check.profile), key=lambda row: row["row"])
    if not rows:
        part = check.profile if check.profile in frames else "train"
        return {
            "what": "the data are not what they should be",
            "file": abouts[part]["file"],
            "expected": check.says,
            "received": _class_words(frames["train"]) if check.profile == "classes" else check.seen,
            "remedy": "add what is missing, or look whether this is the right file",
        }
    if check.profile == "train":
        bad_rows = f"{len(rows):,} bad row{'' if len(rows) == 1 else 's'} of {len(frames[check.profile]):,}"
        remedy = f"correct the {bad_rows}; up to {100 * limits.bad_rows:g} % may be left out (--max-bad-rows)"
    else:
        remedy = "correct the file: a row to score cannot be left out"
    first = rows[0]
    return {
        "what": first["rule"],
        "file": abouts[check.profile]["file"],
        **{key: first[key] for key in ("row", "column", "expected", "received") if key in first},
        "remedy": remedy,
    }


def _class_words(frame: "pd.DataFrame") -> str:
    return "images by class " + ", ".join(f"{label}: {count}" for label, count in enumerate(_class_counts(frame)))


validate_stage = stage(validate)
