"""The last stage of `compare`, rank: recipes that were fitted and judged on the same data, on one page.

Makes a `comparison`: report.html, leaderboard.md and leaderboard.csv.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.data import digits
from tasks.data.digits import Digits
from tasks.judging import answers
from tasks.judging.comparison import Comparison, Entry, Failure, rows
from tasks.models.fitted import ModelMetrics, load, predict
from tasks.models.packaged import INT8, FormCheck, PackageMetrics
from tasks.reports import leaderboard
from tasks.stage import stage
from tasks.store import Artifact, Draft, Store, lineage
from tasks.store.provenance import commit, versions
from tasks.training import resuming
from tasks.training.recipes import PUBLISHED, Recipe


@dataclass(frozen=True)
class Contender:
    """A recipe with what came of it.

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
    """The comparison of contenders, all judged on the validation part of `prepared`.

    call: the command that makes it again, for the page.
    """

    def build(draft: Draft) -> dict[str, Any]:
        comparison = _comparison(store, prepared, contenders, failures, call)
        for name, text in {
            "report.html": leaderboard.render(comparison),
            "leaderboard.md": leaderboard.to_markdown(comparison),
            "leaderboard.csv": leaderboard.to_csv(comparison),
        }.items():
            (draft.folder / name).write_text(text, encoding="utf-8")
        return {
            "images": comparison.images,
            "table": leaderboard.table(rows(comparison), failures),
        }

    inputs = [prepared]
    for one in contenders:
        inputs += [artifact for artifact in (one.model, one.evaluation, one.package, one.refitted) if artifact]
    parameters = {"failures": [vars(failure) for failure in failures]}
    return store.make("comparison", build, code=__name__, parameters=parameters, inputs=inputs, fresh=fresh)


def _comparison(
    store: Store, prepared: Artifact, contenders: Sequence[Contender], failures: Sequence[Failure], call: str
) -> Comparison:
    source = next(one for one in lineage(store, prepared).values() if one and one.kind == "dataset").manifest().source
    names = list(dict.fromkeys([one.recipe.name for one in contenders] + [one.recipe for one in failures]))
    test = labelled_test(prepared)
    return Comparison(
        title=f"{len(names)} recipes on {Path(source['data']).name}",
        source=source["data"],
        images=prepared.metrics["validation"],
        prepared=prepared.name,
        entries=[_entry(one, test) for one in contenders],
        failures=failures,
        reported={name: (PUBLISHED[name].protocol, PUBLISHED[name].accuracy) for name in names if name in PUBLISHED},
        versions=versions(),
        commit=commit(),
        reproduce=call,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _entry(contender: Contender, test: Digits | None) -> Entry:
    fitted = contender.model.measured(ModelMetrics)
    judged = contender.evaluation.metrics
    packed = contender.package.measured(PackageMetrics)
    int8 = packed.forms[INT8]
    return Entry(
        recipe=contender.recipe.name,
        seed=contender.recipe.seed,
        model=contender.model.name,
        right=answers.read(contender.evaluation.path / "answers.parquet").right,
        loss=judged["loss"],
        robust=judged["robustness"]["mean"],
        test=_of(judged["test"]),
        refitted_test=_answered(contender.refitted, test),
        best_epoch=fitted.best_epoch,
        epochs=fitted.epochs,
        cpu=fitted.fit_cpu_seconds,
        wall=fitted.fit_wall_seconds,
        parameters=fitted.parameters,
        int8_bytes=int8.bytes if int8.accepted else None,
        rate=packed.forms[packed.default].images_per_cpu_second,
        history=resuming.read_history(contender.model.path / "history.csv"),
        notes=_notes(contender.recipe, fitted, judged, int8),
    )


def _notes(recipe: Recipe, fitted: ModelMetrics, judged: dict[str, Any], int8: FormCheck) -> list[str]:
    notes = []
    if recipe.members > 1:
        notes.append(f"{recipe.members} members")
    if recipe.patience and fitted.epochs < recipe.epochs:
        notes.append(f"stopped early, at {fitted.epochs} of {recipe.epochs} epochs")
    overfitting = judged["overfitting"]
    if overfitting["verdict"] != "none":
        begins = f" from epoch {overfitting['begins']}" if overfitting["begins"] else ""
        notes.append(f"overfits{begins} ({100 * overfitting['gap']:.2f} points)")
    if not int8.accepted:
        notes.append("int8 refused, it loses too much")
    return notes


def _of(score: dict[str, Any] | None) -> tuple[int, int] | None:
    return (round(score["accuracy"] * score["images"]), score["images"]) if score else None


def labelled_test(prepared: Artifact) -> Digits | None:
    """The test part, where there is one with labels."""
    path = prepared.path / "test.parquet"
    test = digits.read(path) if path.exists() else None
    return test if test is not None and test.labels is not None else None


def _answered(model: Artifact | None, test: Digits | None) -> tuple[int, int] | None:
    if not model or test is None:
        return None
    labels = predict(load(model.file("model.keras")), test.images).argmax(axis=1)
    return int((labels == test.labels).sum()), len(test)


rank_stage = stage(rank)
