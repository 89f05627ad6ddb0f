"""The form of an evaluation: the figures of one model on the validation part, and the pictures that show them.

The stage `evaluate` fills both. The figures are the metrics of its artifact; the pictures are arrays in a file beside
them, so that a page can be drawn without the model and without the data.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.judging.calibration import Calibration
from tasks.judging.overfitting import Overfitting
from tasks.judging.robustness import Robustness
from tasks.judging.statistics import Accuracy

EXAMPLES = 6  # images of a confused pair, and of each digit that was learned from


@dataclass(frozen=True)
class ClassFigures:
    """How well one digit is read: shares 0–1, None where there was nothing to divide by.

    support: images whose truth is this digit.
    """

    label: int
    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclass(frozen=True)
class ConfusedPair:
    """A digit that was read as another one, and how often."""

    truth: int
    predicted: int
    count: int


@dataclass(frozen=True)
class Mistake:
    """An image that was read wrong.

    id: the row of the source, counted from 1.
    probability_predicted, probability_truth: the model's for its own answer and for the right one, 0–1.
    """

    id: int
    truth: int
    predicted: int
    probability_predicted: float
    probability_truth: float


@dataclass(frozen=True)
class Suspect:
    """An image whose label looks wrong. id: as in `Mistake`. predicted: the model's answer."""

    id: int
    label: int
    predicted: int


@dataclass(frozen=True)
class Evaluation:
    """The figures of one model.

    images, accuracy, interval: on the images held out for it. All else is about the same images, but for `test`, a
        test part with labels, and the training images of `overfitting`.
    loss: mean cross-entropy in nats.
    mistakes: images read wrong; worst: those with the lowest probability_truth, that first.
    calibration: of the model's confidence; packaging measures it anew, on the form that scores.
    suspects: the least likely label first. pairs: the most frequent first.
    confusion: 10 rows of 10 counts; rows are the truth, columns the prediction.
    classes: images of each digit, 0 to 9, by the part of the data; without a test part that has no labels.
    refitted: whether the model has learned from the validation part as well.
    judged: name of the model that all this was measured on; where it is refitted its twin's, else its own.
    """

    images: int
    accuracy: float
    interval: tuple[float, float]
    loss: float
    mistakes: int
    test: Accuracy | None
    overfitting: Overfitting
    calibration: Calibration
    suspects: tuple[Suspect, ...]
    robustness: Robustness
    per_class: tuple[ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...]
    pairs: tuple[ConfusedPair, ...]
    worst: tuple[Mistake, ...]
    classes: dict[str, tuple[int, ...]]
    refitted: bool
    judged: str

    @property
    def validation(self) -> Accuracy:
        """The accuracy on the images held out."""
        return Accuracy(self.images, self.accuracy, self.interval)


@dataclass(frozen=True)
class Pictures:
    """The images that show what the figures of an evaluation mean: uint8 (…, 28, 28), 0–255.

    worst, suspects: one for each of the evaluation's, in its order.
    reasons: float32, as many as worst: how much each pixel speaks for the answer against the truth.
    pairs: for each of the evaluation's pairs `min(count, EXAMPLES)` images, one pair after the other.
    changes: one image under each of the evaluation's everyday changes.
    means: the mean training image of each digit, (10, 28, 28). examples: some of them, (10, EXAMPLES or fewer, 28, 28).
    """

    worst: np.ndarray
    reasons: np.ndarray
    suspects: np.ndarray
    pairs: np.ndarray
    changes: np.ndarray
    means: np.ndarray
    examples: np.ndarray

    def write(self, path: Path) -> None:
        """Write them as an .npz file."""
        np.savez_compressed(path, **vars(self))

    @classmethod
    def read(cls, path: Path) -> "Pictures":
        """Return the pictures that `write` wrote."""
        with np.load(path) as arrays:
            return cls(**arrays)
