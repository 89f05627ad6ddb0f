"""CSV files: what is accepted, which row is a fault and why, and what no row can be read of."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tasks.data import csv_source
from tasks.data.digits import PIXEL_COLUMNS, Digits, concatenate
from tasks.data.sources import recognise
from tasks.data.tables import Batch, Fault
from tasks.errors import DataError
from tasks.settings import Settings
from tests import making

Rows = list[list[str]]

A_PIXEL = "a whole number from 0 to 255"
A_LABEL = "a whole number from 0 to 9"
HEADER = "expected a first line with pixel0 … pixel783, and label where the digits are known"
PUT_FIRST = "to go on, put such a line first, or leave this file out"
EMPTY = f"train.csv: the file is empty; {HEADER}; received no line; to go on, copy or download it again"


@pytest.fixture
def rows() -> Rows:
    """Header and 12 labelled rows."""
    return making.csv_rows(making.digits(12))


def read(path: Path) -> tuple[Digits, list[Fault]]:
    batches = list(recognise(str(path), Settings(home=path.parent)).tables["train"].read())
    return concatenate(batch.digits for batch in batches), [fault for batch in batches for fault in batch.faults]


def read_text(folder: Path, text: bytes) -> tuple[Digits, list[Fault]]:
    path = folder / "train.csv"
    path.write_bytes(text)
    return read(path)


def same(left: Digits, right: Digits) -> bool:
    return (
        np.array_equal(left.ids, right.ids)
        and np.array_equal(left.images, right.images)
        and np.array_equal(left.known_labels, right.known_labels)
    )


# --- What is accepted -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["train.csv", "train.csv.gz", "digits"])
def test_digits_come_back_as_they_were_written(tmp_path: Path, name: str) -> None:
    some = making.digits(700)
    found, faults = read(making.write_csv(tmp_path / name, some))
    assert same(found, some)
    assert not faults


def test_arrays_have_the_types_of_a_digit(tmp_path: Path) -> None:
    found, _ = read(making.write_csv(tmp_path / "train.csv", making.digits(12)))
    assert (found.ids.dtype, found.images.dtype, found.known_labels.dtype) == (np.int32, np.uint8, np.uint8)
    assert found.images.shape == (12, 28, 28)


def test_columns_count_by_name_and_not_by_place(tmp_path: Path) -> None:
    some = making.digits(12)
    shuffled = list(np.random.default_rng(0).permutation(making.LABELLED))
    assert same(read(making.write_csv(tmp_path / "train.csv", some, shuffled))[0], some)


@pytest.mark.parametrize(
    "dialect",
    [
        pytest.param(lambda text: b"\xef\xbb\xbf" + text, id="BOM"),
        pytest.param(lambda text: text.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(lambda text: text.replace(b"\n", b"\r"), id="CR"),
        pytest.param(lambda text: text.removesuffix(b"\n"), id="no newline at the end"),
        pytest.param(lambda text: b"\n" + text.replace(b"\n", b"\n\n") + b"\n\n", id="blank lines"),
        pytest.param(lambda text: text.replace(b",", b", "), id="spaces"),
        pytest.param(lambda text: b'"' + text[:-1].replace(b",", b'","').replace(b"\n", b'"\n"') + b'"', id="quotes"),
    ],
)
def test_a_dialect_changes_nothing(tmp_path: Path, dialect: Callable[[bytes], bytes], rows: Rows) -> None:
    found, faults = read_text(tmp_path, dialect(making.csv_text(rows)))
    assert not faults
    assert same(found, making.digits(12))


def test_blocks_and_pieces_cut_anywhere_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = making.digits(40)
    path = making.write_csv(tmp_path / "train.csv", some)
    monkeypatch.setattr(csv_source, "PIECE", 5_001)
    for block in (6_007, 9_000, 20_011):
        monkeypatch.setattr(csv_source, "BLOCK", block)
        assert same(read(path)[0], some)


# --- Faults -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "cell", "rule", "expected"),
    [
        ("pixel5", "", "blank cell", A_PIXEL),
        ("pixel5", "  ", "blank cell", A_PIXEL),
        ("pixel5", '""', "blank cell", A_PIXEL),
        ("pixel5", "nan", "not a whole number", A_PIXEL),
        ("pixel5", "NA", "not a whole number", A_PIXEL),
        ("pixel5", "ink", "not a whole number", A_PIXEL),
        ("pixel5", "3.5", "not a whole number", A_PIXEL),
        ("pixel5", "4.0", "not a whole number", A_PIXEL),
        ("pixel5", "1e2", "not a whole number", A_PIXEL),
        ("pixel5", "256", "pixel outside 0-255", A_PIXEL),
        ("pixel0", "300", "pixel outside 0-255", A_PIXEL),
        ("pixel783", "999", "pixel outside 0-255", A_PIXEL),
        ("pixel5", "1000", "pixel outside 0-255", A_PIXEL),
        ("pixel5", "-1", "pixel outside 0-255", A_PIXEL),
        ("pixel5", "9" * 30, "pixel outside 0-255", A_PIXEL),
        ("pixel5", "0x10", "not a whole number", A_PIXEL),
        ("pixel5", '"1"2', "not a whole number", A_PIXEL),
        ("pixel5", '""0""', "not a whole number", A_PIXEL),
        ("label", "10", "label outside 0-9", A_LABEL),
        ("label", "-1", "label outside 0-9", A_LABEL),
        ("label", "256", "label outside 0-9", A_LABEL),
        ("label", "", "blank cell", A_LABEL),
        ("label", "seven", "not a whole number", A_LABEL),
    ],
)
def test_bad_cell_is_a_fault_with_row_and_column(
    tmp_path: Path, rows: Rows, column: str, cell: str, rule: str, expected: str
) -> None:
    rows[7][rows[0].index(column)] = cell
    found, faults = read_text(tmp_path, making.csv_text(rows))
    assert faults == [Fault(7, column, rule, expected, f"'{cell}'")]
    assert list(found.ids) == [1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12]


def test_first_bad_cell_of_a_row_is_the_one_reported(tmp_path: Path, rows: Rows) -> None:
    rows[3][rows[0].index("pixel9")] = "x"
    rows[3][rows[0].index("pixel600")] = ""
    _, faults = read_text(tmp_path, making.csv_text(rows))
    assert [(fault.row, fault.column) for fault in faults] == [(3, "pixel9")]


@pytest.mark.parametrize(
    ("change", "received"),
    [
        (lambda row: row[:-1], "784 cells"),
        (lambda row: [*row, "0"], "786 cells"),
        (lambda row: ["# a remark"], "1 cell"),
    ],
    ids=["short", "long", "remark"],
)
def test_ragged_row_is_a_fault_without_column(
    tmp_path: Path, rows: Rows, change: Callable[[list[str]], list[str]], received: str
) -> None:
    rows[4] = change(rows[4])
    found, faults = read_text(tmp_path, making.csv_text(rows))
    assert faults == [Fault(4, None, "wrong number of cells", "785 cells", received)]
    assert len(found) == 11


def test_a_long_cell_is_read_in_a_time_that_grows_with_its_length(tmp_path: Path, rows: Rows) -> None:
    rows[7][5] = "0" * 100_000 + "x"  # took hours
    _, faults = read_text(tmp_path, making.csv_text(rows))
    assert [(fault.row, fault.rule) for fault in faults] == [(7, "not a whole number")]


def test_a_header_of_many_names_is_refused_in_a_time_that_grows_with_its_length(tmp_path: Path) -> None:
    names = [f"pixel{index}" for index in range(7_000)]
    passes = 0

    class Name(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            nonlocal passes
            passes += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    with pytest.raises(DataError, match="the column is unknown, and 6,215 more"):
        csv_source._refuse_columns([Name(name) for name in names], "train.csv", None)
    assert passes < 10 * len(names)


@pytest.mark.parametrize(
    ("cells", "hint"),
    [
        (["0.0", "0.5", "1.0"], ", which looks scaled to 0-1: multiply by 255"),
        (["0.0", "0.5", "254.0"], ""),
        (["0.5", "-1", "x"], ""),
    ],
)
def test_pixels_scaled_to_one_are_told(tmp_path: Path, rows: Rows, cells: list[str], hint: str) -> None:
    rows[7][1:] = [cells[0], *["0"] * 781, *cells[1:]]
    _, faults = read_text(tmp_path, making.csv_text(rows))
    assert faults == [Fault(7, "pixel0", "not a whole number", A_PIXEL, f"'{cells[0]}'{hint}")]


def test_latin_1_byte_in_a_cell_is_a_fault(tmp_path: Path, rows: Rows) -> None:
    text = making.csv_text(rows).replace(
        b"\n" + rows[2][0].encode() + b",0,", b"\n" + rows[2][0].encode() + b",\xe9,", 1
    )
    _, faults = read_text(tmp_path, text)
    assert [(fault.column, fault.rule, fault.received) for fault in faults] == [
        ("pixel0", "not a whole number", "'\N{REPLACEMENT CHARACTER}'")
    ]


def test_rows_keep_their_numbers_around_faults_in_a_long_file(tmp_path: Path) -> None:
    some = making.digits(1_500)
    rows = making.csv_rows(some)
    bad = {1: "label", 700: "pixel3", 701: "pixel4", 1_500: "pixel783"}
    for row, column in bad.items():
        rows[row][rows[0].index(column)] = "77" if column == "label" else "x"
    found, faults = read_text(tmp_path, making.csv_text(rows))
    assert {fault.row: fault.column for fault in faults} == bad
    assert same(found, some[~np.isin(some.ids, list(bad))])


def test_a_file_of_faults_alone_has_batches_without_digits(tmp_path: Path, rows: Rows) -> None:
    found, faults = read_text(tmp_path, making.csv_text([rows[0], *([["x"] * 785] * 3)]))
    assert len(found) == 0
    assert [fault.row for fault in faults] == [1, 2, 3]


# The number in each spelling of a cell; None where it holds none from 0 to 255.
SPELLINGS = {
    **{"0": 0, "7": 7, "42": 42, "255": 255, "007": 7, "0000000255": 255, "0" * 400 + "5": 5},
    **{" 5": 5, "5 ": 5, "\t5": 5, " 5 ": 5, '"5"': 5, '" 5 "': 5, '"5"x': None, '"5" ': 5, ' "5"': 5},
    **dict.fromkeys(["256", "299", "300", "999", "1000", "9" * 30, "-1", "-0", "+5", "4.0", "1_0", "1e2"]),
    **dict.fromkeys(
        [
            "0xfff",
            "0x1F",
            " 0X10",
            '"1"2',
            '""0""',
            '"0',
            "0x",
            "12 3",
            "1/2",
            "1:2",
            "1-2",
            '5"',
            "'5'",
            "",
            " ",
            '""',
            "nan",
            "null",
            "five",
        ]
    ),
    **dict.fromkeys(["0x1F", " 0X10", '"1"2', '""0""', '"0', '1"2"']),
    **dict.fromkeys(["٣", "5\x0b", "5\xa0", "5\x00"]),
}


@pytest.mark.parametrize(("cell", "number"), SPELLINGS.items(), ids=map(ascii, SPELLINGS))
@pytest.mark.parametrize("place", [0, 300, 783], ids=["first", "middle", "last"])
def test_both_readers_agree_on_a_cell(cell: str, number: int | None, place: int) -> None:
    cells = ["0"] * 784
    cells[place] = cell
    block = making.csv_text([["12"] * 784, cells, ["255"] * 784])
    by_row = csv_source._by_row(block, csv_source._Layout.of(PIXEL_COLUMNS), 1)
    plain = csv_source._plain(block, 784)
    if number is None:
        assert [fault.row for fault in by_row.faults] == [2]
        assert plain is None
        return
    assert by_row.faults == ()
    assert by_row.digits.images.reshape(3, 784)[1, place] == number
    if plain is not None:
        assert np.array_equal(plain, by_row.digits.images.reshape(3, 784))


def test_plain_reader_takes_what_kaggle_writes(rows: Rows) -> None:
    numbers = [[str(number % 256) for number in range(start, start + 784)] for start in (0, 100, 200)]
    found = csv_source._plain(making.csv_text(numbers), 784)
    assert found is not None
    assert np.array_equal(found, np.array(numbers, int))
    assert csv_source._plain(making.csv_text(rows[1:]), 785) is not None


def test_only_the_block_with_a_bad_cell_is_read_row_by_row(
    tmp_path: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_by_row: list[int] = []
    by_row = csv_source._by_row

    def counted(block: bytes, layout: csv_source._Layout, row: int) -> Batch:
        batch = by_row(block, layout, row)
        read_by_row.append(len(batch))
        return batch

    monkeypatch.setattr(csv_source, "_by_row", counted)
    rows = making.csv_rows(making.digits(1_500))
    rows[800][5] = ""
    read_text(tmp_path, making.csv_text(rows))
    assert len([count for count in read_by_row if count]) == 1
    assert sum(read_by_row) < 600


# --- Files that are refused -------------------------------------------------------------------------------------


def without(rows: Rows, *columns: str) -> bytes:
    keep = [index for index, name in enumerate(rows[0]) if name not in columns]
    return making.csv_text([[row[index] for index in keep] for row in rows])


def renamed(rows: Rows, **names: str) -> bytes:
    return making.csv_text([[names.get(name, name) for name in rows[0]], *rows[1:]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            lambda rows: without(rows, "pixel5"),
            f"train.csv, column pixel5: the column is missing; {HEADER}; received 784 columns; "
            "to go on, put the columns right",
            id="missing column",
        ),
        pytest.param(
            lambda rows: without(rows, "pixel5", "pixel6", "pixel700"),
            f"train.csv, column pixel5: the column is missing, and 2 more; {HEADER}; received 782 columns; "
            "to go on, put the columns right",
            id="missing columns",
        ),
        pytest.param(
            lambda rows: making.csv_text([[*row, "0"] for row in rows]).replace(b"783,0", b"783,weight"),
            f"train.csv, column weight: the column is unknown; {HEADER}; received 786 columns; "
            "to go on, put the columns right",
            id="unknown column",
        ),
        pytest.param(
            lambda rows: renamed(rows, pixel6="pixel5"),
            f"train.csv, column pixel5: the column is there twice; {HEADER}; received 785 columns; "
            "to go on, put the columns right",
            id="column twice",
        ),
        pytest.param(
            lambda rows: making.csv_text(rows).replace(b",", b";"),
            "train.csv: the cells are separated by semicolons; expected commas; "
            "received 'label;pixel0;pixel1;pixel2;pixel3;pixel4…'; to go on, save it with commas",
            id="semicolons",
        ),
        pytest.param(
            lambda rows: making.csv_text(rows).replace(b",", b"\t"),
            "train.csv: the cells are separated by tabs; expected commas; "
            "received 'label pixel0 pixel1 pixel2 pixel3 pixel4…'; to go on, save it with commas",
            id="tabs",
        ),
        pytest.param(
            lambda rows: making.csv_text(rows[1:]),
            f"train.csv: the first line names no pixels; {HEADER}; "
            f"received '0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,…'; {PUT_FIRST}",
            id="no header",
        ),
        pytest.param(
            lambda rows: b"ImageId,Label\n1,0\n",
            f"train.csv: the first line names no pixels; {HEADER}; received 'ImageId,Label'; {PUT_FIRST}",
            id="a submission",
        ),
        pytest.param(
            lambda rows: making.csv_text(rows[:1]),
            "train.csv: there are no rows; expected at least one digit; received none; "
            "to go on, give a file that has some",
            id="no rows",
        ),
        pytest.param(lambda rows: b"", EMPTY, id="empty"),
        pytest.param(lambda rows: b"\n\n", EMPTY, id="blank"),
        pytest.param(
            lambda rows: making.csv_text(rows).decode().encode("utf-16"),
            "train.csv: the text is not UTF-8; expected UTF-8; received UTF-16; to go on, save it as UTF-8",
            id="UTF-16",
        ),
        pytest.param(
            lambda rows: making.csv_text(rows).decode().encode("utf-16-be"),
            "train.csv: the text is not UTF-8; expected UTF-8; received UTF-16; to go on, save it as UTF-8",
            id="UTF-16 without BOM",
        ),
        pytest.param(
            lambda rows: renamed(rows, label="étiquette").decode().encode("latin-1"),
            "train.csv: the text is not UTF-8; expected UTF-8; received byte 0xe9; to go on, save it as UTF-8",
            id="Latin-1",
        ),
        pytest.param(
            lambda rows: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
            "train.csv: this is neither text nor a known format; expected CSV, gzip, zip, IDX or Parquet; "
            "received bytes 89 50 4e 47; to go on, give a file in one of these",
            id="picture",
        ),
        pytest.param(
            lambda rows: making.csv_text(rows[:1]) + b"0," * 600_000,
            "train.csv: a line is too long for a digit; expected at most 524,288 bytes; received more; "
            "to go on, put each digit on a line of its own",
            id="endless line",
        ),
    ],
)
def test_a_file_without_digit_rows_is_refused(
    tmp_path: Path, rows: Rows, text: Callable[[Rows], bytes], message: str
) -> None:
    with pytest.raises(DataError) as error:
        read_text(tmp_path, text(rows))
    assert str(error.value) == message


def test_truncated_gzip_is_refused_in_the_middle_of_reading(tmp_path: Path) -> None:
    path = making.write_csv(tmp_path / "train.csv.gz", making.digits(600))
    path.write_bytes(path.read_bytes()[:-2_000])
    with pytest.raises(DataError) as error:
        read(path)
    assert str(error.value) == (
        "train.csv.gz: the file is damaged or incomplete; expected a whole file; received Compressed file ended "
        "before the end-of-stream marker was reached; to go on, copy or download it again"
    )


@pytest.mark.parametrize(
    ("columns", "received"),
    [
        (making.LABELLED[::-1], "'pixel783,pixel782,pixel781,pixel780,pixe…'"),
        (PIXEL_COLUMNS, "'pixel0,pixel1,pixel2,pixel3,pixel4,pixel…'"),
    ],
    ids=["another order", "no label any more"],
)
@pytest.mark.parametrize("start", [b"", b"\n\n", b"\xef\xbb\xbf"], ids=["plain", "blank lines", "BOM"])
def test_file_that_changes_between_its_header_and_its_rows_is_refused(
    tmp_path: Path, columns: tuple[str, ...], received: str, start: bytes
) -> None:
    path = making.write_csv(tmp_path / "train.csv", making.digits(12))
    table = recognise(str(path), Settings(home=tmp_path)).tables["train"]
    path.write_bytes(start + making.csv_text(making.csv_rows(making.digits(12), columns)))
    with pytest.raises(DataError) as error:
        list(table.read())
    assert str(error.value) == (
        "train.csv: the file changed while it was read; "
        f"expected the first line of before, 'label,pixel0,pixel1,pixel2,pixel3,pixel4…'; received {received}; "
        "to go on, wait until whoever writes it is done, and run again"
    )


def test_corrupted_gzip_is_refused(tmp_path: Path) -> None:
    path = making.write_csv(tmp_path / "train.csv.gz", making.digits(600))
    content = bytearray(path.read_bytes())
    content[-8] ^= 0xFF  # of the checksum
    path.write_bytes(content)
    with pytest.raises(
        DataError, match=r"^train.csv.gz: the file is damaged or incomplete; expected a whole file; received CRC"
    ):
        read(path)
