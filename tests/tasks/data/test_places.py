"""A table can be entered at any of its places, and what is read from there is what stands there."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tasks.data import digits
from tasks.data.digits import Digits
from tasks.data.sources import tables_in
from tasks.data.tables import BEGINNING, Place, Table
from tests import making

SOME = making.digits(1_000)
UNLABELLED = making.unlabelled(SOME)


def read(table: Table, place: Place = BEGINNING) -> Digits:
    return digits.concatenate(batch.digits for batch in table.read(place))


def csv(folder: Path) -> Path:
    return making.write_csv(folder / "test.csv", UNLABELLED)


def csv_of_windows(folder: Path) -> Path:
    path = csv(folder)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    return path


def csv_without_a_last_line_end(folder: Path) -> Path:
    path = making.write_csv(folder / "train.csv", SOME)
    path.write_bytes(path.read_bytes().rstrip())
    return path


def idx(folder: Path) -> Path:
    return making.write_idx(folder / "idx", SOME, compress=False)


def idx_without_labels(folder: Path) -> Path:
    path = folder / "t10k-images-idx3-ubyte"
    path.write_bytes(making.idx_images(SOME))
    return path


def parquet(folder: Path) -> Path:
    with digits.Writer(folder / "some.parquet") as writer:
        for start in range(0, 1_000, 150):  # row groups of their own
            writer.write(SOME[slice(start, start + 150)])
            writer._flush()
    return folder / "some.parquet"


@pytest.mark.parametrize(
    "make",
    [csv, csv_of_windows, csv_without_a_last_line_end, idx, idx_without_labels, parquet],
    ids=lambda f: f.__name__,
)
@pytest.mark.parametrize("step", [1, 7, 300, 999, 1_000, 5_000])
def test_what_is_read_from_a_place_is_what_stands_there(
    make: Callable[[Path], Path], step: int, tmp_path: Path
) -> None:
    (table,) = tables_in(make(tmp_path))
    whole = read(table)
    places = table.places(step)
    assert [place.row for place in places] == list(range(1, 1_001, step))
    for place in places[:: max(1, len(places) // 5)]:
        found, expected = read(table, place), whole[slice(place.row - 1, None)]
        np.testing.assert_array_equal(found.ids, expected.ids)
        np.testing.assert_array_equal(found.images, expected.images)
        assert (found.labels is None) == (expected.labels is None)
        if found.labels is not None:
            np.testing.assert_array_equal(found.labels, expected.labels)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"\n", b"\n\n", 5),
        lambda text: text.replace(b"\n", b"\r\n\r\n"),
        lambda text: text.replace(b"\n", b"\r"),
        lambda text: b"\n" + text,
        lambda text: b"\xef\xbb\xbf\n" + text,
    ],
    ids=["blank lines", "blank lines of Windows", "line ends of old Macs", "a blank line first", "… behind a mark"],
)
def test_a_csv_whose_lines_are_not_its_rows_has_only_a_beginning(
    change: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = csv(tmp_path)
    path.write_bytes(change(path.read_bytes()))
    (table,) = tables_in(path)
    assert table.places(10) == [BEGINNING]
    assert len(read(table)) == 1_000


def test_what_is_packed_has_only_a_beginning(tmp_path: Path) -> None:
    packed = making.write_csv(tmp_path / "test.csv.gz", UNLABELLED)
    images = making.write_idx(tmp_path / "idx", SOME)
    archive = making.write_zip(tmp_path / "d.zip", {"test.csv": making.csv_text(making.csv_rows(UNLABELLED))})
    for path in (packed, images, archive):
        (table,) = tables_in(path)
        assert table.places(10) == [BEGINNING]
