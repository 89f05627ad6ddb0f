"""The promise of a cascade, in which a first, small reader answers what it is sure of and a main model the rest.

From which confidence on the first reader may answer is chosen on the validation part, which neither has learned from:
the lowest threshold with which, at 95 % confidence, hardly any image gets another answer than from the main model.
"""

from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from tasks.judging import calibration
from tasks.judging.calibration import Calibration
from tasks.judging.statistics import share_at_most, softmax
from tasks.words import counted, percent

# Shares of all images that may be answered otherwise: what is promised where the images can show it, and the most that
# fewer images may leave open. 0.06 % is one of the 8,400 that Kaggle's file leaves for judging. With 0.05 % it would be
# none, and a single odd image had the first reader answer 61 or 66 % of the images, by its seed, instead of 90 %.
PROMISE, LIMIT = 0.0006, 0.005
LEAST_ANSWERED = 0.2  # share of the images; a first reader that answers fewer costs more than it spares
# In the order in which they are tested, from strict to loose.
THRESHOLDS = 1 - 2.0 ** -np.arange(20, 0.9, -0.25)


@dataclass(frozen=True)
class Cascade:
    """When the first reader of a package answers, what that was chosen by, and what it promises.

    threshold: it answers from this calibrated confidence on, 0–1. temperature: its logits are divided by it.
    at_most: the promise, as a share of all images, 0–1.
    images: of the validation part; answered by it, and different among these, where the main model answers otherwise.
        Of the forms that it was chosen for, each figure is the worst one's.
    calibration: of the whole, in which each answer has the confidence of who gave it.
    As a text it is the promise, in words.
    """

    threshold: float
    temperature: float
    at_most: float
    images: int
    answered: int
    different: int
    calibration: Calibration

    def __str__(self) -> str:
        return (
            f"a first reader answers {percent(self.answered / self.images)} of the images; at most "
            f"{percent(self.at_most)} of all answers differ from the main model's (95 % confidence; "
            f"{self.different:,} of {self.images:,} did on validation)"
        )


def measure(first: np.ndarray, main: np.ndarray, truth: np.ndarray) -> Cascade | str:
    """Choose when a first reader answers for a main model, by their answers to the validation part.

    The temperatures, and the calibration of the whole, are those of the first form; the promise holds for every form.

    first: float32 (k, n, 10), logits in k forms that may run. main: the same, divided by its temperature.
    truth: uint8 (n,), 0–9. Returns in words why the first reader is better left out, where it is.
    """
    images = len(truth)
    if few := too_few(images):
        return few
    share = promise(images)
    temperature = calibration.temperature(first[0], truth)
    first = first / np.float32(temperature)
    confidence = np.stack([softmax(logits).max(axis=1) for logits in first])
    different = first.argmax(axis=2) != main.argmax(axis=2)
    threshold = choose(confidence, different, share)
    if threshold is None:
        return (
            f"no first reader: it answers too few images where at most {percent(share)} of all answers may differ "
            "from the main model's"
        )
    answered = confidence >= threshold
    return Cascade(
        threshold=threshold,
        temperature=temperature,
        at_most=share,
        images=images,
        answered=int(answered.sum(axis=1).min()),
        different=int((answered & different).sum(axis=1).max()),
        calibration=calibration.measure(np.where(answered[0][:, None], first[0], main[0]), truth),
    )


def too_few(images: int) -> str | None:
    """Return in words that so many images of the validation part cannot judge a first reader; None where they can."""
    if promise(images) <= LIMIT:
        return None
    few = counted(images, "validation image")
    return f"no first reader: {few} cannot show that it changes at most {percent(LIMIT)} of the answers"


def promise(images: int) -> float:
    """Return the share of differing answers that is aimed at: PROMISE, or the least that so many images can exclude."""
    return max(PROMISE, float(share_at_most(np.zeros(1), images)[0]))


def choose(confidence: np.ndarray, different: np.ndarray, share: float) -> float | None:
    """Return the lowest threshold of confidence that keeps the promise; None where none does, or it is not worth it.

    The best of many bounds would promise too much. So they are tested in an order fixed beforehand, up to the first
    that is above, which keeps the level for all of them together (fixed sequence; Angelopoulos et al. 2021,
    arXiv:2110.01052).

    confidence: float (k, n), of the first reader in k forms, each of which has to keep it. different: bool (k, n),
    whether the main model answers otherwise. share: of all n images, which may be answered by the first reader and
    otherwise than by the main model.
    """
    counts = np.array([(different & (confidence >= threshold)).sum(axis=1).max() for threshold in THRESHOLDS])
    bounds = share_at_most(counts, confidence.shape[1])
    kept = [
        threshold for threshold, _ in takewhile(lambda pair: pair[1] <= share, zip(THRESHOLDS, bounds, strict=True))
    ]
    if not kept or (confidence >= kept[-1]).mean(axis=1).min() < LEAST_ANSWERED:
        return None
    return float(kept[-1])
