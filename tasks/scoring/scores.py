"""The `scores` of a package: planned as a job of shards, and published when every shard is done.

What is published: submission.csv in Kaggle's format; scores.parquet, a folder with a file a shard; review.csv, what a
person should look at, and review.png, the most doubtful of it; quarantine.csv, the rows that were set aside;
confusion.csv, where labels are known.
"""

import contextlib
import csv
import heapq
import json
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import numpy as np
import pyarrow.parquet as pq
from annotated_types import Interval

from tasks.data.addresses import expanded, is_remote, reached
from tasks.data.digits import CLASSES, SIDE
from tasks.data.tables import Table
from tasks.errors import DriftError, StoreError, UsageError
from tasks.judging import drift, statistics
from tasks.judging.drift import Profile
from tasks.models.packaged import PROFILE, PackageMetrics, default_model
from tasks.reports import sheets
from tasks.reports.sheets import Tile
from tasks.scoring import processes, shards
from tasks.scoring.inputs import both, content
from tasks.scoring.shards import Job, Shard, written
from tasks.store import Artifact, Draft, Store

log = logging.getLogger(__name__)

SUBMISSION, SCORES, REVIEW, SEEN = "submission.csv", "scores.parquet", "review.csv", "seen.png"
STANDARD_OUTPUT = "-"
ROWS = 10_000  # that are in memory at once
SHOWN = 100  # of the most doubtful images


@dataclass(frozen=True)
class Options:
    """What a person decides about scoring.

    review_below: the confidence below which a person should look, 0–1. shard_rows: rows of a shard, at most.
    on_bad_row: `stop`, or `quarantine`: set it aside and go on. on_drift: `warn`, `stop` or `ignore`.
    probabilities: whether the submission has those of all ten classes. show: whether a sheet shows the pictures that
    came in beside what the model saw.
    """

    review_below: Annotated[float, Interval(ge=0, le=1)] = 0.95
    shard_rows: Annotated[int, Interval(ge=1)] = 100_000
    on_bad_row: Literal["stop", "quarantine"] = "stop"
    on_drift: Literal["warn", "stop", "ignore"] = "warn"
    probabilities: bool = False
    show: bool = False


@dataclass(frozen=True)
class Plan:
    """What is to be done: the job for those who score, and what its scores will be published as."""

    job: Job
    package: Artifact
    options: Options
    made_from: dict[str, Any]
    fresh: bool


def plan(
    store: Store,
    package: Artifact,
    tables: Sequence[Table],
    options: Options,
    *,
    also: Sequence[Artifact] = (),
    shards_in: str | None = None,
    threads: int = 1,
    fresh: bool = False,
) -> Plan:
    """How these parts are to be scored.

    also: artifacts that the parts are taken from. shards_in: where shards are kept until all are done, for machines
    that do not share the artifacts. threads: of the model, in each process.
    Raises: DataError; StoreError, also where the model is not what was packaged.
    """
    temperature = package.measured(PackageMetrics).calibration.temperature
    reference_of(package)  # what is wrong with it is to be known before the work
    # Whether drift stops a run decides no score.
    parameters = {name: value for name, value in asdict(options).items() if name != "on_drift"}
    parameters["content"] = content(tables)
    made_from: dict[str, Any] = {"code": __name__, "parameters": parameters, "inputs": [package, *also]}
    planned = store.planned("scores", **made_from)
    digest = planned if isinstance(planned, str) else planned.id
    job = Job(
        digest=digest,
        folder=(expanded(shards_in) if shards_in else store.root / ".scratch") / f"shards-{digest}",
        model=default_model(package).read_bytes(),
        temperature=temperature,
        tables=tuple(tables),
        rows=options.shard_rows,
        review_below=options.review_below,
        on_bad_row=options.on_bad_row,
        threads=threads,
    )
    return Plan(job, package, options, made_from, fresh)


def published(store: Store, planned: Plan) -> Artifact | None:
    """What came of it, if it is done already."""
    found = store.find(f"scores/{planned.job.digest}")
    return None if planned.fresh or not found else replace(found, reused=True)


def publish(store: Store, planned: Plan) -> Artifact:
    """The scores of a job whose shards are done.

    Raises: DriftError if what came in is not what the model has learned from, and that is to stop the run; StoreError.
    """
    job, options = planned.job, planned.options
    if found := published(store, planned):
        _gate(found.metrics["drift"], options.on_drift)
        return found
    done = shards.finished(job)
    verdict = _drift(planned.package, done)
    _gate(verdict, options.on_drift)

    def build(draft: Draft) -> dict[str, Any]:
        kept = draft.folder / SCORES
        kept.mkdir()
        for shard in done:
            _link(shards.parquet_of(job, shard), kept)
        _write_submission(draft.folder / SUBMISSION, kept, options.probabilities)
        _write_review(draft.folder, kept)
        _write_quarantine(draft.folder / "quarantine.csv", job, done)
        if options.show:
            _write_seen(draft.folder / SEEN, job, kept)
        return _metrics(planned, done, verdict)

    source = {"data": ", ".join(table.file for table in job.tables), "files": _files(job.tables)}
    scores = store.make("scores", build, **planned.made_from, source=source, fresh=planned.fresh)
    shards.forget(job)
    return scores


def reference_of(package: Artifact) -> Profile:
    """What the package's model has learned from. Raises: StoreError if it is damaged, or of another version."""
    return Profile.of_json(json.loads(package.file(PROFILE).read_text(encoding="utf-8")))


def score(
    store: Store,
    package: Artifact,
    tables: Sequence[Table],
    options: Options,
    *,
    also: Sequence[Artifact] = (),
    shards_in: str | None = None,
    workers: int = 1,
    tell: Callable[[int], None] = lambda rows: None,
    fresh: bool = False,
) -> Artifact:
    """Plan, score and publish, in this process or in several.

    tell: called with the number of rows gone through since the last call.
    Raises: DataError, DriftError, StoreError.
    """
    threads = processes.share(workers)
    planned = plan(store, package, tables, options, also=also, shards_in=shards_in, threads=threads, fresh=fresh)
    job = planned.job
    if not published(store, planned):
        left = shards.pieces(job, shared=workers > 1)
        if workers == 1:
            for piece in left:
                shards.score_piece(job, piece, tell)
        else:
            for rows in processes.each(shards.score_piece, [(job, piece) for piece in left], workers):
                tell(rows)
    return publish(store, planned)


def _files(tables: Iterable[Table]) -> list[dict[str, Any]]:
    paths = dict.fromkeys(path for table in tables for path in table.paths)
    return [{"path": str(path), "bytes": path.stat().st_size} for path in paths]


def _link(file: Path, folder: Path) -> None:
    """The same file in another folder, without a copy where the file system can. Raises: StoreError."""
    with contextlib.suppress(OSError):
        if not is_remote(file):
            os.link(file, folder / file.name)
            return
    with file.open("rb") as shard, written(folder / file.name) as copy:
        shutil.copyfileobj(shard, copy)


# --- Where a person wants it ------------------------------------------------------------------------------------


def look_at(output: str, force: bool) -> None:
    """Whether a submission can be written there, before the work. Raises: UsageError, StoreError."""
    if output == STANDARD_OUTPUT:
        return
    path = expanded(output)
    with reached(output):
        there = path.exists()
    if there and not force:
        raise UsageError("there is such a file already", file=output, remedy="name another, or overwrite it by --force")
    if not is_remote(path) and not (path.parent.is_dir() and os.access(path.parent, os.W_OK)):
        raise StoreError(
            "the folder of the output cannot be written", file=output, expected="a folder that you may write to"
        )


def deliver(scores: Artifact, output: str) -> None:
    """Copy the submission to a path, whole or not at all; `-` is standard output. Raises: StoreError."""
    with scores.file(SUBMISSION).open("rb") as submission:
        if output == STANDARD_OUTPUT:
            _print(submission)
            return
        with reached(output), written(expanded(output)) as file:
            shutil.copyfileobj(submission, file)


def _print(file: BinaryIO) -> None:
    try:
        shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except BrokenPipeError as error:
        # For what is left in the buffer, which is flushed at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise StoreError("whoever reads the output has closed it", remedy="give --output a path") from error


# --- What is written --------------------------------------------------------------------------------------------


def _rows(folder: Path, columns: Sequence[str], only_review: bool = False) -> Iterator[list[tuple[Any, ...]]]:
    """Rows of the shards in order, at most ROWS at a time."""
    for path in sorted(folder.iterdir()):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS, columns=[*columns, "review"]):
                batch = batch.filter(batch.column("review")) if only_review else batch
                yield list(zip(*(batch.column(name).to_pylist() for name in columns), strict=True))


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _write_submission(path: Path, kept: Path, probabilities: bool) -> None:
    header, columns = ["ImageId", "Label"], ["id", "label"]
    if not probabilities:
        _write_csv(path, header, (row for rows in _rows(kept, columns) for row in rows))
        return
    header += [f"Probability{label}" for label in range(CLASSES)]
    rows = (row for rows in _rows(kept, [*columns, "probabilities"]) for row in rows)
    _write_csv(path, header, ((name, label, *(f"{share:.6f}" for share in shares)) for name, label, shares in rows))


def _write_review(folder: Path, kept: Path) -> None:
    """review.csv, the least sure of them also as pictures."""
    columns = ["id", "label", "confidence", "reason"]
    rows = (row for rows in _rows(kept, columns, only_review=True) for row in rows)
    _write_csv(folder / REVIEW, columns, rows)
    shown = (row for rows in _rows(kept, [*columns, "image"], only_review=True) for row in rows)
    doubtful = heapq.nsmallest(SHOWN, shown, key=lambda row: row[2] or 0.0)
    if doubtful:
        sheets.write(folder / "review.png", [_tile(*row) for row in doubtful])


def _tile(name: Any, label: int | None, confidence: float | None, reason: str | None, image: bytes) -> Tile:
    picture = np.frombuffer(image, np.uint8).reshape(SIDE, SIDE)
    return Tile([picture], str(name), reason or f"{label}, {confidence:.0%}", alert=bool(reason))


def _write_quarantine(path: Path, job: Job, done: Iterable[Shard]) -> None:
    """Nothing where nothing is set aside."""
    rows = [
        (shards.ids(job, shard.table, np.array([fault["row"]]))[0].as_py(), *list(fault.values())[1:])
        for shard in done
        for fault in shard.faults
    ]
    if rows:
        _write_csv(path, ["id", "column", "rule", "expected", "received"], rows)


def _write_seen(path: Path, job: Job, kept: Path) -> None:
    """The first pictures beside what the model saw of them, its answer, and the truth where it is another."""
    answers = {
        row[0]: row[1:] for rows in _rows(kept, ["id", "label", "confidence", "reason", "truth"]) for row in rows
    }
    tiles = []
    for table in job.tables:
        for name, stream in zip(table.names[:SHOWN], table.pictures[:SHOWN], strict=True):
            if name in answers:
                label, confidence, reason, truth = answers[name]
                wrong = not reason and truth not in (None, label)
                line = reason or f"{label}, {confidence:.0%}{f', but it is {truth}' if wrong else ''}"
                tiles.append(Tile(both(stream, name), name, line, alert=wrong or bool(reason)))
    if tiles:
        sheets.write(path, tiles)


# --- What is said of it -----------------------------------------------------------------------------------------


def _metrics(planned: Plan, done: Sequence[Shard], verdict: dict[str, Any]) -> dict[str, Any]:
    confusion = np.sum([shard.confusion for shard in done], axis=0)
    known, right = int(confusion.sum()), int(confusion.trace())
    accuracy = statistics.score(np.arange(known) < right) if known else None
    expected = planned.package.measured(PackageMetrics).calibration.at(planned.options.review_below)
    return {
        "rows": sum(shard.rows for shard in done),
        "quarantined": sum(len(shard.faults) for shard in done),
        "class_counts": np.sum([shard.classes for shard in done], axis=0).tolist(),
        "review": sum(shard.review for shard in done),
        "expected": asdict(expected),
        "drift": verdict,
        "accuracy": asdict(accuracy) if accuracy else None,
        "confusion": confusion.tolist() if known else None,
    }


def _drift(package: Artifact, done: Iterable[Shard]) -> dict[str, Any]:
    """verdict: of `Drift`. reasons: in words. psi: of each aggregate."""
    found = drift.verdict(reference_of(package), sum((Profile.of_json(shard.observed) for shard in done), drift.EMPTY))
    psi = {finding.name: round(finding.psi, 4) for finding in found.findings}
    return {"verdict": found.verdict, "reasons": found.reasons, "psi": psi}


def _gate(found: dict[str, Any], on_drift: str) -> None:
    if found["verdict"] != "drifted" or on_drift == "ignore":
        return
    said = "; ".join(found["reasons"])
    if on_drift == "stop":
        raise DriftError(
            "these are not the digits that the model has learned from",
            received=said,
            remedy="look at what came in, or let it pass by --on-drift warn",
        )
    log.warning("drift: %s", said)
