"""The last stage of `compare`, rank: put recipes that were fitted and judged on the same data in order, on one page.

Makes a `comparison`: report.html, leaderboard.md and leaderboard.csv.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tasks.data import digits
from tasks.data.digits import Digits
from tasks.data.metrics import PreparedMetrics
from tasks.judging import answers
from tasks.judging.comparison import Comparison, Failure, Fit
from tasks.judging.evaluation import Evaluation
from tasks.judging.statistics import Accuracy
from tasks.models.fitted import ModelMetrics, load, predict
from tasks.models.packaged import INT8, FormCheck, PackageMetrics, form_here, models_of
from tasks.models.scorer import Engine
from tasks.reports import leaderboard
from tasks.reports.leaderboard import Leaderboard
from tasks.stage import stage
from tasks.store import Artifact, Draft, Store, nearest
from tasks.store.provenance import commit, versions
from tasks.training import resuming
from tasks.training.recipes import PUBLISHED, Recipe
from tasks.words import points

TIMED = 2000  # images


@dataclass(frozen=True)
class Contender:
    """A recipe with the artifacts that were made of it.

    refitted: the model of the same recipe fitted on training and validation part together, where that was asked for.
    """

    recipe: Recipe
    model: Artifact
    evaluation: Artifact
    package: Artifact
    refitted: Artifact | None = None


def rank(
    store: Store,
    prepared: Artifact,
    contenders: Sequence[Contender],
    failures: Sequence[Failure],
    call: str,
    *,
    fresh: bool = False,
) -> Artifact:
    """Return the comparison of contenders, all judged on the validation part of `prepared`.

    call: the command that makes it again, for the page.
    """

    def build(draft: Draft) -> Leaderboard:
        comparison = _comparison(store, prepared, contenders, failures, call)
        (draft.folder / "report.html").write_text(leaderboard.render(comparison), encoding="utf-8")
        (draft.folder / "leaderboard.md").write_text(leaderboard.to_markdown(comparison), encoding="utf-8")
        (draft.folder / "leaderboard.csv").write_text(leaderboard.to_csv(comparison), encoding="utf-8")
        return Leaderboard(comparison.images, leaderboard.table(comparison))

    inputs = [prepared]
    for contender in contenders:
        inputs += [contender.model, contender.evaluation, contender.package]
        inputs += [contender.refitted] if contender.refitted else []
    parameters = {"failures": [vars(failure) for failure in failures]}
    return store.make("comparison", build, code=__name__, parameters=parameters, inputs=inputs, fresh=fresh)


def _comparison(
    store: Store, prepared: Artifact, contenders: Sequence[Contender], failures: Sequence[Failure], call: str
) -> Comparison:
    source = nearest(store, prepared)["dataset"].manifest().source["data"]
    recipes = [contender.recipe.name for contender in contenders] + [failure.recipe for failure in failures]
    names = list(dict.fromkeys(recipes))
    test = digits.read_labelled(prepared.file_if_any("test.parquet"))
    validation = digits.read(prepared.file("validation.parquet"))
    return Comparison(
        title=f"{len(names)} recipes on {Path(source).name}",
        source=source,
        images=prepared.measured(PreparedMetrics).validation,
        prepared=prepared.name,
        fits=[_fit(contender, validation, test) for contender in contenders],
        failures=failures,
        reported={name: (PUBLISHED[name].protocol, PUBLISHED[name].accuracy) for name in names if name in PUBLISHED},
        versions=versions(),
        commit=commit(),
        reproduce=call,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _fit(contender: Contender, validation: Digits, test: Digits | None) -> Fit:
    fitted = contender.model.measured(ModelMetrics)
    evaluation = contender.evaluation.measured(Evaluation)
    packed = contender.package.measured(PackageMetrics)
    int8 = packed.forms[INT8]
    return Fit(
        recipe=contender.recipe.name,
        seed=contender.recipe.seed,
        model=contender.model.name,
        right=answers.read(contender.evaluation.file("answers.parquet")).right,
        loss=evaluation.loss,
        robust=evaluation.robustness.mean,
        test=_counts(evaluation.test),
        refitted_test=_answered(contender.refitted, test),
        best_epoch=fitted.best_epoch,
        epochs=fitted.epochs,
        cpu=fitted.fit_cpu_seconds,
        wall=fitted.fit_wall_seconds,
        parameters=fitted.parameters,
        int8_bytes=int8.bytes if int8.accepted else None,
        rate=_rate(contender.package, validation.images[:TIMED]),
        history=resuming.read_history(contender.model.file_if_any("history.csv")),
        notes=_notes(contender.recipe, fitted, evaluation, int8),
    )


def _rate(package: Artifact, images: np.ndarray) -> int:
    """Return how many images a package answers in a CPU second of this machine."""
    engine = Engine(models_of(package, form_here()), threads=1)
    started = time.process_time()
    engine.answer(images)
    return round(len(images) / (time.process_time() - started))


def _notes(recipe: Recipe, fitted: ModelMetrics, evaluation: Evaluation, int8: FormCheck) -> list[str]:
    notes = []
    if recipe.members > 1:
        notes.append(f"{recipe.members} members")
    if recipe.patience and 0 < fitted.epochs < recipe.epochs:  # members have stopped by themselves
        notes.append(f"stopped early, at {fitted.epochs} of {recipe.epochs} epochs")
    overfitting = evaluation.overfitting
    if overfitting.verdict != "none":
        begins = f" from epoch {overfitting.begins}" if overfitting.begins else ""
        notes.append(f"overfits{begins} ({points(overfitting.gap)})")
    if not int8.accepted:
        notes.append("int8 refused, it loses accuracy")
    return notes


def _counts(accuracy: Accuracy | None) -> tuple[int, int] | None:
    return (round(accuracy.accuracy * accuracy.images), accuracy.images) if accuracy else None


def _answered(model: Artifact | None, test: Digits | None) -> tuple[int, int] | None:
    if not model or test is None:
        return None
    labels = predict(load(model.file("model.keras")), test.images).argmax(axis=1)
    return int((labels == test.labels).sum()), len(test)


rank_stage = stage(rank)
