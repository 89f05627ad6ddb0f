"""The cascade: its speed and accuracy beside its two models alone, one thread, in chunks as they are scored in."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from tasks.data import digits as digit_files
from tasks.judging.statistics import mcnemar
from tasks.models.packaged import FLOAT32, INT8, form_here, models_of
from tasks.models.scorer import Engine, Models
from tasks.store import Artifact
from tests.benchmarks.measure import limit, show

TIMED, CHUNK, ROUNDS = 8_000, 2_000, 5
# How many times as fast as the main model alone the cascade is to be, images a CPU second.
FASTER = {FLOAT32: 6, INT8: 3.5}


def cascade(package: Artifact, prepared: Artifact) -> None:
    print(package.metrics["cascade"] | {"calibration": None})
    validation = digit_files.read(prepared.path / "validation.parquet")
    for form in (FLOAT32, INT8):
        models = models_of(package, form)
        _speed(form, models, validation.images[:TIMED])
        _accuracy(form, models, validation.images, validation.known_labels)
    print(f"         {form_here()} is the form of this processor")


def _speed(form: str, models: Models, images: np.ndarray) -> None:
    assert models.first
    passing_on = replace(models.first, threshold=2.0)
    rates = {
        "first reader alone": _rate(Engine(Models(models.first.model, 1.0), threads=1).answer, images),
        "main model alone": _rate(Engine(replace(models, first=None), threads=1).answer, images),
        "cascade": _rate(Engine(models, threads=1).answer, images),
        "cascade, everything passed on": _rate(Engine(replace(models, first=passing_on), threads=1).answer, images),
    }
    for name, rate in rates.items():
        show(f"{form}, {name}", TIMED / rate, 0, note=f"{rate:,.0f} images a CPU second")
    main = rates["main model alone"]
    limit(f"{form}: the cascade against the main model alone", rates["cascade"] / main, least=FASTER[form])
    limit(f"{form}: cost of passing on everything", main / rates["cascade, everything passed on"], most=1.1)


def _rate(answer: Callable[[np.ndarray], Any], images: np.ndarray) -> float:
    """Images a CPU second, of the best round."""
    best = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for start in range(0, len(images), CHUNK):
            answer(images[start : start + CHUNK])
        best.append(time.process_time() - started)
    return len(images) / min(best)


def _accuracy(form: str, models: Models, images: np.ndarray, truth: np.ndarray) -> None:
    whole, passed_on = Engine(models).answer(images)
    main, _ = Engine(replace(models, first=None)).answer(images)
    assert passed_on is not None
    right, alone = (logits.argmax(axis=1) == truth for logits in (whole, main))
    paired = mcnemar(right, alone)
    print(
        f"         {form}: {right.mean():.3%} of {len(truth):,} right, the main model alone {alone.mean():.3%}; "
        f"{1 - passed_on.mean():.2%} answered by the first reader; only the cascade right {paired.only_first}, "
        f"only the main model {paired.only_second}, McNemar's p {paired.p:.2g}"
    )
    limit(f"{form}: right answers lost", int(alone.sum() - right.sum()), most=len(truth) / 10_000 + 1)
