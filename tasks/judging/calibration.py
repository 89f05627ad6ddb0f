"""Calibration: the temperature that sets a model's confidence right, how right it then is, and what a review spares.

Everything is measured on the validation part, and its one parameter, the temperature, is fitted on the same images: a
single number on hundreds of them or more, so that what is measured afterwards is hardly flattered by it.
"""

import bisect
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.judging.statistics import share_at_most, softmax

# Beyond these the probabilities of ten classes are all alike, or all but one are 0.
COOLEST, HOTTEST = 0.05, 20.0
BINS = 15  # as Guo et al.
POINTS = 100  # of the review curve, and as many of the wrong answers, so that it stays small in a manifest


@dataclass(frozen=True)
class Bin:
    """Images of about the same confidence: how many, their mean confidence, and the share that is read right."""

    images: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram: bins of as many images each, rising in confidence."""

    bins: tuple[Bin, ...]

    @property
    def error(self) -> float:
        """Expected calibration error: the mean distance of confidence and accuracy over the images, 0–1.

        Of bins of equal mass (Nixon et al., CVPR workshops 2019, arXiv:1904.01685): nearly all confidences are close to
        1, and bins of equal width, the older definition (Guo et al., see `temperature`), would put them all into one.
        """
        distances = [abs(group.confidence - group.accuracy) for group in self.bins]
        return float(np.average(distances, weights=[group.images for group in self.bins]))


@dataclass(frozen=True)
class Expected:
    """The outcome to expect where every image below a threshold of confidence goes to a person.

    reviewed: share of the images that do. wrong: share of the others that is read wrong; 0 where there are no others.
    wrong_at_most: its upper bound, one-sided, at 95 % (Clopper & Pearson, Biometrika 26, 1934). All 0–1.
    """

    reviewed: float
    wrong: float
    wrong_at_most: float


@dataclass(frozen=True)
class Calibration:
    """How a model's confidence relates to being right, on so many images.

    temperature: its logits are to be divided by it.
    error_before, error_after: its expected calibration error, 0–1, without and with that.
    after: its reliability with that.

    The review curve has a value for each point in each of four rows. thresholds: of confidence with the temperature,
    rising. below: images with less. wrong: wrong answers with more than the threshold before this one, hence no fewer
    than any threshold between the two would leave. wrong_at_most: as in `Expected`.
    """

    images: int
    temperature: float
    error_before: float
    error_after: float
    after: Reliability
    thresholds: tuple[float, ...]
    below: tuple[int, ...]
    wrong: tuple[int, ...]
    wrong_at_most: tuple[float, ...]

    def at(self, threshold: float) -> Expected:
        """Return the outcome to expect if images of a confidence below the threshold, 0–1, are reviewed.

        It is exact at a point of the curve and cautious between two: as many count as reviewed as at the next point,
        about a tenth too many, if any.
        """
        point = bisect.bisect_left(self.thresholds, threshold)
        if point == len(self.thresholds):
            return Expected(1.0, 0.0, 1.0)
        left = self.images - self.below[point]
        return Expected(self.below[point] / self.images, self.wrong[point] / left, self.wrong_at_most[point])


def measure(logits: np.ndarray, truth: np.ndarray) -> Calibration:
    """Measure the calibration of a model by its answers to images that it has not learned from.

    logits: float32 (n, 10), n > 0, whose softmax are the probabilities. truth: uint8 (n,), 0–9.
    """
    fitted = temperature(logits, truth)
    right = logits.argmax(axis=1) == truth
    confidence = softmax(logits / fitted).max(axis=1)
    error_before = reliability(softmax(logits).max(axis=1), right).error
    after = reliability(confidence, right)
    curve = _review_curve(confidence.astype(float), right)
    return Calibration(len(truth), fitted, error_before, after.error, after, **curve)


def temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """Fit the temperature, between COOLEST and HOTTEST: divided by it, the logits make the truth most likely.

    Temperature scaling (Guo et al., ICML 2017, arXiv:1706.04599). It changes no answer, only how sure it is. Above 1 it
    takes confidence away; models that were trained with label smoothing have too little, and theirs is below 1.

    One image is added to the weights, as if answered at chance by any wrong class: without a mistake among the images
    all confidences would otherwise become 1, and nothing could be told apart (after Platt 1999, who does so for two
    classes). It moves the temperature towards caution, by a twentieth where ten of a thousand images are read wrong.

    logits: float32 (n, 10); logarithms of probabilities do as well. truth: uint8 (n,), 0–9.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    images, classes = logits.shape
    target = np.full((images, classes), 1 / (images + 1) / (classes - 1))
    target[np.arange(images), truth] = images / (images + 1)

    def loss(log_temperature: float) -> float:
        return -float((target * log_softmax(logits / math.exp(log_temperature), axis=1)).sum())

    # Convex in the temperature's inverse, so there is one minimum.
    bounds = (math.log(COOLEST), math.log(HOTTEST))
    return math.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x)


def reliability(confidence: np.ndarray, right: np.ndarray) -> Reliability:
    """Sort answers into BINS bins, or as many as there are images.

    confidence: float (n,), 0–1, n > 0. right: bool (n,).
    """
    order = confidence.argsort(kind="stable")
    bins = np.array_split(order, min(BINS, len(order)))
    return Reliability(tuple(Bin(len(rows), _mean(confidence[rows]), _mean(right[rows])) for rows in bins))


def _mean(values: np.ndarray) -> float:
    return float(values.mean(dtype=float))


def _review_curve(confidence: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """Return the four rows of the curve, by their names. confidence: float (n,). right: bool (n,).

    Points lie at ranks that grow by the same factor, as a review takes the few least sure, and at the wrong answers
    that are surest, which is where the bound jumps.
    """
    ranked, mistaken = np.sort(confidence), np.sort(confidence[~right])
    ranks = np.geomspace(1, len(ranked), POINTS).astype(int) - 1
    thresholds = np.unique(np.concatenate([ranked[ranks], mistaken[-POINTS:]]))
    below = np.searchsorted(ranked, thresholds)
    left = len(ranked) - below
    before = np.concatenate([[-np.inf], thresholds[:-1]])
    surer = len(mistaken) - np.searchsorted(mistaken, before, side="right")
    wrong = np.minimum(surer, left)
    rows = {"thresholds": thresholds, "below": below, "wrong": wrong, "wrong_at_most": share_at_most(wrong, left)}
    return {name: tuple(values.tolist()) for name, values in rows.items()}
