"""Recipes over several splits of the same digits: no single validation part is worn out by what was chosen by it."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tasks.combine import combine
from tasks.data import digits as digit_files
from tasks.fit import fit
from tasks.ingest import ingest
from tasks.models.fitted import ModelMetrics
from tasks.models.packaged import FLOAT32, models_of
from tasks.models.scorer import Engine
from tasks.package import package
from tasks.prepare import prepare
from tasks.settings import Settings
from tasks.store import Artifact, Store
from tasks.training import recipes
from tasks.training.recipes import FIRST, Recipe
from tasks.validate import validate
from tests.benchmarks.measure import limit, made, show


@dataclass(frozen=True)
class Result:
    """What a recipe reads of a split's validation part. accuracy, cascade: percent, in float32. cpu: seconds, both."""

    accuracy: float
    cascade: float
    cpu: float


def fast_over_splits(archive: str, home: Path) -> None:
    accuracy, cpu = _over_splits(archive, made(home), "fast", 5)
    basic = _over_splits(archive, home, "cnn-basic", 1)[1]
    limit("fast: accuracy, percent, mean of five splits", accuracy, least=99.58)
    limit("fast: CPU of the fits, first reader included, against cnn-basic's", cpu / basic, most=3.5)


def best_over_splits(archive: str, home: Path) -> None:
    accuracy, cpu = _over_splits(archive, made(home), "best", 3)
    limit("best: accuracy, percent, mean of three splits", accuracy, least=99.72)
    limit("best: CPU seconds of the fits", cpu, most=2 * 2 * 3600)


def _over_splits(archive: str, home: Path, name: str, splits: int) -> tuple[float, float]:
    """Measure a recipe on so many splits; return its mean accuracy in percent and CPU seconds of the fits."""
    settings = Settings(home=home)
    store = Store(settings.artifacts)
    dataset = ingest(store, archive, settings)
    validation = validate(store, dataset)
    results = []
    for seed in range(1, splits + 1):
        prepared = prepare(store, dataset, validation, split_seed=seed)
        recipe = replace(recipes.find(name), seed=42 + seed)
        results.append(_measured(store, prepared, recipe))
        note = f"{results[-1].accuracy:.3f} %, as a cascade {results[-1].cascade:.3f} %"
        show(f"{name}, split {seed}", results[-1].cpu, 0, note=note)
    accuracies = [result.accuracy for result in results]
    cascades = np.mean([result.cascade for result in results])
    spread = f", standard deviation {np.std(accuracies, ddof=1):.3f}" if splits > 1 else ""
    print(f"         {name}: mean {np.mean(accuracies):.3f} %{spread}; as a cascade {cascades:.3f} %")
    return float(np.mean(accuracies)), float(np.mean([result.cpu for result in results]))


def _measured(store: Store, prepared: Artifact, recipe: Recipe) -> Result:
    members = [fit(store, prepared, member) for member in recipe.member_recipes()]
    model = combine(store, members, recipe) if recipe.members > 1 else members[0]
    first = None if recipe.name == "cnn-basic" else fit(store, prepared, FIRST)
    models = models_of(package(store, model, prepared, first), FLOAT32)
    judges = digit_files.read(prepared.path / "validation.parquet")
    right = [
        100 * float((Engine(engine).answer(judges.images)[0].argmax(axis=1) == judges.known_labels).mean())
        for engine in (replace(models, first=None), models)
    ]
    costs = [one.measured(ModelMetrics).fit_cpu_seconds for one in (model, *([first] if first else []))]
    return Result(right[0], right[1], sum(costs))
