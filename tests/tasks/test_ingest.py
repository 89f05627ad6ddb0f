"""A dataset is the source's digits, unchanged, with where they came from; a source that changes is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from upath import UPath

from tasks.data import digits, quarantine, sources
from tasks.data.metrics import DatasetMetrics, RowCounts
from tasks.errors import DataError
from tasks.ingest import ingest
from tasks.settings import Settings
from tasks.store import Store
from tests import making


def test_a_dataset_holds_both_parts_as_they_were(store: Store, here: Settings) -> None:
    train, test = making.digits(60), making.digits(20, start=60)
    dataset = ingest(store, str(making.write_kaggle_zip(here.home / "d.zip", train, test)), here)
    for name, part in (("train", train), ("test", test)):
        found = digits.read(dataset.path / f"{name}.parquet")
        np.testing.assert_array_equal(found.images, part.images)
        np.testing.assert_array_equal(found.ids, part.ids)
    assert digits.read(dataset.path / "train.parquet").known_labels.tolist() == train.known_labels.tolist()
    assert digits.read(dataset.path / "test.parquet").labels is None
    assert dataset.measured(DatasetMetrics) == DatasetMetrics(train=RowCounts(60, 0), test=RowCounts(20, 0))


def test_the_manifest_and_the_file_name_the_source(store: Store, here: Settings) -> None:
    path = making.write_csv(here.home / "mine.csv", making.digits(20))
    dataset = ingest(store, str(path), here)
    (file,) = dataset.manifest().source["files"]
    assert file["path"] == str(path)
    assert len(file["sha256"]) == 64
    assert digits.about(dataset.path / "train.parquet")["file"] == "mine.csv"


def test_the_same_content_elsewhere_is_the_same_dataset_and_other_content_is_not(store: Store, here: Settings) -> None:
    some = making.digits(20)
    first = ingest(store, str(making.write_csv(here.home / "a.csv", some)), here)
    (here.home / "elsewhere").mkdir()
    again = ingest(store, str(making.write_csv(here.home / "elsewhere" / "a.csv", some)), here)
    other = ingest(store, str(making.write_csv(here.home / "a.csv", making.digits(20, seed=1))), here)
    assert first == again
    assert first != other


def test_rows_that_cannot_be_read_are_kept_with_their_reason(store: Store, here: Settings) -> None:
    rows = making.csv_rows(making.digits(20))
    rows[4][10] = "x"
    (here.home / "a.csv").write_bytes(making.csv_text(rows))
    dataset = ingest(store, str(here.home / "a.csv"), here)
    assert dataset.measured(DatasetMetrics) == DatasetMetrics(train=RowCounts(rows=19, rejected=1))
    assert quarantine.read(dataset.path / "rejected.parquet") == [
        {
            "part": "train",
            "row": 4,
            "column": "pixel9",
            "rule": "not a whole number",
            "expected": "a whole number from 0 to 255",
            "received": "'x'",
        }
    ]
    assert 4 not in digits.read(dataset.path / "train.parquet").ids


def test_a_file_that_changes_while_it_is_read_is_refused(
    store: Store, here: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = making.write_csv(here.home / "a.csv", making.digits(20))
    digest = sources.Source.digest
    calls: list[Path] = []

    def changing(source: sources.Source) -> str:
        found = digest(source)
        if not calls:  # after the first look another program appends a row
            with path.open("a") as file:
                file.write(path.read_text().splitlines()[1] + "\n")
        calls.append(path)
        return found

    monkeypatch.setattr(sources.Source, "digest", changing)
    with pytest.raises(
        DataError, match=r"a.csv: the file changed while it was read; expected the same .*; to go on, wait until"
    ):
        ingest(store, str(path), here)
    assert [found for found in store.root.rglob("*") if found.is_file()] == []


def test_an_address_is_kept_as_it_was_named(store: Store, here: Settings) -> None:
    address = UPath(f"memory://{here.home.name}/train.csv")
    address.write_bytes(making.write_csv(here.home / "a.csv", making.digits(20)).read_bytes())
    assert ingest(store, str(address), here).manifest().source["data"] == str(address)


def test_a_dataset_is_read_again_as_a_source(store: Store, here: Settings) -> None:
    some = making.digits(20)
    first = ingest(store, str(making.write_csv(here.home / "a.csv", some)), here)
    again = ingest(store, str(first.path), here)
    np.testing.assert_array_equal(digits.read(again.path / "train.parquet").images, some.images)
    assert json.loads((again.path / "manifest.json").read_text())["parameters"]["kind"] == "parquet"
