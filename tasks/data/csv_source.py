"""Digits from CSV: a header that names `pixel0` … `pixel783` and maybe `label`, in any order; a digit a row.

A file is read in blocks of whole lines, each by the first of two readers that can:

1. `_plain`   NumPy, where there is nothing but digits, commas and line ends, as in the files from Kaggle;
2. `_by_row`  Python, which accepts other spellings of a number (quoted as a whole, with blanks around, with zeros
              before), and names the first bad cell of every row that is not a digit.

So a bad cell costs the speed of its block only, and a row has the same number whichever reads it.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

import numpy as np

from tasks.data.digits import CLASSES, PIXEL_COLUMNS, SIDE, Digits
from tasks.data.streams import HEAD, Probe, Stream, changed
from tasks.data.tables import (
    A_LABEL,
    A_PIXEL,
    BEGINNING,
    BLANK,
    LABEL,
    RAGGED,
    RANGE,
    TEXT,
    Batch,
    Fault,
    NotDigitsError,
    Place,
    Table,
    only_beginning,
    row_numbers,
    sorted_out,
)
from tasks.errors import DataError
from tasks.words import counted

LABEL_COLUMN = "label"
BLOCK = 512 * 1024
# What NumPy makes of so few bytes stays in the processor's cache, and malloc reuses its memory: four times as fast
# as a block at once, which has the system hand out and take back every page.
PIECE = 64 * 1024
BOM = b"\xef\xbb\xbf"
COMMA, LINE_END, ZERO, NINE = (np.uint8(byte) for byte in b",\n09")

HEADER = "a first line with pixel0 … pixel783, and label where the digits are known"


def table(probe: Probe, ignored: Sequence[str] | None = None) -> Table:
    """Return the table of a file. ignored: as in `header`. Raises: as `header`."""
    stream = probe.stream
    columns = header(probe.head, stream.name, ignored)
    return Table(
        "csv",
        stream.name,
        (stream.path,),
        partial(batches, stream, columns),
        only_beginning if probe.packed else partial(_places, stream),
        labelled=LABEL_COLUMN in columns,
        columns=columns,
        rows=_about_rows(probe.head, probe.size),
        lines=not probe.packed,
    )


# --- The header -------------------------------------------------------------------------------------------------


def header(head: bytes, file: str, ignored: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the columns that the first bytes of a file name, in the file's order.

    ignored: columns that may be there and are not read; None where the caller has no way to name any.
    Raises: NotDigitsError if they are no text or name no pixels; DataError if they name some, but not as they should.
    """
    line = _first_line(head, file)
    names = _names(line)
    if not any(re.fullmatch("pixel[0-9]+", name) for name in names):
        _refuse_separator(line, file)
        raise NotDigitsError(
            "the first line names no pixels",
            file=file,
            expected=HEADER,
            received=_quoted(line),
            remedy="put such a line first, or leave this file out",
        )
    _refuse_columns(names, file, ignored)
    return names


def _first_line(head: bytes, file: str) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"p\0i\0x" in head:
        raise _not_utf_8(file, "UTF-16")
    if re.search(rb"[\x00-\x08\x0e-\x1f]", head):
        raise NotDigitsError(
            "this is neither text nor a known format",
            file=file,
            expected="CSV, gzip, zip, IDX or Parquet",
            received=f"bytes {head[:4].hex(' ')}",
            remedy="give a file in one of these",
        )
    line = _line_ends(head.removeprefix(BOM)).lstrip(b"\n").partition(b"\n")[0]
    if not line:
        raise NotDigitsError(
            "the file is empty", file=file, expected=HEADER, received="no line", remedy="copy or download it again"
        )
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise _not_utf_8(file, f"byte {line[error.start]:#04x}") from error


def _not_utf_8(file: str, received: str) -> NotDigitsError:
    return NotDigitsError(
        "the text is not UTF-8", file=file, expected="UTF-8", received=received, remedy="save it as UTF-8"
    )


def _names(line: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in next(csv.reader([line])))


def _refuse_separator(line: str, file: str) -> None:
    for separator, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if re.search(rf"pixel[0-9]+[\"']?\s*{re.escape(separator)}", line):
            raise DataError(
                f"the cells are separated by {name}",
                file=file,
                expected="commas",
                received=_quoted(line),
                remedy="save it with commas",
            )


def _refuse_columns(names: Sequence[str], file: str, ignored: Sequence[str] | None) -> None:
    counts = Counter(names)
    known = {LABEL_COLUMN, *PIXEL_COLUMNS, *(ignored or ())}
    faults = {
        "is there twice": [name for name, count in counts.items() if count > 1],
        "is missing": [name for name in PIXEL_COLUMNS if name not in counts],
        "is unknown": [name for name in names if name not in known],
    }
    for fault, columns in faults.items():
        if columns:
            more = f", and {len(columns) - 1:,} more" if len(columns) > 1 else ""
            ignore = f", or leave out what is no pixel by --ignore-columns {','.join(columns)[:80]}"
            can_ignore = fault == "is unknown" and ignored is not None
            raise DataError(
                f"the column {fault}{more}",
                file=file,
                column=columns[0][:40] or "''",
                expected=HEADER,
                received=counted(len(names), "column"),
                remedy=f"put the columns right{ignore if can_ignore else ''}",
            )


# --- The rows ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Layout:
    """The places of label and pixels in a row.

    pixels: int (784,), or a slice where they stand in order, which copies faster.
    """

    columns: tuple[str, ...]
    pixels: np.ndarray | slice
    label: int | None

    @staticmethod
    def of(columns: tuple[str, ...]) -> "_Layout":
        first = columns.index(PIXEL_COLUMNS[0])
        pixels: np.ndarray | slice = slice(first, first + len(PIXEL_COLUMNS))
        if columns[pixels] != PIXEL_COLUMNS:
            pixels = np.array([columns.index(name) for name in PIXEL_COLUMNS])
        return _Layout(columns, pixels, columns.index(LABEL_COLUMN) if LABEL_COLUMN in columns else None)

    def digits(self, cells: np.ndarray, ids: np.ndarray) -> Digits:
        """Return the digits of rows; cells: uint8 (n, columns)."""
        images = np.ascontiguousarray(cells[:, self.pixels]).reshape(-1, SIDE, SIDE)
        return Digits(ids, images, None if self.label is None else cells[:, self.label].copy())


def batches(
    stream: Stream, columns: tuple[str, ...], place: Place = BEGINNING, *, headed: bool = True
) -> Iterator[Batch]:
    """Yield the rows of a CSV, from a place on.

    columns: the name of each column, as from `header`. headed: the first line repeats them and is no row.
    Raises: DataError if the file is damaged, or its first line is not as it was.
    """
    layout = _Layout.of(columns)
    row = place.row
    with stream.open() as file:
        if place.byte:
            file.seek(place.byte)
            headed = False
        for block in _blocks(file, stream.name):
            if headed:
                line, _, block = block.lstrip(b"\n").partition(b"\n")
                headed = not line
                if line:
                    _refuse_change(line, columns, stream.name)
            batch = _read(block, layout, row)
            row += len(batch)
            yield batch


def _about_rows(head: bytes, size: int) -> int:
    """Estimate by its first lines how many rows a file of `size` bytes has."""
    lines = _line_ends(head).partition(b"\n")[2]
    bytes_a_row = max(len(lines), 1) / max(lines.count(b"\n"), 1)
    behind_header = size - len(head) + len(lines)
    return max(1, round(behind_header / bytes_a_row))


def _places(stream: Stream, step: int) -> list[Place]:
    """Return where every `step` rows of a file that is not packed begin. Raises: DataError if it cannot be read."""
    finder = RowFinder(step)
    with stream.open() as file:
        while chunk := file.read(BLOCK):
            finder.feed(chunk)
    return finder.places


class RowFinder:
    """Finds where every `step` rows of a CSV begin, while somebody reads the file for whatever reason."""

    def __init__(self, step: int) -> None:
        self._step = step
        self._places = [BEGINNING]
        self._lines = self._bytes = 0  # before the next chunk
        self._last_bytes = b"\n"
        self._lines_are_rows = True

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the file."""
        if _has_lines_without_row(self._last_bytes + chunk.removeprefix(BOM)):
            self._lines_are_rows = False
        if not self._lines_are_rows:
            return
        self._last_bytes = chunk[-2:]
        lines = self._lines + chunk.count(b"\n")
        # The header is a line, too: row r begins behind line end number r.
        next_row = len(self._places) * self._step + 1
        if next_row <= lines:
            line_ends = np.flatnonzero(np.frombuffer(chunk, np.uint8) == LINE_END)
            for row in range(next_row, lines + 1, self._step):
                self._places.append(Place(row, self._bytes + int(line_ends[row - self._lines - 1]) + 1))
        self._lines = lines
        self._bytes += len(chunk)

    @property
    def places(self) -> list[Place]:
        """The places in what it was fed; only the beginning of a file with lines that are no rows."""
        if not self._lines_are_rows:
            return [BEGINNING]
        return [place for place in self._places if place.byte < self._bytes] or [BEGINNING]


def _has_lines_without_row(text: bytes) -> bool:
    """Return whether there are blank lines, or the line ends of old Macs."""
    return b"\n\n" in text or (b"\r" in text and re.search(rb"\n\r\n|\r[^\n]", text) is not None)


def _refuse_change(line: bytes, columns: tuple[str, ...], file: str) -> None:
    text = line[:HEAD].decode("utf-8", "replace")  # as much as `header` has seen
    if _names(text) != columns:
        raise changed(file, f"the first line of before, {_quoted(','.join(columns))}", _quoted(text))


def _blocks(file: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield the file in blocks of whole lines, each ending in a newline. At most about two blocks are in memory."""
    rest = b""
    start = BOM
    while chunk := file.read(BLOCK):
        lines = rest + chunk.removeprefix(start)
        start = b""
        cut = lines.rfind(b"\n") + 1 or lines.rfind(b"\r") + 1
        if not cut and len(lines) > BLOCK:
            raise DataError(
                "a line is too long for a digit",
                file=name,
                expected=f"at most {BLOCK:,} bytes",
                received="more",
                remedy="put each digit on a line of its own",
            )
        rest = lines[cut:]
        if cut:
            yield _line_ends(lines[:cut])
    if rest:
        yield _line_ends(rest + b"\n")


def _line_ends(text: bytes) -> bytes:
    """Return the text with a newline for the line ends of Windows and of old Macs."""
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in text else text


def _read(block: bytes, layout: _Layout, row: int) -> Batch:
    """Return the rows of a block, numbered from `row`."""
    cells = _plain(block, len(layout.columns))
    if cells is None:
        return _by_row(block, layout, row)
    return sorted_out(layout.digits(cells, row_numbers(row, len(cells))))


def _plain(block: bytes, width: int) -> np.ndarray | None:
    """Return the cells, uint8 (n, width), of lines of numbers 0–255 in one to three digits; None for other text."""
    pieces: list[np.ndarray] = []
    start = 0
    while start < len(block):
        end = block.rfind(b"\n", start, start + PIECE) + 1
        cells = _numbers(np.frombuffer(block, np.uint8, end - start, start), width) if end else None
        if cells is None:
            return None
        pieces.append(cells)
        start = end
    return np.concatenate(pieces) if pieces else None


def _numbers(text: np.ndarray, width: int) -> np.ndarray | None:
    """Return the same as `_plain`, for a few lines: all their bytes at once.

    Each digit gets ten times the digit before it and a hundred times the one before that, as far as they are of the
    same cell; what a cell's last digit gets is the cell's number.
    """
    inside = text >= ZERO
    last = np.flatnonzero(inside[:-1] > inside[1:])
    # Every byte that is no digit ends a cell that has one: there are no blanks.
    if text.max() > NINE or len(last) % width or len(last) != len(text) - np.count_nonzero(inside):
        return None
    ends = text.take(last + 1).reshape(-1, width)
    third = inside[:-2] & inside[1:-1] & inside[2:]
    if (ends[:, :-1] != COMMA).any() or (ends[:, -1] != LINE_END).any() or (third[:-1] & third[1:]).any():
        return None
    digits = (text - ZERO) * inside
    hundreds = digits[:-2] * third
    if hundreds.max(initial=0) > 2:
        return None
    hundreds *= np.uint8(100)
    numbers = digits.copy()
    numbers[1:] += digits[:-1] * np.uint8(10)
    numbers[2:] += hundreds
    # uint8 wraps around: a sum that is smaller than its part was larger than 255.
    if (numbers[2:] < hundreds).any():
        return None
    return numbers.take(last).reshape(-1, width)


def _by_row(block: bytes, layout: _Layout, row: int) -> Batch:
    """Return the rows of a block, each read by itself: the digits, and the faults of the others."""
    rows: list[np.ndarray] = []
    ids: list[int] = []
    faults: list[Fault] = []
    limits = np.array([CLASSES - 1 if column == LABEL_COLUMN else 255 for column in layout.columns])
    known = {LABEL_COLUMN, *PIXEL_COLUMNS}
    is_read = np.array([column in known for column in layout.columns])
    spellings = _Numbers()
    for number, line in enumerate(filter(None, block.split(b"\n")), row):
        cells = line.split(b",")
        if len(cells) != len(limits):
            faults.append(Fault(number, None, RAGGED, counted(len(limits), "cell"), counted(len(cells), "cell")))
            continue
        numbers = np.fromiter(map(spellings.__getitem__, cells), np.int16, len(cells))
        bad = np.flatnonzero(((numbers < 0) | (numbers > limits)) & is_read)
        if len(bad):
            faults.append(_fault(number, layout.columns[bad[0]], cells, bad[0], numbers[bad[0]]))
        else:
            rows.append(numbers.astype(np.uint8))
            ids.append(number)
    cells_read = np.stack(rows) if rows else np.empty((0, len(limits)), np.uint8)
    return Batch(layout.digits(cells_read, np.array(ids, np.int32)), tuple(faults))


class _Numbers(dict[bytes, int]):
    """The numbers in cells: a file spells each in one or two ways, and each comes up in thousands of cells.

    Any number below -1 or above 255 stands for all of these; -1 for what is no whole number.
    """

    def __missing__(self, cell: bytes) -> int:
        text = _bare(cell)
        magnitude = text.removeprefix(b"-")
        number = int(magnitude.lstrip(b"0")[:4] or b"0") if magnitude.isdigit() else -1
        self[cell] = -2 if text.startswith(b"-") and number >= 0 else number
        return self[cell]


def _bare(cell: bytes) -> bytes:
    """Return a cell without the blanks around it, and without quotes around the whole."""
    text = cell.strip(b" \t")
    is_quoted = len(text) > 1 and text.startswith(b'"') and text.endswith(b'"')
    return text[1:-1].strip(b" \t") if is_quoted else text


def _fault(row: int, column: str, cells: Sequence[bytes], bad: int, number: int) -> Fault:
    """Return the fault of a row whose first bad cell is number `bad`; number: as `_Numbers` reads it."""
    outside, expected = (LABEL, A_LABEL) if column == LABEL_COLUMN else (RANGE, A_PIXEL)
    received = _quoted(cells[bad].decode("utf-8", "replace"))
    if number != -1:
        return Fault(row, column, outside, expected, received)
    if not _bare(cells[bad]):
        return Fault(row, column, BLANK, expected, received)
    hint = ", which looks scaled to 0-1: multiply by 255" if column != LABEL_COLUMN and _is_scaled(cells[bad:]) else ""
    return Fault(row, column, TEXT, expected, received + hint)


def _is_scaled(cells: Sequence[bytes]) -> bool:
    """Return whether pixels are fractions from 0 to 1, not all of them 0."""
    try:
        values = [float(_bare(cell)) for cell in cells]
    except ValueError:
        return False
    return min(values) >= 0 and 0 < max(values) <= 1


def _quoted(text: str) -> str:
    return f"'{text[:40]}…'" if len(text) > 40 else f"'{text}'"
