"""Pictures as a table to score: a row each, read a few at a time, with the digit that each name may promise."""

import functools
import logging
import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tasks.data.digits import SIDE, Digits
from tasks.data.streams import Probe, Stream
from tasks.data.tables import Batch, Fault, Place, Table, every
from tasks.errors import DataError

if TYPE_CHECKING:
    from tasks.pictures.reading import Seen

log = logging.getLogger(__name__)

# The first bytes of PNG, JPEG, TIFF (both byte orders), BMP and WebP.
PICTURE = re.compile(rb"\x89PNG|\xff\xd8\xff|II\*\0|MM\0\*|BM|RIFF....WEBP", re.DOTALL)
ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
# `7_scan.png`, but not `10.png`, which is the tenth of a series.
LABEL_IN_NAME = re.compile(r"[0-9](?![0-9])")
BATCH = 100  # pictures


def promises_picture(stream: Stream) -> bool:
    """Tell whether a file has the name of a picture. Where it does not keep that promise, reading it says so."""
    return stream.base.lower().endswith(ENDINGS)


def is_picture(probe: Probe) -> bool:
    """Tell by the first bytes whether a file is a picture."""
    return PICTURE.match(probe.head) is not None


def picture_table(streams: Sequence[Stream], names: Sequence[str]) -> Table:
    """Return the pictures as one table.

    names: of the pictures, for where their files' own names are not all different.
    """
    bases = [stream.base for stream in streams]
    row_names = tuple(bases if len(set(bases)) == len(bases) else names)
    labelled = all(map(LABEL_IN_NAME.match, bases))
    if labelled:
        _tell_of_labels()
    return Table(
        "pictures",
        "pictures",
        tuple(dict.fromkeys(stream.path for stream in streams)),
        partial(_batches, tuple(streams), row_names, labelled),
        partial(every, rows=len(streams)),
        labelled,
        split="test",
        names=row_names,
        pictures=tuple(streams),
        rows=len(streams),
    )


@functools.cache
def _tell_of_labels() -> None:
    """Say once in a process what is taken for the truth; in the inbox every picture is a table."""
    log.info("the right digits are taken from the first character of the pictures' names")


def read_picture(stream: Stream, name: str) -> "tuple[np.ndarray, Seen]":
    """Read a picture's pixels, uint8 (height, width, 3), and the digit on it. Raises: DataError."""
    from tasks.pictures.files import opened
    from tasks.pictures.reading import digit_of

    with stream.open() as file:
        pixels = opened(file, name)
    return pixels, digit_of(pixels)


def _batches(streams: Sequence[Stream], names: Sequence[str], labelled: bool, place: Place) -> Iterator[Batch]:
    for start in range(place.row - 1, len(streams), BATCH):
        rows = range(start, min(start + BATCH, len(streams)))
        yield _batch({row + 1: streams[row] for row in rows}, names, labelled)


def _batch(streams: dict[int, Stream], names: Sequence[str], labelled: bool) -> Batch:
    """Read pictures, by their rows."""
    images: dict[int, np.ndarray] = {}
    faults: list[Fault] = []
    doubts: dict[int, str] = {}
    for row, stream in streams.items():
        try:
            _, seen = read_picture(stream, names[row - 1])
        except DataError as error:
            faults.append(Fault(row, None, error.what, error.expected, error.received))
            continue
        except Exception as error:  # of whatever kind, it costs the others nothing
            log.exception("%s: could not be looked at", names[row - 1])
            cause = f"{type(error).__name__}: {error}"
            faults.append(Fault(row, None, "could not be looked at", "a picture that can be read", cause))
            continue
        images[row] = seen.image
        if seen.reason:
            doubts[row] = seen.reason
    ids = np.array(list(images), np.int32)
    stacked = np.stack(list(images.values())) if images else np.empty((0, SIDE, SIDE), np.uint8)
    labels = np.array([int(streams[row].base[0]) for row in images], np.uint8) if labelled else None
    return Batch(Digits(ids, stacked, labels), tuple(faults), doubts)
