"""What a source hands over: tables of digits, read in batches of digits and of faults, the rows that are none."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from tasks.data.digits import CLASSES, Digits
from tasks.data.streams import Stream
from tasks.errors import DataError

SplitName = Literal["train", "test"]
Kind = Literal["sample", "csv", "idx", "parquet", "pictures"]

RAGGED = "wrong number of cells"
BLANK = "blank cell"
TEXT = "not a whole number"
RANGE = "pixel outside 0-255"
LABEL = "label outside 0-9"
RULES = (RAGGED, BLANK, TEXT, RANGE, LABEL)

A_PIXEL = "a whole number from 0 to 255"
A_LABEL = f"a whole number from 0 to {CLASSES - 1}"


class NotDigitsError(DataError):
    """The file may be good, but holds no digits: beside one that does, it can be passed over."""


@dataclass(frozen=True)
class Fault:
    """A row that is not a digit, and why: its first bad cell, or (column None) the row as a whole.

    row: counted from 1 as in `Digits.ids`. rule: one of RULES.
    """

    row: int
    column: str | None
    rule: str
    expected: str
    received: str


@dataclass(frozen=True)
class Place:
    """A point of a table at which reading can begin: a row, counted from 1, and the byte of the unpacked file.

    byte: 0 at the beginning; also where the format needs no byte to find a row.
    """

    row: int = 1
    byte: int = 0


BEGINNING = Place()


@dataclass(frozen=True)
class Batch:
    """Some consecutive rows of a table: every row is either in `digits` or in `faults`, in rising order in both.

    digits.ids: int32, the row of the source, counted from 1; header and blank lines do not count.
    doubts: why an image does not look like one digit, by its row; only pictures can tell.
    """

    digits: Digits
    faults: tuple[Fault, ...] = ()
    doubts: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.digits) + len(self.faults)


@dataclass(frozen=True)
class Table:
    """One table of digits of a source.

    file: what messages call it, for example `digit-recognizer.zip/train.csv`. paths: the files on disk that it is of.
    batches: goes through the table from a place. places: where every so many rows begin, for several readers to share
        the table; only the beginning where it cannot be entered in its middle, as a packed file cannot.
    split: the split that it belongs to; "train" until `sources.py` has told train and test apart.
    columns: the header as it stands in the file; None where the format has none.
    names, pictures: of pictures, what messages call each of them, and the files; else empty.
    rows: about how many there are, where that is known without reading them all.
    lines: whether its rows are the lines of its only file, as it lies on the disk: who reads that for another reason
        can find where they begin.
    """

    kind: Kind
    file: str
    paths: tuple[Path, ...]
    batches: Callable[[Place], Iterator[Batch]]
    places: Callable[[int], list[Place]]
    labelled: bool
    split: SplitName = "train"
    columns: tuple[str, ...] | None = None
    names: tuple[str, ...] = ()
    pictures: tuple[Stream, ...] = ()
    rows: int | None = None
    lines: bool = False

    def read(self, place: Place = BEGINNING) -> Iterator[Batch]:
        """Yield the batches from a place on, but for empty ones. Raises: DataError, also if no batch has rows."""
        empty = True
        for batch in self.batches(place):
            if len(batch):
                empty = False
                yield batch
        if empty:
            raise DataError(
                "there are no rows",
                file=self.file,
                expected="at least one digit",
                received="none",
                remedy="give a file that has some",
            )


def every(step: int, rows: int) -> list[Place]:
    """Return where every `step` of so many rows begin, where the format needs no byte to find a row."""
    return [Place(row) for row in range(1, rows + 1, step)] or [BEGINNING]


def only_beginning(step: int) -> list[Place]:
    """Return the places of a table that cannot be entered in its middle."""
    return [BEGINNING]


def sorted_out(digits: Digits) -> Batch:
    """Return the digits whose label is 0–9, and a fault for each of the others. Unlabelled digits are all good."""
    if digits.labels is None or digits.labels.max(initial=0) < CLASSES:
        return Batch(digits)
    faults = tuple(
        Fault(int(digits.ids[index]), "label", LABEL, A_LABEL, f"'{digits.labels[index]}'")
        for index in np.flatnonzero(digits.labels >= CLASSES)
    )
    return Batch(digits[digits.labels < CLASSES], faults)


def row_numbers(first: int, count: int) -> np.ndarray:
    """Return the ids, int32 (count,), of consecutive rows."""
    return np.arange(first, first + count, dtype=np.int32)


def about_rows(tables: Iterable[Table]) -> int | None:
    """Return about how many rows there are in all; None where nobody knows."""
    rows = [table.rows for table in tables]
    return None if None in rows else sum(filter(None, rows))
