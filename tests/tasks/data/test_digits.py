"""The Parquet form of a digit: what is written comes back, without copies, whatever the batches."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.data import digits
from tasks.data.digits import Digits
from tasks.errors import DataError
from tests import making


def same(left: Digits, right: Digits) -> None:
    np.testing.assert_array_equal(left.ids, right.ids)
    np.testing.assert_array_equal(left.images, right.images)
    np.testing.assert_array_equal(left.labels, right.labels)


@pytest.mark.parametrize("labelled", [True, False])
def test_digits_come_back_as_they_were_written(tmp_path: Path, labelled: bool) -> None:
    some = making.digits(50) if labelled else making.unlabelled(making.digits(50))
    digits.write(tmp_path / "d.parquet", some, {"file": "x.csv"})
    same(digits.read(tmp_path / "d.parquet"), some)
    assert digits.about(tmp_path / "d.parquet") | {"file": "x.csv"} == digits.about(tmp_path / "d.parquet")
    assert digits.about(tmp_path / "d.parquet")["scale"] == "1/255"


def test_batches_of_any_size_are_the_same_digits(tmp_path: Path) -> None:
    some = making.digits(50)
    with digits.Writer(tmp_path / "d.parquet") as writer:
        for start in range(0, 50, 7):
            writer.write(some[slice(start, start + 7)])
    batches = list(digits.batches(tmp_path / "d.parquet", rows=13))
    assert [len(batch) for batch in batches] == [13, 13, 13, 11]
    same(digits.concatenate(batches), some)


def test_reading_and_writing_import_no_pandas(tmp_path: Path) -> None:
    digits.write(tmp_path / "d.parquet", making.digits(5))
    program = (
        "import sys, pathlib; from tasks.data import digits;"
        "path = pathlib.Path(sys.argv[1]); digits.write(path, digits.read(path)); print('pandas' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "d.parquet")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_table_is_a_view_of_the_images() -> None:
    some = making.digits(5)
    buffer = digits.to_table(some)["image"].chunk(0).buffers()[1]
    assert buffer.address == some.images.__array_interface__["data"][0]


def test_a_slice_of_a_table_gives_its_own_images() -> None:
    some = making.digits(10)
    (batch,) = digits.to_table(some).slice(4, 3).to_batches()
    same(digits.from_batch(batch), some[slice(4, 7)])


def test_no_digits_are_a_file_too(tmp_path: Path) -> None:
    digits.write(tmp_path / "d.parquet", making.digits(0))
    assert len(digits.read(tmp_path / "d.parquet")) == 0


def test_a_parquet_file_of_something_else_is_refused_with_its_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "d.parquet")
    with pytest.raises(DataError, match=r"d.parquet: the columns are not those of a digit file; .*; received a: int64"):
        digits.read(tmp_path / "d.parquet")


def test_fingerprints_tell_images_apart_and_nothing_else() -> None:
    some = making.digits(200)
    prints = digits.fingerprints(some.images)
    assert len(set(prints.tolist())) == 200
    np.testing.assert_array_equal(prints[3:5], digits.fingerprints(some.images[3:5]))
