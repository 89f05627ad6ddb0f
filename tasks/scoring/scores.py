"""The `scores` of a package: planned as a job of shards, and published when every shard is done.

What a person decides is in `Options`, what is to be done in a `Plan`, what came of it in `ScoresMetrics`; the files
that are published are those of `outputs.py`.
"""

import contextlib
import hashlib
import json
import logging
import os
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Interval

from tasks.data.addresses import expanded, is_remote
from tasks.data.tables import Table, about_rows
from tasks.errors import DataError, DriftError, StoreError, UsageError
from tasks.judging import drift
from tasks.judging.calibration import Expected
from tasks.judging.drift import Profile
from tasks.judging.statistics import Accuracy, accuracy_of
from tasks.models.packaged import FAMILIAR, LEARNED, PROFILE, PackageMetrics, form_here, models_of
from tasks.scoring import outputs, processes, shards
from tasks.scoring.inputs import Survey, survey
from tasks.scoring.shards import Job, Piece, Shard
from tasks.scoring.writing import writing
from tasks.store import Artifact, Draft, Store, sha256, unwritable
from tasks.store.locks import locked
from tasks.words import listed

log = logging.getLogger(__name__)

AUDITED = 2_000  # images, about, that are kept for an audit of the answers that nobody is to look at
NAMED = 3  # inputs, in what scores are called
MANY = 1_000_000  # rows, where nobody knows how many there are


@dataclass(frozen=True)
class Options:
    """What a person decides about scoring.

    review_below: the confidence below which a person should look, 0–1. shard_rows: rows of a shard, at most.
    on_bad_row: `stop`, or `quarantine`: set it aside and go on. on_drift: `warn`, `stop` or `ignore`.
    probabilities: whether the submission has those of all ten classes. show: whether a sheet shows the pictures that
    came in beside what the model saw. cascade: whether the package's first reader answers what it is sure of.
    """

    review_below: Annotated[float, Interval(ge=0, le=1)] = 0.95
    shard_rows: Annotated[int, Interval(ge=1)] = 100_000
    on_bad_row: Literal["stop", "quarantine"] = "stop"
    on_drift: Literal["warn", "stop", "ignore"] = "warn"
    probabilities: bool = False
    show: bool = False
    cascade: bool = True


@dataclass(frozen=True)
class Plan:
    """What is to be done: the job for those who score, and what its scores will be published as.

    survey: what reading the inputs has told. workers: processes that score. by_shard: whether each shard is a piece.
    about: what else the manifest is to say of the source: when the file has `arrived`, or that it was answered `again`.
    """

    job: Job
    package: Artifact
    options: Options
    made_from: dict[str, Any]
    fresh: bool
    survey: Survey
    workers: int
    by_shard: bool
    about: Mapping[str, Any] = field(default_factory=dict)

    def pieces(self) -> list[Piece]:
        """Divide what is left of the job. Raises: DataError."""
        return shards.pieces(self.job, self.survey.places, self.by_shard)


@dataclass(frozen=True)
class DriftMetrics:
    """The verdict of `Drift`, the reasons for it in words, and the PSI of each aggregate; shifts: as `drift.shifts`.

    As a text it is a line for a person.
    """

    verdict: Literal["none", "drifted", "too few to tell"]
    reasons: list[str]
    psi: dict[str, float]
    shifts: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return "; ".join([self.verdict, *self.reasons])


@dataclass(frozen=True)
class Beside:
    """What a second package answered. package: its name. differ: rows to which it gave another answer.

    only_first, only_second: of these, as far as the truth is known and neither has learned from the image, those that
    only the package of the scores and that only the second reads right.
    """

    package: str
    differ: int
    only_first: int
    only_second: int


@dataclass(frozen=True)
class ScoresMetrics:
    """What is known of scores as a whole.

    rows: how many were answered. quarantined: how many were set aside instead. class_counts: answers by class, (10,).
    review: rows that a person should look at. expected: what validation lets expect of the others; None where these
        are not known to be digits like those of validation: of pictures, under drift, and of too few to tell.
    pictures: whether there are pictures among them.
    learned: rows whose image the model has learned from.
    accuracy, confusion: of the other rows whose label is known, the latter truth by answer, (10, 10); None where there
        are none.
    passed_on: answers that the first reader has left to the main model; None where none was asked.
    beside: None without a second package.
    """

    rows: int
    quarantined: int
    class_counts: list[int]
    review: int
    expected: Expected | None
    pictures: bool
    learned: int
    drift: DriftMetrics
    accuracy: Accuracy | None
    confusion: list[list[int]] | None
    passed_on: int | None = None
    beside: Beside | None = None


def plan(
    store: Store,
    package: Artifact,
    tables: Sequence[Table],
    options: Options,
    *,
    taken_from: Sequence[Artifact] = (),
    shards_in: str | None = None,
    workers: int = 1,
    threads: int | None = None,
    by_shard: bool = False,
    fresh: bool = False,
    about: Mapping[str, Any] | None = None,
    beside: Artifact | None = None,
) -> Plan:
    """Plan how the tables are to be scored.

    taken_from: artifacts that the tables are of. shards_in: where shards are kept until all are done, for machines that
    do not share the artifacts. workers: processes that score at the same time. threads: of each of them; None: as many
    as share this machine's cores. by_shard: whether each shard is to be a piece of its own, as it is where several
    processes score.
    about: as in `Plan`. beside: a second package, whose answers are kept, too.
    Raises: DataError; StoreError, also where the model is not what was packaged; UsageError if the two are the same.
    """
    if beside == package:
        raise UsageError("both packages are the same", received=package.name, remedy="name another beside it")
    reference_of(package)  # what is wrong with it is to be known before the work
    # Whether drift stops a run decides no score.
    parameters = {name: value for name, value in asdict(options).items() if name != "on_drift"}
    parameters["form"] = form = form_here()
    # A first reader promises nothing of pictures, which cost more to read than to answer.
    cascade = options.cascade and not any(table.names for table in tables)
    by_shard = by_shard or workers > 1
    surveyed = survey(tables, options.shard_rows if by_shard else None)
    parameters["content"] = surveyed.digest
    if beside:
        parameters["beside"] = beside.name
    inputs = [package, *taken_from, *([beside] if beside else [])]
    made_from: dict[str, Any] = {"code": __name__, "parameters": parameters, "inputs": inputs}
    planned = store.planned("scores", **made_from)
    digest = planned if isinstance(planned, str) else planned.id
    job = Job(
        digest=digest,
        folder=_shards_folder(store, digest, shards_in),
        models=models_of(package, form, cascade=cascade),
        familiar=package.file(FAMILIAR).read_bytes(),
        limits=package.measured(PackageMetrics).limits,
        learned=np.load(package.file(LEARNED)).tobytes(),
        tables=tuple(tables),
        shard_rows=options.shard_rows,
        review_below=options.review_below,
        audit_share=min(1.0, AUDITED / max(1, about_rows(tables) or MANY)),
        on_bad_row=options.on_bad_row,
        threads=threads or processes.threads_per_worker(workers),
        beside=models_of(beside, form, cascade=cascade) if beside else None,
        beside_learned=np.load(beside.file(LEARNED)).tobytes() if beside else b"",
    )
    return Plan(job, package, options, made_from, fresh, surveyed, workers, by_shard, about or {})


def _shards_folder(store: Store, digest: str, shards_in: str | None) -> Path:
    """Return where the shards of a job go: in a place for many, one that no other machine or store works in.

    Who is done there takes its shards away.
    """
    if not shards_in:
        return store.root / ".scratch" / f"shards-{digest}"
    own = hashlib.sha256(f"{socket.gethostname()}:{store.root.resolve()}".encode()).hexdigest()[:8]
    return expanded(shards_in) / f"shards-{digest}-{own}"


@contextlib.contextmanager
def alone(store: Store, planned: Plan) -> Iterator[None]:
    """Keep other runs from scoring the same meanwhile: they wait, and find it done. Raises: StoreError."""
    lock = store.root / ".scratch" / f"shards-{planned.job.digest}.lock"
    with contextlib.ExitStack() as held:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(lock, "another run scores the same: waiting for it"))
        except OSError as error:
            raise unwritable(store.root, error) from error
        yield
        # Who waits for it finds the scores; who comes from now on makes a new file.
        lock.unlink(missing_ok=True)


def published(store: Store, planned: Plan) -> Artifact | None:
    """Return the scores of a plan if they are there already."""
    scores = store.find(f"scores/{planned.job.digest}")
    return None if planned.fresh or not scores else replace(scores, reused=True)


def publish(store: Store, planned: Plan) -> Artifact:
    """Publish the scores of a job whose shards are done, and remove the shards.

    Raises: DataError if an input has changed meanwhile; DriftError if what came in is not what the model has learned
    from, and that is to stop the run; StoreError.
    """
    job, options = planned.job, planned.options
    if scores := published(store, planned):
        _refuse_drift(scores.measured(ScoresMetrics).drift, options.on_drift)
        return scores
    try:
        planned.survey.check_unchanged()
    except DataError:
        shards.remove_shards(job)  # they may be of other rows than the job's name says
        raise
    finished = shards.finished_shards(job)
    metrics = _metrics(planned, finished)
    _refuse_drift(metrics.drift, options.on_drift)

    def build(draft: Draft) -> ScoresMetrics:
        folder = draft.folder / outputs.SCORES
        folder.mkdir()
        for shard in finished:
            _take(job, shard, folder)
        outputs.write_submission(draft.folder, options.probabilities)
        outputs.write_review(draft.folder)
        if job.beside:
            outputs.write_beside(draft.folder)
        outputs.write_quarantine(draft.folder, job, finished)
        if options.show:
            outputs.write_seen(draft.folder, job)
        return metrics

    source = {"data": _title(job.tables), "files": _files(job.tables)}
    source |= planned.about
    scores = store.make("scores", build, **planned.made_from, source=source, fresh=planned.fresh)
    shards.remove_shards(job)
    return scores


def carry_out(store: Store, planned: Plan, tell: Callable[[int], None] = lambda rows: None) -> Artifact:
    """Score what is left of a plan, in this process or in as many as it is made for, and publish it.

    tell: called with the number of rows gone through since the last call.
    Raises: DataError, DriftError, StoreError.
    """
    with alone(store, planned):
        if not published(store, planned):
            calls = [(planned.job, piece) for piece in planned.pieces()]
            if planned.workers == 1:
                for call in calls:
                    shards.score_piece(*call, tell)
            else:
                for rows in processes.call_in_workers(shards.score_piece, calls, planned.workers):
                    tell(rows)
        return publish(store, planned)


def reference_of(package: Artifact) -> Profile:
    """Return the profile of what a package's model has learned from. Raises: StoreError if it is damaged."""
    return Profile.of_json(json.loads(package.file(PROFILE).read_text(encoding="utf-8")))


def _title(tables: Iterable[Table]) -> str:
    """Return what was scored, in words: the first tables, and of pictures the first."""
    names = [name for table in tables for name in table.names or (table.file,)]
    return listed(names, NAMED)


def _files(tables: Iterable[Table]) -> list[dict[str, Any]]:
    """List the files that tables are read from, for the manifest."""
    paths = dict.fromkeys(path for table in tables for path in table.paths)
    return [{"path": str(path), "bytes": path.stat().st_size} for path in paths]


def _take(job: Job, shard: Shard, folder: Path) -> None:
    """Have a shard's file in another folder. Raises: StoreError, also if it is not what was written."""
    file, _ = shards.files_of(job, shard.table_index, shard.number)
    _link(file, folder)
    if sha256(folder / file.name) != shard.sha256:
        shards.forget(job, shard)
        remedy = "run again: it is scored again, and the others stay"
        raise StoreError("a shard of the scores is not what was written", file=str(file), remedy=remedy)


def _link(file: Path, folder: Path) -> None:
    """Have the same file in another folder, without a copy where the file system can. Raises: StoreError."""
    if not is_remote(file):
        with contextlib.suppress(OSError):
            os.link(file, folder / file.name)
            return
    with file.open("rb") as shard, writing(folder / file.name) as copy:
        shutil.copyfileobj(shard, copy)


def _metrics(planned: Plan, finished: Sequence[Shard]) -> ScoresMetrics:
    confusion = np.sum([shard.confusion for shard in finished], axis=0)
    known, right = int(confusion.sum()), int(confusion.trace())
    observed = sum((Profile.of_json(shard.observed) for shard in finished), drift.EMPTY)
    drift_metrics = _drift(planned.package, observed)
    calibration = planned.package.measured(PackageMetrics).calibration_of(planned.options.cascade)
    pictures = any(table.names for table in planned.job.tables)
    is_expected = drift_metrics.verdict == "none" and not pictures
    return ScoresMetrics(
        rows=sum(shard.rows for shard in finished),
        quarantined=sum(shard.quarantined for shard in finished),
        class_counts=np.sum([shard.classes for shard in finished], axis=0).tolist(),
        review=sum(shard.review for shard in finished),
        expected=calibration.at(planned.options.review_below) if is_expected else None,
        pictures=pictures,
        learned=sum(shard.learned for shard in finished),
        drift=drift_metrics,
        accuracy=accuracy_of(right, known) if known else None,
        confusion=confusion.tolist() if known else None,
        beside=_beside(planned, finished),
        passed_on=observed.counts[drift.PASSED_ON][1] if any(observed.counts[drift.PASSED_ON]) else None,
    )


def _beside(planned: Plan, finished: Sequence[Shard]) -> Beside | None:
    if not planned.job.beside:
        return None
    return Beside(
        planned.made_from["parameters"]["beside"],
        *(sum(counts) for counts in zip(*(shard.beside for shard in finished), strict=True)),
    )


def _drift(package: Artifact, observed: Profile) -> DriftMetrics:
    reference = reference_of(package)
    verdict = drift.verdict(reference, observed)
    psi = {finding.name: round(finding.psi, 4) for finding in verdict.findings}
    return DriftMetrics(verdict.verdict, verdict.reasons, psi, drift.shifts(reference, observed))


def _refuse_drift(metrics: DriftMetrics, on_drift: str) -> None:
    """Stop or warn where there is drift, as a person wants it."""
    if metrics.verdict != "drifted" or on_drift == "ignore":
        return
    reasons = "; ".join(metrics.reasons)
    if on_drift == "stop":
        raise DriftError(
            "these are not the digits that the model has learned from",
            received=reasons,
            remedy="look at what came in, or let it pass by --on-drift warn",
        )
    log.warning("drift: %s", reasons)
