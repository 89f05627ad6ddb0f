"""Every rule on the data is met by good data and can fail; what is wrong is told with file and row."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tasks.data import quarantine
from tasks.data.digits import Digits
from tasks.data.expectations import Limits
from tasks.data.metrics import RowCounts, ValidationMetrics
from tasks.errors import DataError
from tasks.ingest import ingest
from tasks.settings import Settings
from tasks.store import Artifact, Store
from tasks.validate import Profile, frame_of, judge, validate
from tests import making


def dataset(store: Store, here: Settings, train: Digits, test: Digits | None = None, **csv: object) -> Artifact:
    """Ingested from a folder of CSVs: train.csv, and test.csv without labels."""
    folder = here.home / "digits"
    folder.mkdir()
    making.write_csv(folder / "train.csv", train, **csv)  # type: ignore[arg-type]
    if test:
        making.write_csv(folder / "test.csv", making.unlabelled(test))
    return ingest(store, str(folder), here)


def renumbered(some: Digits) -> Digits:
    return replace(some, ids=np.arange(1, len(some) + 1, dtype=np.int32))


@pytest.fixture
def train() -> Digits:
    return making.digits(200)


@pytest.fixture
def test_part() -> Digits:
    return making.digits(40, start=200)


def failed_checks(store: Store) -> list[tuple[str, str, bool]]:
    """Profile, rule and criticality of what failed in the only validation."""
    (path,) = store.root.glob("validation/*/checks.json")
    checks = json.loads(path.read_text())
    return [(check["profile"], check["says"], check["critical"]) for check in checks if not check["passed"]]


def test_good_data_pass_without_a_word(store: Store, here: Settings, train: Digits, test_part: Digits) -> None:
    metrics = validate(store, dataset(store, here, train, test_part)).measured(ValidationMetrics)
    assert (metrics.verdict, metrics.failure, metrics.warnings, metrics.quarantined) == ("passed", None, [], 0)
    assert metrics.class_counts == {"train": [20] * 10, "test": [0] * 10}
    assert metrics.checks > 20


def test_data_are_judged_without_a_store(tmp_path: Path, train: Digits) -> None:
    images = train.images.copy()
    images[3] = 0
    nothing_rejected = quarantine.SCHEMA.empty_table().to_pandas()
    frame = frame_of([replace(train, images=images)], nothing_rejected, held_out=set())
    profile = Profile(frame, "a.csv", labelled=True, columns=(), count=RowCounts(200, 0))
    judgement = judge({"train": profile}, [], Limits(bad_rows=0.01), tmp_path / "docs")
    assert [(row["row"], row["rule"]) for row in judgement.quarantined] == [(4, "blank image")]
    assert judgement.metrics.warnings == ["1 training row left out, see quarantine.parquet"]
    assert judgement.metrics.class_counts["train"] == [20, 20, 20, 19, *[20] * 6]
    assert all(check.passed for check in judgement.checks)
    assert (tmp_path / "docs" / "index.html").exists()


def test_data_docs_are_pages_in_the_artifact(store: Store, here: Settings, train: Digits) -> None:
    validation = validate(store, dataset(store, here, train))
    index = validation.path / "data_docs" / "index.html"
    assert "classes" in index.read_text()
    assert "data_docs/index.html" in validation.manifest().files


def test_a_bad_row_above_the_limit_stops_with_its_place(store: Store, here: Settings, train: Digits) -> None:
    labels = train.known_labels.copy()
    labels[16] = 10
    with pytest.raises(DataError) as told:
        validate(store, dataset(store, here, replace(train, labels=labels)))
    assert str(told.value) == (
        "digits/train.csv, row 17, column label: label outside 0-9; expected a whole number from 0 to 9; "
        "received '10'; to go on, correct the 1 bad row of 200; up to 0.1 % may be left out (--max-bad-rows)"
    )
    assert ("train", "labels are 0–9", True) in failed_checks(store)
    assert ("train", "no label outside 0-9", True) in failed_checks(store)


def test_a_failed_validation_is_kept_and_found_again(store: Store, here: Settings) -> None:
    data = dataset(store, here, making.digits(30))
    for _ in range(2):
        with pytest.raises(DataError, match="at least 5 images of every class"):
            validate(store, data)
    assert len(list(store.root.glob("validation/*/manifest.json"))) == 1


def test_bad_rows_below_the_limit_are_set_aside_with_their_reason(store: Store, here: Settings, train: Digits) -> None:
    images = train.images.copy()
    images[3] = 0
    labels = train.known_labels.copy()
    labels[16] = 11
    validation = validate(
        store, dataset(store, here, replace(train, images=images, labels=labels)), limits=Limits(bad_rows=0.01)
    )
    rows = quarantine.read(validation.path / "quarantine.parquet")
    assert [(row["row"], row["rule"], row["received"]) for row in rows] == [
        (17, "label outside 0-9", "'11'"),
        (4, "blank image", "784 zeros"),
    ]
    metrics = validation.measured(ValidationMetrics)
    assert metrics.verdict == "passed with warnings"
    assert metrics.warnings == ["2 training rows left out, see quarantine.parquet"]


def test_a_test_image_in_the_training_part_is_a_leak(
    store: Store, here: Settings, train: Digits, test_part: Digits
) -> None:
    images = test_part.images.copy()
    images[7] = train.images[49]
    data = dataset(store, here, train, replace(test_part, images=images))
    with pytest.raises(
        DataError, match=r"train.csv, row 50: copy of an image of the test part; expected an image that"
    ):
        validate(store, data)
    kept = validate(store, data, limits=Limits(bad_rows=0.01))
    assert quarantine.ids(kept.path / "quarantine.parquet", "train").tolist() == [50]


def test_duplicates_are_counted_and_told(store: Store, here: Settings, train: Digits) -> None:
    doubled = train[np.r_[0:200, 5, 6]]
    metrics = validate(store, dataset(store, here, renumbered(doubled))).measured(ValidationMetrics)
    assert metrics.duplicates == {"train": 2}
    assert metrics.warnings == ["train: no exact duplicate (4 rows)"]


def test_a_blank_image_to_score_is_a_warning(store: Store, here: Settings, train: Digits, test_part: Digits) -> None:
    images = test_part.images.copy()
    images[0] = 0
    data = dataset(store, here, train, replace(test_part, images=images))
    assert validate(store, data).measured(ValidationMetrics).warnings == ["test: no blank image (1 row)"]


def test_a_bad_row_to_score_stops_whatever_the_limit(
    store: Store, here: Settings, train: Digits, test_part: Digits
) -> None:
    folder = here.home / "digits"
    folder.mkdir()
    making.write_csv(folder / "train.csv", train)
    rows = making.csv_rows(making.unlabelled(test_part))
    rows[5][6] = ""
    (folder / "test.csv").write_bytes(making.csv_text(rows))
    data = ingest(store, str(folder), here)
    with pytest.raises(DataError) as told:
        validate(store, data, limits=Limits(bad_rows=0.5))
    assert str(told.value).startswith("digits/test.csv, row 5, column pixel6: blank cell; expected")
    assert str(told.value).endswith("to go on, correct the file: a row to score cannot be left out")


@pytest.mark.parametrize(
    ("choose", "told"),
    [
        (lambda labels: labels == 3, "received images by class 0: 0, 1: 0, 2: 0, 3: 20, 4: 0"),
        (lambda labels: labels != 3, "received images by class 0: 20, 1: 20, 2: 20, 3: 0, 4: 20"),
    ],
    ids=["one class only", "a class is missing"],
)
def test_missing_classes_are_told(
    store: Store, here: Settings, train: Digits, choose: Callable[[np.ndarray], np.ndarray], told: str
) -> None:
    some = renumbered(train[choose(train.known_labels)])
    with pytest.raises(DataError, match="expected at least 5 images of every class") as error:
        validate(store, dataset(store, here, some))
    assert told in str(error.value)


def test_a_class_with_too_small_a_share_is_told(store: Store, here: Settings) -> None:
    some = making.digits(500)
    rare = np.flatnonzero(some.known_labels == 8)[6:]
    some = renumbered(some[np.setdiff1d(np.arange(500), rare)])
    with pytest.raises(DataError, match="expected every class has a share of 2 %"):
        validate(store, dataset(store, here, some))


def test_columns_in_another_order_are_read_right_and_told(store: Store, here: Settings, train: Digits) -> None:
    validation = validate(store, dataset(store, here, train, columns=making.LABELLED[::-1]))
    metrics = validation.measured(ValidationMetrics)
    assert metrics.verdict == "passed with warnings"
    assert metrics.warnings[0].startswith("header: columns are label, pixel0 … pixel783 (found")
    assert metrics.class_counts["train"] == [20] * 10


def test_rows_that_got_lost_after_ingest_are_noticed(
    store: Store, here: Settings, train: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.data import digits as digit_files

    data = dataset(store, here, train)
    whole = digit_files.batches

    def shortened(path: Path, rows: int = 10) -> object:
        for batch in whole(path, rows):
            yield batch[slice(0, len(batch) - 1)]

    monkeypatch.setattr(digit_files, "batches", shortened)
    with pytest.raises(DataError, match="expected every row of the source is there"):
        validate(store, data)


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_part_of_bad_rows_alone_is_told_with_the_first(
    store: Store, here: Settings, train: Digits, test_part: Digits, part: str
) -> None:
    folder = here.home / "digits"
    folder.mkdir()
    for name, some in (("train", train), ("test", making.unlabelled(test_part))):
        rows = making.csv_rows(some)
        if name == part:
            rows = [rows[0], *([*row[:-1], "0.5"] for row in rows[1:])]
        (folder / f"{name}.csv").write_bytes(making.csv_text(rows))
    with pytest.raises(DataError, match=rf"digits/{part}.csv, row 1, column pixel783: not a whole number; .*'0.5'"):
        validate(store, ingest(store, str(folder), here))


@pytest.mark.parametrize(
    ("column", "cell", "rule"),
    [
        ("label", "10", "label outside 0-9"),
        ("label", "99999999999999999999", "label outside 0-9"),
        ("pixel3", "256", "pixel outside 0-255"),
        ("pixel3", "3.5", "not a whole number"),
        ("pixel3", "", "blank cell"),
    ],
)
def test_a_bad_cell_of_each_rule_ends_in_one_line_with_its_place(
    store: Store, here: Settings, train: Digits, column: str, cell: str, rule: str
) -> None:
    rows = making.csv_rows(train)
    rows[8][rows[0].index(column)] = cell
    (here.home / "a.csv").write_bytes(making.csv_text(rows))
    with pytest.raises(DataError) as told:
        validate(store, ingest(store, str(here.home / "a.csv"), here))
    assert str(told.value).startswith(f"a.csv, row 8, column {column}: {rule}; expected a whole number from 0 to ")
    assert f"; received '{cell}'; to go on, correct the 1 bad row of 200; up to 0.1 % may be" in str(told.value)
