"""What a source hands over: parts (train, test), read in batches of digits, and of faults: the rows that are none."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from tasks.data.digits import CLASSES, Digits
from tasks.data.streams import Stream

Name = Literal["train", "test"]
Kind = Literal["sample", "csv", "idx", "parquet", "pictures"]

RAGGED = "wrong number of cells"
BLANK = "blank cell"
TEXT = "not a whole number"
RANGE = "pixel outside 0-255"
LABEL = "label outside 0-9"
RULES = (RAGGED, BLANK, TEXT, RANGE, LABEL)

A_PIXEL = "a whole number from 0 to 255"
A_LABEL = f"a whole number from 0 to {CLASSES - 1}"


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
    """Where in a part to begin reading: at a row, counted from 1, and at the byte of the unpacked file it starts with.

    byte: 0 at the beginning; also where the format needs no byte to find a row.
    """

    row: int = 1
    byte: int = 0


BEGINNING = Place()


@dataclass(frozen=True)
class Batch:
    """Some consecutive rows of a part: every row is either in `digits` or in `faults`, in rising order in both.

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

    file: what messages call it, for example `digit-recognizer.zip/train.csv`.
    columns: the header as found; None where the format has none.
    read: goes through the part, each time it is called: from its beginning, or from the Place it is given. Raises:
        DataError.
    places: where every so many rows begin, for several readers to share the part; only the beginning where it cannot
        be entered in its middle, as a packed file cannot. Raises: DataError.
    paths: the files on disk that it is read from.
    names, pictures: of pictures, what messages call each of them, and the files; else empty.
    rows: about how many there are, where that is known without reading them all.
    """

    name: Name
    file: str
    labelled: bool
    columns: tuple[str, ...] | None
    read: Callable[..., Iterator[Batch]]
    places: Callable[[int], list[Place]]
    kind: Kind
    paths: tuple[Path, ...]
    names: tuple[str, ...] = ()
    pictures: tuple[Stream, ...] = ()
    rows: int | None = None


def sorted_out(digits: Digits) -> Batch:
    """The digits whose label is 0–9, and a fault for each of the others. Unlabelled digits are all good."""
    if digits.labels is None or digits.labels.max(initial=0) < CLASSES:
        return Batch(digits)
    bad = np.flatnonzero(digits.labels >= CLASSES)
    faults = (Fault(int(digits.ids[index]), "label", LABEL, A_LABEL, f"'{digits.labels[index]}'") for index in bad)
    return Batch(digits[digits.labels < CLASSES], tuple(faults))


def row_numbers(first: int, count: int) -> np.ndarray:
    """Ids, int32 (count,), of consecutive rows."""
    return np.arange(first, first + count, dtype=np.int32)


def about_rows(tables: Iterable[Table]) -> int | None:
    """About how many rows there are in all; None where nobody knows."""
    rows = [table.rows for table in tables]
    return None if None in rows else sum(filter(None, rows))
