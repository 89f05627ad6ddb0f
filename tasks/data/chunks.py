"""Rows on their way to the model, in chunks that begin where the shards do, each read while the last is answered."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from tasks.data import digits
from tasks.data.tables import Batch

CHUNK = 2_000  # images that are answered at once


@dataclass(frozen=True)
class Chunk:
    """Rows of a table from `row` on, at most CHUNK and all of one shard; last: the table ends with them."""

    row: int
    batch: Batch
    last: bool


def chunks_of(batches: Iterator[Batch], row: int, shard: int) -> Iterator[Chunk]:
    """Yield the rows of batches in chunks that begin where the shards do. row: that of the first one."""
    waiting: list[Batch] = []
    for batch in batches:
        waiting.append(batch)
        # One row more than is taken: only then is it known that the table goes on.
        while sum(map(len, waiting)) > (size := _size(row, shard)):
            rows = _joined(waiting)
            yield Chunk(row, _between(rows, row, row + size), last=False)
            row += size
            waiting = [_between(rows, row, None)]
    yield Chunk(row, _joined(waiting), last=True)


def _size(row: int, shard: int) -> int:
    """Return how many rows the chunk has that begins with `row`. shard: rows of a shard."""
    done = (row - 1) % shard
    return min(CHUNK - done % CHUNK, shard - done)


def _joined(batches: Sequence[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    return Batch(
        digits.concatenate(batch.digits for batch in batches),
        tuple(fault for batch in batches for fault in batch.faults),
        {row: doubt for batch in batches for row, doubt in batch.doubts.items()},
    )


def _between(batch: Batch, first: int, end: int | None) -> Batch:
    """Return the rows from `first` to before `end`."""
    start = int(np.searchsorted(batch.digits.ids, first))
    stop = None if end is None else int(np.searchsorted(batch.digits.ids, end))
    faults = tuple(fault for fault in batch.faults if first <= fault.row and (end is None or fault.row < end))
    return Batch(batch.digits[slice(start, stop)], faults, batch.doubts)


def ahead(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Yield the same chunks, the next one read while the one before is scored."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, chunks, None)
        while chunk := coming.result():
            coming = reader.submit(next, chunks, None)
            yield chunk
