"""What there is to score: tables of digits as in `sources.py`, and pictures, found from what a person names."""

import contextlib
import hashlib
import logging
import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.data.addresses import expanded, matching, reached, version
from tasks.data.digits import SIDE, Digits
from tasks.data.sources import NAMED, TEST, begins, recognise, streams_in, tables_of
from tasks.data.streams import Stream, explained
from tasks.data.tables import BEGINNING, Batch, Fault, Place, Table
from tasks.errors import DataError
from tasks.settings import Settings
from tasks.store import unwritable

if TYPE_CHECKING:
    from tasks.pictures.reading import Seen

log = logging.getLogger(__name__)

STANDARD_INPUT = "-"
# The first bytes of PNG, JPEG, TIFF (both byte orders), BMP and WebP.
PICTURE = re.compile(rb"\x89PNG|\xff\xd8\xff|II\*\0|MM\0\*|BM|RIFF....WEBP", re.DOTALL)
ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
# `7_scan.png`, but not `10.png`, which is the tenth of a series.
LABEL_IN_NAME = re.compile(r"[0-9](?![0-9])")
PICTURES = 100  # a batch


@contextlib.contextmanager
def spool(root: Path) -> Iterator[Path]:
    """A folder below the artifacts for what comes from standard input. Raises: StoreError if it cannot be made."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=".standard-input-", dir=root)
    except OSError as error:
        raise unwritable(root, error) from error
    with folder as name:
        yield Path(name)


def find(given: Sequence[str], settings: Settings, spool: Path) -> list[Table]:
    """The parts to score, each called by a name of its own: the tables in the order given, then all pictures as one.

    given: paths, addresses (`s3://…`) or patterns of tables, pictures, and zips or folders of them; the names that
        `recognise` knows; `-` for a CSV from standard input. Of tables that hold both, the test part is meant.
    spool: folder that standard input is kept in.
    Raises: DataError if there is nothing, or nothing usable; FetchError.
    """
    tables: list[Table] = []
    pictures: list[Stream] = []
    names: dict[Stream, str] = {}
    for one in given:
        if one in NAMED:
            tables.append(recognise(one, settings).tables["test"])
            continue
        streams = list(_streams(one, spool))
        shown = [stream for stream in streams if _is_picture(stream)]
        pictures += shown
        names |= {stream: _name(one, stream.base, len(streams)) for stream in shown}
        rest = [stream for stream in streams if stream not in shown]
        if shown:
            for stream in rest:
                log.warning("%s: not read: it is no picture", stream.name)
        else:
            found = _to_score(tables_of(rest, one), one)
            tables += [replace(table, file=_name(one, _base(table.file), len(found))) for table in found]
    tables = _shortened(tables)
    return tables + ([_pictures(pictures, [names[stream] for stream in pictures])] if pictures else [])


def content(tables: Iterable[Table]) -> str:
    """sha256 over names and contents of all files: what the input is, wherever it lies. Raises: DataError."""
    digest = hashlib.sha256()
    for table in tables:
        for path in table.paths:
            # Of names that are no text, too: a file system takes any bytes.
            digest.update(os.fsencode(f"{table.file}\0{path.name}\0{_content(path)}\n"))
    return digest.hexdigest()


def _content(path: Path) -> str:
    with explained(path.name):
        # To fetch what is at an address twice would cost more than scoring it.
        if known := version(path):
            return known
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def _streams(one: str, spool: Path) -> Iterator[Stream]:
    if one == STANDARD_INPUT:
        path = spool / "standard-input.csv"
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield Stream("standard input", path)
        return
    for path in _matching(one):
        for stream in streams_in(path):
            # Whoever reads it may do so from another folder.
            yield replace(stream, path=stream.path.absolute())


def _matching(one: str) -> list[Path]:
    """The paths that a pattern fits; the path itself where it is none."""
    path = expanded(one)
    with explained(one), reached(one):
        if not re.search(r"[*?[]", one) or path.exists():
            return [path]
        found = matching(one)
    if not found:
        raise DataError(
            "no file fits this pattern", file=one, expected="files of digits", received="none", remedy="check the path"
        )
    return found


def _to_score(tables: list[Table], where: str) -> list[Table]:
    """The test part where there is one; else all."""
    tests = [table for table in tables if begins(table.file, *TEST)]
    for table in tables if tests else ():
        if table not in tests:
            log.warning("%s: not read: what is to be scored of %s is its test part", table.file, where)
    return tests or tables


def _name(given: str, base: str, count: int) -> str:
    if given == STANDARD_INPUT:
        return "standard input"
    return given if count == 1 and _base(given) == base else f"{given.rstrip('/')}/{base}"


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def _shortened(tables: list[Table]) -> list[Table]:
    """The parts called by their files' own names, where these tell them apart."""
    if max(Counter(_base(table.file) for table in tables).values(), default=0) > 1:
        return tables
    return [replace(table, file=_base(table.file)) for table in tables]


# --- Pictures ---------------------------------------------------------------------------------------------------


def _is_picture(stream: Stream) -> bool:
    """By its first bytes; what promises to be one by its name is taken at its word, and told if it does not keep it."""
    return stream.base.lower().endswith(ENDINGS) or PICTURE.match(stream.head()[:12]) is not None


def _pictures(streams: Sequence[Stream], names: Sequence[str]) -> Table:
    bases = [stream.base for stream in streams]
    called = tuple(bases if len(set(bases)) == len(bases) else names)
    labelled = all(map(LABEL_IN_NAME.match, bases))
    if labelled:
        log.info("the right digits are taken from the first character of the pictures' names")
    return Table(
        split="test",
        file="pictures",
        labelled=labelled,
        columns=None,
        read=partial(_picture_batches, tuple(streams), called, labelled),
        places=partial(_picture_places, len(streams)),
        kind="pictures",
        paths=tuple(dict.fromkeys(stream.path for stream in streams)),
        names=called,
        pictures=tuple(streams),
        rows=len(streams),
    )


def _picture_places(count: int, step: int) -> list[Place]:
    return [Place(row) for row in range(1, count + 1, step)]


def _picture_batches(
    streams: Sequence[Stream], names: Sequence[str], labelled: bool, place: Place = BEGINNING
) -> Iterator[Batch]:
    for start in range(place.row - 1, len(streams), PICTURES):
        rows = range(start, min(start + PICTURES, len(streams)))
        yield _seen({row + 1: streams[row] for row in rows}, names, labelled)


def both(stream: Stream, name: str) -> list[np.ndarray]:
    """A picture, and what the model sees of it. Raises: DataError."""
    pixels, seen = looked_at(stream, name)
    return [pixels, seen.image]


def looked_at(stream: Stream, name: str) -> "tuple[np.ndarray, Seen]":
    """A picture's pixels, uint8 (height, width, 3), and the digit on it. Raises: DataError."""
    from tasks.pictures.files import opened
    from tasks.pictures.reading import digit_of

    with stream.open() as file:
        pixels = opened(file, name)
    return pixels, digit_of(pixels)


def _seen(streams: dict[int, Stream], names: Sequence[str], labelled: bool) -> Batch:
    images: dict[int, np.ndarray] = {}
    faults: list[Fault] = []
    doubts: dict[int, str] = {}
    for row, stream in streams.items():
        name = names[row - 1]
        try:
            _, seen = looked_at(stream, name)
        except DataError as error:
            faults.append(Fault(row, None, error.what, error.expected, error.received))
            continue
        images[row] = seen.image
        if seen.reason:
            doubts[row] = seen.reason
    ids = np.array(list(images), np.int32)
    stacked = np.stack(list(images.values())) if images else np.empty((0, SIDE, SIDE), np.uint8)
    labels = np.array([int(streams[row].base[0]) for row in images], np.uint8) if labelled else None
    return Batch(Digits(ids, stacked, labels), tuple(faults), doubts)
