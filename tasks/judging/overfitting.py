"""Overfitting: a model that knows its training images better than others, by how much, and from which epoch on."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

from tasks.judging.statistics import Accuracy

# A gap of less than this between training and validation accuracy is called slight.
SLIGHT = 0.01
# Validation loss wobbles from epoch to epoch; only from this ratio to its lowest value on has it risen.
RISEN = 1.1

Epoch = Mapping[str, float]


@dataclass(frozen=True)
class Overfitting:
    """The signs of overfitting.

    images, training_accuracy: of training images as they are, without augmentation and dropout, which hide what was
        learned by heart.
    gap: accuracy in training less that in validation, a share.
    noise: the gap has to exceed it to be more than chance, at 95 %.
    risen_from: epoch (from 1) from which on, until the last, the validation loss has RISEN.
    apart_from: epoch from which on, until the last, the history's accuracies are further apart than the noise.
    """

    verdict: Literal["none", "slight", "clear"]
    images: int
    training_accuracy: float
    gap: float
    noise: float
    risen_from: int | None
    apart_from: int | None

    @property
    def begins(self) -> int | None:
        """The epoch from which on the history shows it; None where it does not, or where there is none."""
        signs = [epoch for epoch in (self.risen_from, self.apart_from) if epoch]
        return min(signs, default=None)


def judge(training: Accuracy, validation: Accuracy, loss: float, history: Sequence[Epoch]) -> Overfitting:
    """Judge a finished model, which need not be that of the last epoch.

    loss: its mean cross-entropy on the validation images, in nats.
    history: an epoch each (epoch from 1, accuracy, val_loss, val_accuracy); may be empty, and an epoch not judged.
    """
    history = [epoch for epoch in history if "val_loss" in epoch]
    gap, noise = training.accuracy - validation.accuracy, _noise(training, validation)
    losses = [epoch["val_loss"] for epoch in history if math.isfinite(epoch["val_loss"])]
    risen = RISEN * min(losses, default=math.inf)
    risen_from = _since(history, lambda epoch: epoch["val_loss"] > risen)
    apart_from = _since(history, lambda epoch: epoch["accuracy"] - epoch["val_accuracy"] > noise)
    verdict: Literal["none", "slight", "clear"] = "none"
    if gap > noise:
        verdict = "slight" if gap < SLIGHT else "clear"
    elif risen_from and loss > risen:
        # As many are right, but it has become too sure of those that are not.
        verdict = "slight"
    return Overfitting(verdict, training.images, training.accuracy, gap, noise, risen_from, apart_from)


def _noise(training: Accuracy, validation: Accuracy) -> float:
    """Return how far down the gap's 95 % interval reaches.

    Newcombe, Statistics in Medicine 17, 1998, 873–890, method 10.
    """
    return math.hypot(training.accuracy - training.interval[0], validation.interval[1] - validation.accuracy)


def _since(history: Sequence[Epoch], shows: Callable[[Epoch], bool]) -> int | None:
    """Return the first epoch from which on all, until the last, show it."""
    showing = list(takewhile(shows, reversed(history)))
    return int(showing[-1]["epoch"]) if showing else None
