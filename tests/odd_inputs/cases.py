"""A case of an odd input, changes at random, and how what was read is held against what must be read."""

from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tasks.data.digits import Digits
from tasks.data.tables import BEGINNING, Place, Table
from tasks.store import Artifact, Store
from tests import making

# Label (None: unknown) and pixels of each row, by its number; None for a row that is no digit.
Rows = dict[int, tuple[int | None, bytes] | None]


class WrongError(Exception):
    """What came out is not what must come out."""


@dataclass
class Case:
    """One case.

    folder: empty, for its inputs. small: a store with an artifact of each kind, none of which is a real model; what is
    changed in it is put back. store: for scores. package: a real one.
    """

    random: Random
    folder: Path
    small: Store
    store: Store
    package: Artifact
    written: set[Path] = field(default_factory=set)

    def write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        self.written |= {path, path.parent}
        return path

    def digits(self, most: int = 6) -> Digits:
        return making.digits(self.random.randint(1, most), start=self.random.randrange(4_000))

    def maybe_mutated(self, content: bytes) -> bytes:
        return mutated(content, self.random) if self.random.random() < 0.8 else content


NUMBERS = (0, 1, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)


def mutated(content: bytes, random: Random, text: bool = False) -> bytes:
    """Return the bytes after one to eight changes at random places. text: no beginning is worse than what follows."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 4, 8))):
        # Headers are short, and most of what can go wrong stands in them, or at the end.
        area = len(data) if text else random.choice((len(data), len(data), 64, 1024))
        place = min(len(data), random.randrange(area + 1))
        place = random.choice((place, place, len(data) - place))
        size = random.choice((1, 2, 4, 16, 1_000))
        number = random.choice(NUMBERS)
        match random.randrange(8):
            case 0 if place < len(data):
                data[place] ^= 1 << random.randrange(8)
            case 1:
                data[place : place + size] = random.randbytes(size)
            case 2:
                del data[place : place + size]
            case 3:
                data[place:place] = random.randbytes(size)
            case 4:
                data[place:place] = data[random.randrange(len(data) + 1) :][:size]
            case 5:
                width = random.choice((1, 2, 4, 8))
                order: Any = random.choice(("little", "big"))
                data[place : place + width] = (number % 256**width).to_bytes(width, order)
            case 6:
                del data[place:]
            case 7:
                data[place : place + size] = bytes(size)
    return bytes(data)


def read(table: Table, place: Place = BEGINNING) -> Rows:
    """Read a table by our own readers. Raises: DigitsError."""
    rows: Rows = {}
    for batch in table.read(place):
        labels = batch.digits.labels
        known = [None] * len(batch.digits) if labels is None else labels.tolist()
        more: Rows = {fault.row: None for fault in batch.faults}
        pairs = zip(known, map(bytes, batch.digits.images), strict=True)
        more |= dict(zip(batch.digits.ids.tolist(), pairs, strict=True))
        if len(more) != len(batch) or more.keys() & rows.keys():
            raise WrongError("a row comes twice")
        rows |= more
    return rows


def rows_of(some: Digits) -> Rows:
    labels = [None] * len(some) if some.labels is None else some.labels.tolist()
    pairs = zip(labels, map(bytes, some.images), strict=True)
    return {row: None if pair[0] in range(10, 256) else pair for row, pair in enumerate(pairs, start=1)}


def expect(rows: Rows, *allowed: Rows) -> None:
    if rows not in allowed:
        expected = allowed[0]
        differing = [row for row in sorted(rows | expected) if rows.get(row, 0) != expected.get(row, 0)]
        raise WrongError(f"rows {differing[:5]} are read as others: {len(rows)} of {len(expected)}")
