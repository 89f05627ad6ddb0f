"""Digits from MNIST's IDX files: the images in one, their labels in another, plain or gzipped.

The format (Y. LeCun, "The MNIST database"): big-endian 32-bit words, first a magic number, 0x0803 for images and
0x0801 for labels, then the count and, for images, rows and columns; then one byte a pixel or label.
"""

import os
import re
import struct
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

import numpy as np

from tasks.data.digits import PIXELS, SIDE, Digits
from tasks.data.streams import Probe, Stream
from tasks.data.tables import Batch, Place, Table, every, only_beginning, row_numbers, sorted_out
from tasks.errors import DataError
from tasks.words import counted

IMAGES = b"\0\0\x08\x03"
LABELS = b"\0\0\x08\x01"
BATCH = 10_000


def tables(images: list[Probe], labels: list[Probe]) -> list[Table]:
    """Return a table for each file of images, with the labels whose name begins alike, or with the only ones.

    Raises: DataError if there are labels without images.
    """
    if len(images) == len(labels) == 1:
        pairs: list[tuple[Probe, Stream | None]] = [(images[0], labels[0].stream)]
    else:
        by_set = {_set_of(probe.stream): probe.stream for probe in labels}
        pairs = [(probe, by_set.get(_set_of(probe.stream))) for probe in images]
    paired = {stream for _, stream in pairs}
    for probe in labels:
        if probe.stream not in paired:
            raise DataError(
                "there are no images for these labels",
                file=probe.stream.name,
                expected="a file of images whose name begins alike",
                received=", ".join(other.stream.base for other in images) or "no images",
                remedy="put the file of their images beside it",
            )
    return [_table(probe, stream) for probe, stream in pairs]


def _set_of(stream: Stream) -> str:
    """Return the beginning that the names of a set's files share: `train-` of `train-images-idx3-ubyte`."""
    return re.split("images|labels", stream.base.lower())[0]


def _table(probe: Probe, labels: Stream | None) -> Table:
    images = probe.stream
    return Table(
        "idx",
        images.name,
        tuple(sorted({stream.path for stream in (images, labels) if stream})),
        partial(_batches, images, labels),
        only_beginning if probe.packed else partial(_places, images),
        labelled=labels is not None,
        rows=int.from_bytes(probe.head[4:8], "big"),
    )


def _batches(images: Stream, labels: Stream | None, place: Place) -> Iterator[Batch]:
    """Yield the digits of a pair of files, or of images without labels, from a place on.

    Raises: DataError if a file is damaged, is not as long as it says, or the two do not belong together.
    """
    skipped = place.row - 1
    with images.open() as pixels:
        count = _images_header(pixels, images.name)
        unlabelled = _unlabelled(pixels, images.name, count, skipped)
        if labels is None:
            yield from unlabelled
            return
        with labels.open() as classes:
            (labels_count,) = _words(classes, LABELS, 1, labels.name)
            if labels_count != count:
                raise DataError(
                    "images and labels do not belong together",
                    file=labels.name,
                    expected=counted(count, "label"),
                    received=f"{labels_count:,}",
                    remedy="put the two files of one set side by side",
                )
            for batch, chunk in zip(unlabelled, _body(classes, labels.name, count, 1, skipped), strict=True):
                digits = batch.digits
                yield sorted_out(Digits(digits.ids, digits.images, np.frombuffer(chunk, np.uint8)))


def _places(images: Stream, step: int) -> list[Place]:
    """Return where every `step` images of a file that is not packed begin. Raises: DataError."""
    with images.open() as pixels:
        count = _images_header(pixels, images.name)
        header = pixels.tell()
        size = pixels.seek(0, os.SEEK_END) - header
    if size != count * PIXELS:
        raise _wrong_length(images.name, count, PIXELS, counted(size, "byte"))
    return every(step, count)


def _unlabelled(file: BinaryIO, name: str, count: int, skipped: int) -> Iterator[Batch]:
    row = 1 + skipped
    for chunk in _body(file, name, count, PIXELS, skipped):
        images = np.frombuffer(chunk, np.uint8).reshape(-1, SIDE, SIDE)
        yield Batch(Digits(row_numbers(row, len(images)), images, None))
        row += len(images)


def _images_header(file: BinaryIO, name: str) -> int:
    """Read how many images the file says it holds."""
    count, rows, columns = _words(file, IMAGES, 3, name)
    if (rows, columns) != (SIDE, SIDE):
        raise DataError(
            "the images have another size",
            file=name,
            expected=f"{SIDE} x {SIDE}",
            received=f"{rows:,} x {columns:,}",
            remedy="scale them to that size",
        )
    return count


def _words(file: BinaryIO, magic: bytes, count: int, name: str) -> tuple[int, ...]:
    """Read the words behind the magic number."""
    head = file.read(4 + 4 * count)
    if head[:4] != magic:
        raise wrong_magic(head, name)
    if len(head) < 4 + 4 * count:
        raise DataError(
            "the file ends in its header",
            file=name,
            expected=f"{4 + 4 * count} bytes",
            received=counted(len(head), "byte"),
            remedy="copy or download it again",
        )
    return struct.unpack(f">{count}I", head[4:])


def wrong_magic(head: bytes, name: str) -> DataError:
    """Return the error for a file that does not begin as an IDX file of digits does."""
    return DataError(
        "the magic number is not that of an MNIST file",
        file=name,
        expected="00 00 08 03 for images or 00 00 08 01 for labels",
        received=head[:4].hex(" ") or "an empty file",
        remedy="download it again",
    )


def _body(file: BinaryIO, name: str, count: int, size: int, skipped: int) -> Iterator[bytes]:
    """Yield the bytes of `count` items of `size` bytes in batches, without the first `skipped`; no more may follow."""
    file.seek(skipped * size, os.SEEK_CUR)
    for start in range(skipped, count, BATCH):
        wanted = min(BATCH, count - start) * size
        chunk = file.read(wanted)
        if len(chunk) < wanted:
            raise _wrong_length(name, count, size, counted(start * size + len(chunk), "byte"))
        yield chunk
    if file.read(1):
        raise _wrong_length(name, count, size, "more")


def _wrong_length(name: str, count: int, size: int, received: str) -> DataError:
    return DataError(
        "the file is not as long as its header says",
        file=name,
        expected=f"{count:,} x {size} = {count * size:,} bytes of content",
        received=received,
        remedy="copy or download it again",
    )
