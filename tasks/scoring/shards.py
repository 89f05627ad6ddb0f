"""Shards: what there is to score, in pieces of so many rows, each scored into a Parquet file of its own.

A shard's Parquet file is written whole, and its manifest after it: what has a manifest is done and is not done again,
so a run that was killed goes on where it was and ends in the same bytes. A shard depends only on its job and its rows,
not on who scores it, or after what.
"""

import contextlib
import itertools
import json
import operator
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.data.addresses import is_remote, reached
from tasks.data.chunks import Chunk, ahead, chunks_of
from tasks.data.digits import CLASSES, PIXELS, column, fingerprints, texts
from tasks.data.tables import BEGINNING, Batch, Fault, Place, Table
from tasks.errors import DataError, StoreError
from tasks.judging import drift
from tasks.judging.familiarity import Familiarity, Limits
from tasks.judging.statistics import softmax
from tasks.models.scorer import Engine, Models
from tasks.scoring.writing import writing
from tasks.store import sha256

ROW_GROUP = 10  # chunks
FAULTS = "faults"  # in a shard's manifest, those of the rows that were set aside
ODD = "unlike most digits: something else, or several?"
STRANGE = "unlike any digit that the model knows"

# label: null where there is no answer, for the reason named. confidence: the probability of `label`. truth: null where
# it is not known. image: of those to review, so that whoever reviews them needs nothing else, and of a few others.
COLUMNS = [
    ("label", pa.uint8()),
    ("confidence", pa.float32()),
    ("review", pa.bool_()),
    ("reason", pa.string()),
    ("truth", pa.uint8()),
    ("probabilities", pa.list_(pa.float32(), CLASSES)),
    ("image", pa.binary(PIXELS)),
]
# Of a second package: null where the first has no answer. beside_image: of those that the two answer differently.
BESIDE = [("beside", pa.uint8()), ("beside_confidence", pa.float32()), ("beside_image", pa.binary(PIXELS))]


@dataclass(frozen=True)
class Job:
    """What is the same for every shard. It travels to whoever scores them, with all that they need.

    digest: of everything that decides the scores; a shard of another digest is none of this job's.
    folder: where the shards go, which whoever scores them has to reach. models: what answers.
    familiar: content of the package's familiar.npz; limits: where pictures are too strange by it.
    tables: what there is to score. shard_rows: rows of a shard, at most.
    learned: fingerprints of the images that the model has learned from, rising, as bytes of uint64.
    audit_share: of the rows, whose images are kept for an audit; by their fingerprints, the same in every shard.
    review_below: the confidence below which a person should look. on_bad_row: `stop`, or `quarantine` to set it aside
    and go on. threads: of the models, in each process.
    beside: what answers of a second package, None without one. beside_learned: as `learned`, of that one.
    """

    digest: str
    folder: Path
    models: Models
    familiar: bytes
    limits: Limits
    learned: bytes
    tables: tuple[Table, ...]
    shard_rows: int
    review_below: float
    audit_share: float
    on_bad_row: Literal["stop", "quarantine"] = "stop"
    threads: int = 1
    beside: Models | None = None
    beside_learned: bytes = b""

    @property
    def is_numbered(self) -> bool:
        """Whether its rows have their number as id, as in a submission to Kaggle: those of a single table."""
        return len(self.tables) == 1 and not self.tables[0].names

    @property
    def schema(self) -> pa.Schema:
        """The columns of its shards."""
        of_id = ("id", pa.int64() if self.is_numbered else pa.string())
        return pa.schema([of_id, *COLUMNS, *(BESIDE if self.beside else [])])


@dataclass(frozen=True)
class Piece:
    """Consecutive shards of a table, scored in one go: the one that begins at a place or, if `whole`, all from there.

    table_index: of its table, in `Job.tables`.
    """

    table_index: int
    place: Place = BEGINNING
    whole: bool = True

    @property
    def name(self) -> str:
        return f"table {self.table_index + 1} from row {self.place.row:,}"


@dataclass(frozen=True)
class Shard:
    """The content of a shard's manifest.

    table_index: of its table, in `Job.tables`. number: its place among the shards of that table, from 0. last: whether
    the table ends with it. bytes, sha256: of the Parquet file.
    rows: scored, `review` of them to be looked at, and `learned` of them images that the model has learned from.
    quarantined: rows that were set aside; `faults_of` has their faults, which may be more than the memory holds.
    classes: answers by class, (10,). confusion: truth by answer, (10, 10), of the others whose truth is known.
    observed: what drift is judged by, as `drift.Profile` writes it.
    beside: answers that are another of the second package, and of these, where the truth is known and neither has
    learned from the image, those that only the first and only the second reads right, (3,); zeros without one.
    """

    digest: str
    table_index: int
    number: int
    last: bool
    bytes: int
    sha256: str
    rows: int
    review: int
    learned: int
    classes: list[int]
    confusion: list[list[int]]
    observed: dict[str, Any]
    quarantined: int
    beside: list[int]


def pieces(job: Job, known_places: Mapping[int, list[Place]], by_shard: bool) -> list[Piece]:
    """Divide what is left of a job: by shards if wanted or where some are done, else by tables.

    A table that cannot be entered in its middle stays whole. known_places: where shards begin, by the table's index; of
    tables that are not among them it is found out. Raises: DataError.
    """
    left = []
    for index, table in enumerate(job.tables):
        if not by_shard and not finished_shard(job, index, 0):
            left.append(Piece(index))
            continue
        places = known_places.get(index) or table.places(job.shard_rows)
        if len(places) > 1:
            missing = [place for number, place in enumerate(places) if not finished_shard(job, index, number)]
            left += [Piece(index, place, whole=False) for place in missing]
        elif not any(shard.last for shard in _finished_from_beginning(job, index)):
            left.append(Piece(index))
    return left


def finished_shard(job: Job, table_index: int, number: int) -> Shard | None:
    """Return a shard if it is there, as long as it was, and of this job. Raises: FetchError."""
    parquet, manifest = files_of(job, table_index, number)
    try:
        with reached(str(manifest)):
            fields = json.loads(manifest.read_text(encoding="utf-8"))
            del fields[FAULTS]
            shard = Shard(**fields)
            size = parquet.stat().st_size
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return shard if (shard.digest, shard.bytes) == (job.digest, size) else None


def faults_of(job: Job, shard: Shard) -> list[Fault]:
    """Return the faults of the rows of a shard that were set aside."""
    fields = json.loads(files_of(job, shard.table_index, shard.number)[1].read_text(encoding="utf-8"))
    return [Fault(**fault) for fault in fields[FAULTS]]


def finished_shards(job: Job) -> list[Shard]:
    """Return the shards of a job of which every one is done, in order. Raises: StoreError if one is missing."""
    shards: list[Shard] = []
    for index, table in enumerate(job.tables):
        of_table = list(_finished_from_beginning(job, index))
        if not of_table or not of_table[-1].last:
            raise StoreError(
                f"shard {len(of_table)} of {table.file} is missing", file=str(job.folder), remedy="run again"
            )
        shards += of_table
    return shards


def forget(job: Job, shard: Shard) -> None:
    """Have a shard scored again by the next run. Raises: FetchError."""
    manifest = files_of(job, shard.table_index, shard.number)[1]
    with reached(str(manifest)):
        manifest.unlink(missing_ok=True)


def remove_shards(job: Job) -> None:
    """Take the shards away, once they are published."""
    if is_remote(job.folder):
        remote = cast(Any, job.folder)
        with contextlib.suppress(OSError):
            remote.fs.rm(remote.path, recursive=True)
    else:
        shutil.rmtree(job.folder, ignore_errors=True)


def score_piece(job: Job, piece: Piece, tell: Callable[[int], None] = lambda rows: None) -> int:
    """Score the shards of a piece, but for those that are done; return how many rows it went through.

    tell: called with the number of rows gone through since the last call.
    Raises: DataError for a row that is not a digit, unless it is to be set aside; StoreError.
    """
    rows = 0

    def count(more: int) -> None:
        nonlocal rows
        rows += more
        tell(more)

    batches = job.tables[piece.table_index].read(piece.place)
    chunks = ahead(chunks_of(batches, piece.place.row, job.shard_rows))
    for number, chunks_of_shard in groupby(chunks, key=lambda chunk: (chunk.row - 1) // job.shard_rows):
        if finished_shard(job, piece.table_index, number):
            for chunk in chunks_of_shard:
                count(len(chunk.batch))
        else:
            _score_shard(job, piece.table_index, number, chunks_of_shard, count)
        if not piece.whole:
            break
    return rows


def ids(job: Job, table_index: int, rows: np.ndarray) -> pa.Array:
    """Return the ids that rows of a table have in the scores. rows: int (n,), from 1."""
    source = job.tables[table_index]
    if job.is_numbered:
        return column(rows.astype(np.int64), pa.int64())
    if source.names:
        return texts([source.names[row - 1] for row in rows.tolist()])
    return texts([f"{source.file}:{row}" for row in rows.tolist()])


# --- Scoring ----------------------------------------------------------------------------------------------------


def _score_shard(
    job: Job, table_index: int, number: int, chunks: Iterator[Chunk], count: Callable[[int], None]
) -> None:
    parquet, manifest = files_of(job, table_index, number)
    sums: dict[str, Any] = {}
    with writing(parquet) as file, pq.ParquetWriter(file, job.schema, compression="zstd") as writer:
        answers: list[pa.Table] = []
        for chunk in chunks:
            if chunk.batch.faults and job.on_bad_row == "stop":
                raise _refusal(job.tables[table_index], chunk.batch.faults[0])
            rows, more = _answers(job, table_index, chunk.batch)
            answers.append(rows)
            for name, value in more.items():
                sums[name] = operator.iadd(sums[name], value) if name in sums else value
            if len(answers) == ROW_GROUP:
                writer.write_table(pa.concat_tables(answers))
                answers = []
            last = chunk.last
            count(len(chunk.batch))
        if answers:
            writer.write_table(pa.concat_tables(answers))
    with reached(str(parquet)):
        written = parquet.stat().st_size, sha256(parquet)
    sums |= {name: sums[name].tolist() for name in ("classes", "confusion", "beside")}
    sums["observed"] = sums["observed"].as_json()
    faults = sums.pop(FAULTS)
    shard = Shard(job.digest, table_index, number, last, *written, **sums, quarantined=len(faults))
    with writing(manifest) as file:
        file.write(json.dumps(asdict(shard) | {FAULTS: [vars(fault) for fault in faults]}).encode())


def _answers(job: Job, table_index: int, batch: Batch) -> tuple[pa.Table, dict[str, Any]]:
    """Answer a batch's digits, as rows of the job's schema; return with them what they add to the fields of `Shard`."""
    digits = batch.digits
    logits, passed_on = _engine(job).answer(digits.images)
    probabilities = softmax(logits)
    labels = probabilities.argmax(axis=1).astype(np.uint8)
    confidence = probabilities.max(axis=1)
    reasons = [batch.doubts.get(row) for row in digits.ids.tolist()]
    unanswered = np.array([reason is not None for reason in reasons], bool)
    if job.tables[table_index].names:
        strangeness = _local.familiar.strangeness(digits.images, logits)
        for at in np.flatnonzero(~unanswered & (strangeness > job.limits.review)).tolist():
            reasons[at] = STRANGE if strangeness[at] > job.limits.refuse else ODD
        unanswered |= strangeness > job.limits.refuse
    review = np.array([reason is not None for reason in reasons], bool) | (confidence < job.review_below)
    marks = fingerprints(digits.images)
    learned = _among(marks, np.frombuffer(job.learned, np.uint64))
    sums = _sums(batch, labels, confidence, passed_on, unanswered, review, learned)
    columns = {
        "id": ids(job, table_index, digits.ids),
        "label": column(labels, pa.uint8(), unanswered),
        "confidence": column(confidence, pa.float32(), unanswered),
        "review": column(review, pa.bool_()),
        "reason": texts(reasons),
        "truth": pa.nulls(len(digits), pa.uint8()) if digits.labels is None else column(digits.labels, pa.uint8()),
        "probabilities": pa.FixedSizeListArray.from_arrays(column(probabilities.ravel(), pa.float32()), CLASSES),
        "image": column(digits.images, pa.binary(PIXELS), ~review & (marks >= job.audit_share * 2.0**64)),
    }
    if job.beside:
        others = softmax(_local.beside.answer(digits.images)[0])
        other_labels = others.argmax(axis=1).astype(np.uint8)
        differs = ~unanswered & (other_labels != labels)
        judged = differs & ~learned & ~_among(marks, np.frombuffer(job.beside_learned, np.uint64))
        right = [judged & (answers == digits.labels) for answers in (labels, other_labels)]
        sums["beside"] = np.array([differs.sum(), *(some.sum() for some in right)])
        columns |= {
            "beside": column(other_labels, pa.uint8(), unanswered),
            "beside_confidence": column(others.max(axis=1), pa.float32(), unanswered),
            "beside_image": column(digits.images, pa.binary(PIXELS), ~differs),
        }
    return pa.table(columns, schema=job.schema), sums


def _among(marks: np.ndarray, rising: np.ndarray) -> np.ndarray:
    """Tell which marks are among others that rise: bool (n,). `np.isin` would sort both, for every batch."""
    places = np.searchsorted(rising, marks)
    present = places < len(rising)
    present[present] = rising[places[present]] == marks[present]
    return present


def _refusal(table: Table, fault: Fault) -> DataError:
    """Return the error for a row that is not a digit, where every row is needed."""
    remedy = "mend it, or set such rows aside by --on-bad-row quarantine"
    where: Mapping[str, Any] = {"file": table.file, "row": fault.row, "column": fault.column}
    if table.names:
        where = {"file": table.names[fault.row - 1]}
    return DataError(fault.rule, **where, expected=fault.expected, received=fault.received, remedy=remedy)


def _sums(
    batch: Batch,
    labels: np.ndarray,
    confidence: np.ndarray,
    passed_on: np.ndarray | None,
    unanswered: np.ndarray,
    review: np.ndarray,
    learned: np.ndarray,
) -> dict[str, Any]:
    """Return what a batch adds to the fields of `Shard`.

    labels: uint8 (n,). confidence: float32 (n,). passed_on, unanswered, review, learned: bool (n,).
    """
    digits, answered = batch.digits, ~unanswered
    confusion = np.zeros((CLASSES, CLASSES), int)
    if digits.labels is not None:
        judged = answered & ~learned
        np.add.at(confusion, (digits.labels[judged], labels[judged]), 1)
    passed_on = passed_on if passed_on is None else passed_on[answered]
    return {
        "rows": len(digits),
        "review": int(review.sum()),
        "learned": int(learned.sum()),
        "classes": np.bincount(labels[answered], minlength=CLASSES),
        "confusion": confusion,
        "observed": drift.measure(digits.images[answered], labels[answered], confidence[answered], passed_on),
        FAULTS: list(batch.faults),
        "beside": np.zeros(3, int),
    }


_local = threading.local()


def _engine(job: Job) -> Engine:
    """Return the job's models at work, loaded once in each thread, and with them what is familiar."""
    if getattr(_local, "digest", None) != job.digest:
        _local.engine = Engine(job.models, threads=job.threads)
        _local.familiar = Familiarity.of_bytes(job.familiar)
        _local.beside = Engine(job.beside, threads=job.threads) if job.beside else None
        _local.digest = job.digest
    return _local.engine


# --- Files ------------------------------------------------------------------------------------------------------


def files_of(job: Job, table_index: int, number: int) -> tuple[Path, Path]:
    """Return the paths of a shard's Parquet file and of its manifest."""
    # As wide as anybody's number: the files are read in the order of their names.
    name = f"part-{table_index:06}-{number:09}"
    return job.folder / f"{name}.parquet", job.folder / f"{name}.json"


def _finished_from_beginning(job: Job, table_index: int) -> Iterator[Shard]:
    """Yield the shards of a table from its beginning, as far as they are done without a gap."""
    for number in itertools.count():
        shard = finished_shard(job, table_index, number)
        if shard is None:
            return
        yield shard
        if shard.last:
            return
