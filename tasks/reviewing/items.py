"""What there is to look at of scores: the rows that a person should see, and those kept for an audit.

All of it comes from the artifact itself: what was scored, and the package, may be gone.
"""

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.data.digits import SIDE, column, view
from tasks.errors import StoreError, UsageError
from tasks.reviewing.answers import Log, readers
from tasks.scoring.outputs import published_files
from tasks.scoring.scores import ScoresMetrics
from tasks.scoring.shards import BESIDE
from tasks.store import Artifact, Store

UNREAD = 255  # as label: the model gave no answer
ROWS = 5_000  # that are in memory at once
COLUMNS = ["id", "label", "confidence", "review", "reason", "image"]


@dataclass(frozen=True)
class Items:
    """The n rows of scores whose image is known, in the order of the scores.

    rows: int64 (n,), from 0. labels: uint8 (n,), the model's answer, UNREAD where it gave none. confidence: float32
    (n,), 0–1. review: bool (n,), whether a person should look; the others are there for an audit.
    beside: uint8 (n,), a second package's answer, UNREAD where it gave none; a person should look as well where it is
    another one, but for those that are there for an audit, which stays a fair sample of all others.
    images: uint8 (n, 28, 28). ids, reasons: an Arrow array each, the latter null where the model was asked.
    """

    rows: np.ndarray
    labels: np.ndarray
    confidence: np.ndarray
    review: np.ndarray
    beside: np.ndarray
    images: np.ndarray
    ids: pa.ChunkedArray
    reasons: pa.ChunkedArray

    def order(self, audit: int = 0) -> np.ndarray:
        """Return the indices in which items are shown: the least sure first, with so many others strewn in at random.

        The same number, or a larger one, has the same others, in the same order: int64 (m,).
        """
        wanted, others = np.flatnonzero(self.review), np.flatnonzero(~self.review)
        wanted = wanted[np.argsort(self.confidence[wanted], kind="stable")]
        random = np.random.default_rng(len(others))
        audited = random.permutation(others)[:audit]
        places = np.concatenate([np.linspace(0, 1, len(wanted)), random.random(len(others))[: len(audited)]])
        return np.concatenate([wanted, audited])[np.argsort(places, kind="stable")]


def choose(store: Store, name: str | None) -> Artifact:
    """Return the scores of a name or id; without one, the newest that have something to review.

    Raises: StoreError if there are none; UsageError if these are no scores.
    """
    if name is None:
        scores = next((scores for scores, _ in _to_review(store)), None)
        if scores is None:
            raise StoreError(
                "no scores have anything to review", remedy="score digits by `digits score`, or name scores"
            )
    else:
        scores = store.get(name)
    if scores.kind != "scores":
        raise UsageError("these are no scores", expected="the id of scores", received=scores.name)
    store.mark_used(scores)  # lest they are collected as garbage while people answer
    return scores


def waiting(store: Store, folder: Path) -> dict[str, int]:
    """Count the answers to look at that nobody has read, by the id of their scores, the newest first.

    folder: of what people have answered. Raises: StoreError if it or scores cannot be read.
    """
    counts = {}
    for scores, count in _to_review(store):
        if readings := Log(folder, scores).readings:
            parts = [pq.ParquetFile(path).read(["review"])["review"].to_pylist() for path in published_files(scores)]
            rows = enumerate(itertools.chain.from_iterable(parts))
            count = sum(review and not readers(readings.get(row, {})) for row, review in rows)
        if count:
            counts[scores.id] = count
    return counts


def _to_review(store: Store) -> Iterator[tuple[Artifact, int]]:
    """Yield the scores with answers to look at, the newest first, with their number; damaged ones are passed over."""
    for artifact in reversed(store.all()):
        count = 0
        with contextlib.suppress(StoreError):
            count = artifact.measured(ScoresMetrics).review if artifact.kind == "scores" else 0
        if count:
            yield artifact, count


def read(scores: Artifact) -> Items:
    """Read what there is to look at; a row takes about 0.9 kB of memory. Raises: StoreError if scores are damaged."""
    tables, first = [], 0
    columns = [*COLUMNS, *(name for name, _ in BESIDE if scores.measured(ScoresMetrics).beside)]
    for path in published_files(scores):
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(ROWS, columns=columns, use_threads=False):
                    numbered = batch.append_column("row", column(np.arange(first, first + len(batch)), pa.int64()))
                    shown = pc.or_(batch.column("review"), batch.column("image").is_valid())
                    if columns != COLUMNS:
                        shown = pc.or_(shown, batch.column("beside_image").is_valid())
                    tables.append(pa.Table.from_batches([numbered.filter(shown)]))
                    first += len(batch)
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            raise StoreError(
                "the scores cannot be read",
                file=str(path),
                expected=f"a Parquet file with {', '.join(COLUMNS)}",
                received=str(error),
                remedy="see `digits verify`, and score again",
            ) from error
    if not tables:
        raise StoreError("the scores have no rows", file=str(scores.path), remedy="score something else")
    table = pa.concat_tables(tables).combine_chunks()
    # Not fill_null: a scalar of Arrow's imports pandas.
    unread = column(np.full(len(table), UNREAD, np.uint8), pa.uint8())
    unsure = column(np.zeros(len(table), np.float32), pa.float32())
    beside, images, review = pa.chunked_array([unread]), table["image"], table["review"]
    if columns != COLUMNS:
        beside = pc.coalesce(table["beside"], unread)
        images, review = pc.coalesce(images, table["beside_image"]), pc.or_(review, images.is_null())
    return Items(
        rows=_numbers(table["row"], np.int64),
        labels=_numbers(pc.coalesce(table["label"], unread), np.uint8),
        confidence=_numbers(pc.coalesce(table["confidence"], unsure), np.float32),
        review=_numbers(review.cast(pa.uint8()), np.uint8).astype(bool),
        beside=_numbers(beside, np.uint8),
        images=_numbers(images, np.dtype((np.uint8, (SIDE, SIDE)))),
        ids=table["id"],
        reasons=table["reason"],
    )


def _numbers(values: pa.ChunkedArray, dtype: Any) -> np.ndarray:
    array = values.combine_chunks()
    return view(array.chunk(0) if isinstance(array, pa.ChunkedArray) else array, dtype)
