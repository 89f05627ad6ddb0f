"""Makers of evaluations, for the tests of all that reads one."""

from dataclasses import replace
from typing import Any

import numpy as np

from tasks.judging.calibration import Calibration, measure
from tasks.judging.evaluation import ClassFigures, ConfusedPair, Evaluation, Mistake, Pictures, Suspect
from tasks.judging.familiarity import Limits
from tasks.judging.overfitting import Overfitting
from tasks.judging.robustness import CHANGES, Robustness

OVERFITTING = Overfitting("none", 100, 0.98, 0.01, 0.054, None, None)


def calibrated(images: int = 100, wrong: int = 3) -> Calibration:
    """Of a model whose answers are all as sure, but for chance, and a few wrong."""
    truth = np.arange(images).astype(np.uint8) % 10
    logits = np.eye(10, dtype=np.float32)[truth] * np.linspace(3, 9, images, dtype=np.float32)[:, None]
    return measure(np.roll(logits, 1, axis=1) * (np.arange(images) < wrong)[:, None] + logits, truth)


CALIBRATION = calibrated()
LIMITS = Limits(100, 9.0, 12.0, 0.03, 0.01)


def confusion(**counts: int) -> tuple[tuple[int, ...], ...]:
    """Ten images of each digit, all read right but for so many: `four_as_nine=2`."""
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    matrix = np.diag([10] * 10)
    for pair, count in counts.items():
        truth, predicted = map(names.index, pair.split("_as_"))
        matrix[truth, truth] -= count
        matrix[truth, predicted] = count
    return tuple(map(tuple, matrix.tolist()))


def figures(label: int) -> ClassFigures:
    return ClassFigures(label, 0.9, 0.8, 0.84, 10) if label == 4 else ClassFigures(label, 0.9, 1.0, 0.95, 10)


def evaluation(**changed: Any) -> Evaluation:
    """By default of a model that reads 97 of 100 images right, 4 as 9 twice and 7 as 2 once."""
    plain = Evaluation(
        images=100,
        accuracy=0.97,
        interval=(0.915, 0.99),
        loss=0.0987,
        mistakes=3,
        test=None,
        overfitting=OVERFITTING,
        calibration=CALIBRATION,
        suspects=(Suspect(1234, 4, 9),),
        robustness=Robustness(100, 0.97, 0.8982, dict.fromkeys(CHANGES, 0.95) | {"low contrast": 0.4321}),
        per_class=tuple(map(figures, range(10))),
        confusion=confusion(four_as_nine=2, seven_as_two=1),
        pairs=(ConfusedPair(4, 9, 2), ConfusedPair(7, 2, 1)),
        worst=(Mistake(1234, 4, 9, 0.9996, 0.0003), Mistake(77, 7, 2, 0.6, 0.35)),
        classes={"train": (40,) * 10, "validation": (10,) * 10},
        refitted=False,
        judged="model/0a1b2c",
    )
    return replace(plain, **changed)


def pictures() -> Pictures:
    """Of the default evaluation, all of one stroke."""
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 13:16] = 255

    def images(*shape: int) -> np.ndarray:
        return np.broadcast_to(image, (*shape, 28, 28)).copy()

    return Pictures(
        worst=images(2),
        reasons=np.stack([image / np.float32(255), np.zeros((28, 28), np.float32)]),
        suspects=images(1),
        pairs=images(3),
        changes=images(len(CHANGES)),
        means=images(10),
        examples=images(10, 6),
    )
