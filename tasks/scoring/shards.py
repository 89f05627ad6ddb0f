"""Shards: what there is to score in pieces of so many rows, each scored into a Parquet file of its own.

A shard is written under another name and renamed, its manifest last: what has a manifest is done and is not done again,
so a run that was killed goes on where it was and ends in the same bytes. A shard depends on the job and its rows alone,
not on who scores it, or after what.
"""

import contextlib
import itertools
import json
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.data.addresses import is_remote
from tasks.data.chunks import Chunk, ahead, chunks_of
from tasks.data.digits import CLASSES, PIXELS, column, texts
from tasks.data.tables import BEGINNING, Batch, Fault, Place, Table
from tasks.errors import DataError, StoreError
from tasks.judging import drift
from tasks.models.scorer import Scorer

ROW_GROUP = 10  # chunks

# label: null where the model is not asked, for the reason named. confidence: the probability of `label`. truth: null
# where it is not known. image: of those to review, so that whoever reviews them needs nothing else.
COLUMNS = [
    ("label", pa.uint8()),
    ("confidence", pa.float32()),
    ("review", pa.bool_()),
    ("reason", pa.string()),
    ("truth", pa.uint8()),
    ("probabilities", pa.list_(pa.float32(), CLASSES)),
    ("image", pa.binary(PIXELS)),
]
NUMBERED = pa.schema([("id", pa.int64()), *COLUMNS])
NAMED = pa.schema([("id", pa.string()), *COLUMNS])


@dataclass(frozen=True)
class Job:
    """What is the same for every shard. It travels to whoever scores them, with all that they need.

    digest: of everything that decides the scores; a shard of another digest is none of this job's.
    folder: where the shards go, which whoever scores them has to reach. model: the content of a .tflite file.
    temperature: what its logits are divided by. parts: the inputs. rows: of a shard, at most.
    review_below: the confidence below which a person should look. on_bad_row: `stop`, or `quarantine` to set it aside
    and go on. threads: of the model, in each process.
    """

    digest: str
    folder: Path
    model: bytes
    temperature: float
    tables: tuple[Table, ...]
    rows: int
    review_below: float
    on_bad_row: Literal["stop", "quarantine"] = "stop"
    threads: int = 1

    @property
    def schema(self) -> pa.Schema:
        """Of its shards. A row's number is its id where there is one table, as in a submission to Kaggle."""
        return NUMBERED if len(self.tables) == 1 and not self.tables[0].names else NAMED


@dataclass(frozen=True)
class Piece:
    """Consecutive shards of a part, scored in one go: from a place on, one shard or (`whole`) all that follow."""

    table: int
    place: Place = BEGINNING
    whole: bool = True

    @property
    def name(self) -> str:
        return f"table {self.table + 1} from row {self.place.row:,}"


@dataclass(frozen=True)
class Shard:
    """What a shard's manifest holds.

    number: its place in its part, from 0. last: whether its part ends with it. bytes: of the Parquet file.
    rows: scored, `review` of them to be looked at. classes: answers by class, (10,). confusion: truth by answer,
    (10, 10), of those whose truth is known. observed: what drift is judged by. faults: rows set aside, as in `Fault`.
    """

    digest: str
    table: int
    number: int
    last: bool
    bytes: int
    rows: int
    review: int
    classes: list[int]
    confusion: list[list[int]]
    observed: dict[str, Any]
    faults: list[dict[str, Any]]


def pieces(job: Job, shared: bool) -> list[Piece]:
    """How what is left of the job is divided: by parts, or by shards where several share it or some are done.

    A part that cannot be entered in its middle stays whole. Raises: DataError.
    """
    found = []
    for table, source in enumerate(job.tables):
        if not shared and not done(job, table, 0):
            found.append(Piece(table))
            continue
        places = source.places(job.rows)
        if len(places) > 1:
            missing = (place for number, place in enumerate(places) if not done(job, table, number))
            found += [Piece(table, place, whole=False) for place in missing]
        elif not any(shard.last for shard in _finished(job, table)):
            found.append(Piece(table))
    return found


def done(job: Job, table: int, number: int) -> Shard | None:
    """The shard, if it is there, whole and of this job."""
    parquet, manifest = _files(job, table, number)
    try:
        shard = Shard(**json.loads(manifest.read_text(encoding="utf-8")))
        size = parquet.stat().st_size
    except (OSError, ValueError, TypeError):
        return None
    return shard if (shard.digest, shard.bytes) == (job.digest, size) else None


def finished(job: Job) -> list[Shard]:
    """Every shard of a job that is done, in order. Raises: StoreError if one is missing."""
    found = []
    for table, source in enumerate(job.tables):
        shards = list(_finished(job, table))
        if not shards or not shards[-1].last:
            raise StoreError(
                f"shard {len(shards)} of {source.file} is missing", file=str(job.folder), remedy="run again"
            )
        found += shards
    return found


def parquet_of(job: Job, shard: Shard) -> Path:
    return _files(job, shard.table, shard.number)[0]


def forget(job: Job) -> None:
    """Take the shards away, once they are published."""
    if is_remote(job.folder):
        with contextlib.suppress(OSError):
            cast(Any, job.folder).fs.rm(cast(Any, job.folder).path, recursive=True)
    else:
        shutil.rmtree(job.folder, ignore_errors=True)


def score_piece(job: Job, piece: Piece, tell: Callable[[int], None] = lambda rows: None) -> int:
    """Score the shards of a piece, but for those that are done; returns how many rows it went through.

    tell: called with the number of rows gone through since the last call.
    Raises: DataError for a row that is not a digit, unless it is to be set aside; StoreError.
    """
    rows = 0

    def count(more: int) -> None:
        nonlocal rows
        rows += more
        tell(more)

    chunks = ahead(chunks_of(job.tables[piece.table].read(piece.place), piece.place.row, job.rows))
    for number, some in groupby(chunks, key=lambda chunk: (chunk.row - 1) // job.rows):
        if done(job, piece.table, number):
            for chunk in some:
                count(len(chunk.batch))
        else:
            _score_shard(job, piece.table, number, some, count)
        if not piece.whole:
            break
    return rows


# --- Scoring ----------------------------------------------------------------------------------------------------


def _score_shard(job: Job, table: int, number: int, chunks: Iterator[Chunk], tell: Callable[[int], None]) -> None:
    parquet, manifest = _files(job, table, number)
    sums = _Sums()
    with written(parquet) as file, pq.ParquetWriter(file, job.schema, compression="zstd") as writer:
        tables: list[pa.Table] = []
        for chunk in chunks:
            if chunk.batch.faults and job.on_bad_row == "stop":
                raise refusal(job.tables[table], chunk.batch.faults[0])
            tables.append(_answered(job, table, chunk.batch, sums))
            if len(tables) == ROW_GROUP:
                writer.write_table(pa.concat_tables(tables))
                tables = []
            last = chunk.last
            tell(len(chunk.batch))
        if tables:
            writer.write_table(pa.concat_tables(tables))
    shard = Shard(job.digest, table, number, last, parquet.stat().st_size, **sums.found())
    with written(manifest) as file:
        file.write(json.dumps(asdict(shard)).encode())


def _answered(job: Job, table: int, batch: Batch, sums: "_Sums") -> pa.Table:
    """A table of the job's schema; its rows are added to the sums."""
    asked = batch.digits
    probabilities = _scorer(job).probabilities(asked.images)
    labels, confidence = probabilities.argmax(axis=1).astype(np.uint8), probabilities.max(axis=1)
    reasons = [batch.doubts.get(row) for row in asked.ids.tolist()] if batch.doubts else [None] * len(asked)
    doubted = np.array([reason is not None for reason in reasons], bool)
    review = doubted | (confidence < job.review_below)
    sums.add(batch, labels, confidence, doubted, review)
    columns = {
        "id": ids(job, table, asked.ids),
        "label": column(labels, pa.uint8(), doubted),
        "confidence": column(confidence, pa.float32(), doubted),
        "review": column(review, pa.bool_()),
        "reason": texts(reasons),
        "truth": pa.nulls(len(asked), pa.uint8()) if asked.labels is None else column(asked.labels, pa.uint8()),
        "probabilities": pa.FixedSizeListArray.from_arrays(column(probabilities.ravel(), pa.float32()), CLASSES),
        "image": column(asked.images, pa.binary(PIXELS), ~review),
    }
    return pa.table(columns, schema=job.schema)


def ids(job: Job, table: int, rows: np.ndarray) -> pa.Array:
    """What the rows of a part are called in the scores; rows: int (n,), from 1."""
    source = job.tables[table]
    if job.schema is NUMBERED:
        return column(rows.astype(np.int64), pa.int64())
    return texts([source.names[row - 1] if source.names else f"{source.file}:{row}" for row in rows.tolist()])


def refusal(source: Table, fault: Fault) -> DataError:
    """What is said of a row that is not a digit, where every row is needed."""
    remedy = "mend it, or set such rows aside by --on-bad-row quarantine"
    where: dict[str, Any] = {"file": source.file, "row": fault.row, "column": fault.column}
    if source.names:
        where = {"file": source.names[fault.row - 1]}
    return DataError(fault.rule, **where, expected=fault.expected, received=fault.received, remedy=remedy)


class _Sums:
    """What a shard's manifest adds up."""

    def __init__(self) -> None:
        self._rows = self._review = 0
        self._classes = np.zeros(CLASSES, int)
        self._confusion = np.zeros((CLASSES, CLASSES), int)
        self._observed = drift.EMPTY
        self._faults: list[dict[str, Any]] = []

    def add(
        self, batch: Batch, labels: np.ndarray, confidence: np.ndarray, doubted: np.ndarray, review: np.ndarray
    ) -> None:
        """labels: uint8 (n,). confidence: float32 (n,). doubted, review: bool (n,)."""
        digits, answered = batch.digits, ~doubted
        self._rows += len(digits)
        self._review += int(review.sum())
        self._classes += np.bincount(labels[answered], minlength=CLASSES)
        if digits.labels is not None:
            np.add.at(self._confusion, (digits.labels[answered], labels[answered]), 1)
        self._observed += drift.measure(digits.images[answered], labels[answered], confidence[answered])
        self._faults += [asdict(fault) for fault in batch.faults]

    def found(self) -> dict[str, Any]:
        return {
            "rows": self._rows,
            "review": self._review,
            "classes": self._classes.tolist(),
            "confusion": self._confusion.tolist(),
            "observed": self._observed.as_json(),
            "faults": self._faults,
        }


_local = threading.local()


def _scorer(job: Job) -> Scorer:
    """The job's model, loaded once in each thread."""
    if getattr(_local, "digest", None) != job.digest:
        _local.scorer = Scorer(job.model, threads=job.threads, temperature=job.temperature)
        _local.digest = job.digest
    return _local.scorer


# --- Files ------------------------------------------------------------------------------------------------------


def _files(job: Job, table: int, number: int) -> tuple[Path, Path]:
    """The Parquet file of a shard, and its manifest."""
    name = f"part-{table:03}-{number:06}"
    return job.folder / f"{name}.parquet", job.folder / f"{name}.json"


def _finished(job: Job, table: int) -> Iterator[Shard]:
    """The shards of a part from its beginning, as far as they are done without a gap."""
    for number in itertools.count():
        shard = done(job, table, number)
        if shard is None:
            return
        yield shard
        if shard.last:
            return


@contextlib.contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A new file, which bears its name when it is whole. Raises: StoreError if it cannot be written."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        if not is_remote(path):  # a bucket is nobody's to make in passing
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with draft.open("wb") as file:
                yield cast(BinaryIO, file)
            draft.rename(path)
        finally:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            "the scores cannot be written",
            file=str(path.parent),
            received=error.strerror or str(error),
            remedy="free space, or mend the permissions, and run again: what is scored stays",
        ) from error
