"""Parquet files of this project as a source, and what is refused of Parquet and how."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.data import digits as digit_files
from tasks.data.digits import Digits
from tasks.data.sources import tables_in
from tasks.errors import DataError
from tests import making
from tests.tasks.data.reading import digits_of, refusal, source


def read_refusal(path: Path) -> str:
    """The message of a file that is refused when its table is read."""
    (table,) = tables_in(path)
    with pytest.raises(DataError) as error:
        list(table.read())
    return str(error.value)


def test_parquet_folder_gives_its_rows_numbers_of_its_own(tmp_path: Path) -> None:
    some = making.digits(12)
    moved = Digits(some.ids + np.int32(100), some.images, some.labels)
    digit_files.write(tmp_path / "train.parquet", moved)
    digit_files.write(tmp_path / "test.parquet", making.unlabelled(making.digits(3)))
    (tmp_path / "manifest.json").write_text("{}")
    pq.write_table(pa.table({"row": [1]}), tmp_path / "rejected.parquet")
    found = source(tmp_path)
    assert (found.kind, found.tables["test"].labelled) == ("parquet", False)
    assert list(digits_of(found.tables["train"]).ids) == list(range(1, 13))
    assert np.array_equal(digits_of(found.tables["train"]).images, some.images)


def test_label_over_9_in_parquet_is_a_fault(tmp_path: Path) -> None:
    some = making.digits(12)
    digit_files.write(tmp_path / "a.parquet", Digits(some.ids, some.images, some.known_labels + np.uint8(1)))
    (batch,) = source(tmp_path / "a.parquet").tables["train"].read()
    assert [(fault.row, fault.received) for fault in batch.faults] == [(10, "'10'")]


def test_parquet_of_other_columns_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"label": [1]}), tmp_path / "a.parquet")
    assert refusal(tmp_path / "a.parquet") == (
        "a.parquet: the columns are not those of a digit file; expected id: int32, label: uint8, "
        "image: fixed_size_binary[784]; received label: int64; "
        "to go on, give a Parquet file that this project wrote, or a CSV"
    )


def test_parquet_with_some_labels_missing_is_refused(tmp_path: Path) -> None:
    table = digit_files.to_table(making.digits(3)).set_column(1, "label", pa.array([1, None, 3], pa.uint8()))
    pq.write_table(table, tmp_path / "a.parquet")
    assert refusal(tmp_path / "a.parquet") == (
        "a.parquet, row 2, column label: some digits have labels and some have none; expected all or none; "
        "received a row without; to go on, separate them"
    )


def test_labels_that_end_somewhere_in_a_parquet_are_noticed_there(tmp_path: Path) -> None:
    tables = [digit_files.to_table(making.digits(2_000)), digit_files.to_table(making.unlabelled(making.digits(5)))]
    for parts, row, received in ((tables, 2_001, "without"), (tables[::-1], 6, "with one")):
        pq.write_table(pa.concat_tables(parts), tmp_path / "a.parquet", row_group_size=2_000)
        assert read_refusal(tmp_path / "a.parquet") == (
            f"a.parquet, row {row:,}, column label: some digits have labels and some have none; "
            f"expected all or none; received a row {received}; to go on, separate them"
        )


@pytest.mark.parametrize(("column", "index"), [("id", 0), ("image", 2)])
def test_parquet_with_a_value_missing_is_refused_with_its_row(tmp_path: Path, column: str, index: int) -> None:
    whole = digit_files.to_table(making.digits(4_003))
    values = whole[column].to_pylist()
    values[4_001] = None
    pq.write_table(
        whole.set_column(index, whole.field(column), pa.array(values, whole.field(column).type)), tmp_path / "a.parquet"
    )
    assert read_refusal(tmp_path / "a.parquet") == (
        f"a.parquet, row 4,002, column {column}: a value is missing; expected one in every row; received null; "
        "to go on, write the file again"
    )


def test_parquet_that_names_the_same_bytes_again_and_again_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digit_files.write(tmp_path / "a.parquet", making.digits(300))
    size = (tmp_path / "a.parquet").stat().st_size

    class Twice(pq.ParquetFile):
        @property
        def metadata(self) -> pq.FileMetaData:
            metadata = super().metadata
            metadata.append_row_groups(metadata)
            return metadata

    monkeypatch.setattr(pq, "ParquetFile", Twice)
    assert re.fullmatch(
        r"a\.parquet: the Parquet file says that it holds more than it does; "
        rf"expected at most {size:,} bytes; received [\d,]+ bytes; to go on, copy it or write it again",
        refusal(tmp_path / "a.parquet"),
    )


def test_parquet_with_a_page_that_would_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digit_files, "HUGE", 1_000_000)
    blank = Digits(np.arange(5_000, dtype=np.int32), np.zeros((5_000, 28, 28), np.uint8), None)
    pq.write_table(digit_files.to_table(blank), tmp_path / "a.parquet", compression="zstd", use_dictionary=False)
    assert re.fullmatch(
        r"a\.parquet: a row group of the Parquet file unpacks to more than digits do; "
        r"expected at most 100 times its [\d,]+ bytes; received 3,9\d\d,\d{3} bytes; "
        r"to go on, write the file again, in row groups of 10,000 rows",
        refusal(tmp_path / "a.parquet"),
    )
    digit_files.write(tmp_path / "b.parquet", making.digits(3_000))
    assert len(digits_of(source(tmp_path / "b.parquet").tables["train"])) == 3_000


def test_parquet_without_rows_is_refused(tmp_path: Path) -> None:
    digit_files.write(tmp_path / "a.parquet", making.digits(12)[:0])
    assert refusal(tmp_path / "a.parquet") == (
        "a.parquet: there are no rows; expected at least one digit; received none; to go on, give a file that has some"
    )


def test_truncated_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    digit_files.write(path, making.digits(12))
    path.write_bytes(path.read_bytes()[:-100])
    assert refusal(path).startswith(
        "a.parquet: the Parquet file cannot be read; expected a Parquet file that this project wrote; "
        "received Parquet magic bytes not found"
    )
