"""Makers of comparisons, for the tests of what they come to and of how it is shown."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tasks.judging.comparison import Comparison, Fit

IMAGES = 200


def right(*wrong: int) -> np.ndarray:
    """Of 200 images those are read wrong."""
    answers = np.ones(IMAGES, bool)
    answers[list(wrong)] = False
    return answers


def fit(recipe: str, answers: np.ndarray, **changed: Any) -> Fit:
    history: Sequence[Mapping[str, float]] = [
        {"epoch": number, "val_accuracy": 0.8 + 0.05 * number, "cpu_seconds": 10.0} for number in (1, 2, 3)
    ]
    plain = Fit(
        recipe=recipe,
        seed=42,
        model=f"model/{recipe}",
        right=answers,
        loss=0.05,
        robust=0.9,
        test=None,
        refitted_test=None,
        best_epoch=2,
        epochs=3,
        cpu=30.0,
        wall=20.0,
        parameters=61_706,
        int8_bytes=70_400,
        rate=4321.0,
        history=history,
        notes=(),
    )
    return replace(plain, **changed)


WEAK, GOOD, BEST = range(20), range(100, 106), range(100, 102)


def comparison(*fits: Fit, **changed: Any) -> Comparison:
    """By default three recipes, the weakest first; the best is within noise of the good one, which costs a tenth."""
    plain = Comparison(
        title="Recipes on the sample",
        source="5,000 digits",
        images=IMAGES,
        prepared="prepared/0a1b",
        fits=fits
        or (
            fit("weak", right(*WEAK), cpu=3.0),
            fit("good", right(*GOOD), int8_bytes=None, notes=["overfits from epoch 2"]),
            fit("best", right(*BEST), cpu=300.0, best_epoch=0, epochs=0, history=(), test=(995, 1000)),
        ),
        failures=(),
        reported={"good": ("60,000 to learn from, 10,000 to judge by", 0.9905)},
        versions={"keras": "3.15.1"},
        commit="0123abcd",
        reproduce="digits compare --data sample",
        created="2026-01-02T03:04:05+00:00",
    )
    return replace(plain, **changed)


def seeds(recipe: str, *answers: np.ndarray, **changed: Any) -> list[Fit]:
    return [fit(recipe, read, seed=42 + place, **changed) for place, read in enumerate(answers)]
