"""Statistics of answers to the same images: intervals, tests of pairs, and corrections for many tests at once.

An answer is a bool, right or wrong; nothing here knows what an image or a recipe is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.05  # a p below it is beyond noise
Z = 1.959963984540054  # the normal distribution's quantile that leaves 2.5 % on either side


@dataclass(frozen=True)
class Accuracy:
    """Share of images read right, 0–1, with its 95 % interval."""

    images: int
    accuracy: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Paired:
    """Two models on the same images: how many only the one and only the other reads right.

    Only these tell the two apart (McNemar, Psychometrika 12, 1947); the tests are exact.
    """

    only_first: int
    only_second: int

    @property
    def p(self) -> float:
        """Probability of a split as uneven or more so, to either side, were both equally good."""
        return self._p("two-sided")

    @property
    def p_first_worse(self) -> float:
        """Probability of so many or more that only the second reads right, were both equally good."""
        return self._p("greater")

    def _p(self, alternative: str) -> float:
        from scipy.stats import binomtest

        apart = self.only_first + self.only_second
        return float(binomtest(self.only_second, apart, alternative=alternative).pvalue) if apart else 1.0


def measure_accuracy(right: np.ndarray) -> Accuracy:
    """Return the mean accuracy of k models on the same n images, with its 95 % sampling interval.

    For one model it is Wilson's (JASA 22, 1927). For several it is Wilson's at the effective number of images, the one
    whose binomial variance is the variance found between images (Kish, Survey Sampling, 1965; recommended with Wilson's
    interval by Franco et al., J. Survey Statistics and Methodology 7, 2019). It lies between n and k n: models of
    different seeds fail on much the same images, so counting every answer by itself would promise too much.

    The interval says how far the mean of these models may lie from that on all images of the kind; what other seeds
    would change is not in it.

    right: bool (k, n), or (n,) for one model; n > 0.
    """
    models, images = np.atleast_2d(right).shape
    shares = np.atleast_2d(right).mean(axis=0)
    accuracy, variance = float(shares.mean()), float(shares.var())
    binomial = accuracy * (1 - accuracy)
    effective = min(images * binomial / variance, models * images) if variance else images
    return Accuracy(images, accuracy, _wilson(accuracy, effective))


def accuracy_of(right: int, images: int) -> Accuracy:
    """Return the accuracy of one model that reads so many of the images right; the same as `measure_accuracy`'s."""
    return Accuracy(images, right / images, _wilson(right / images, images))


def _wilson(accuracy: float, images: float) -> tuple[float, float]:
    """Return Wilson's interval as SciPy does, but for a number of images that need not be whole."""
    shrink = 1 + Z**2 / images
    center = (accuracy + Z**2 / (2 * images)) / shrink
    half = Z / shrink * math.sqrt(accuracy * (1 - accuracy) / images + Z**2 / (4 * images**2))
    # At the ends of the scale the interval ends there, too, which rounding would miss.
    low = 0.0 if accuracy == 0 else center - half
    high = 1.0 if accuracy == 1 else center + half
    return low, high


def share_at_most(counts: np.ndarray, images: np.ndarray | int) -> np.ndarray:
    """Return the upper bound of the share that so many of so many images show, one-sided, at 95 %.

    Exact (Clopper & Pearson, Biometrika 26, 1934). counts: (n,), each from 0 to `images`.
    """
    from scipy.stats import beta

    # The beta distribution has no such form where all are counted.
    return np.where(counts < images, beta.ppf(1 - LEVEL, counts + 1, np.maximum(images - counts, 1)), 1.0)


def mcnemar(first: np.ndarray, second: np.ndarray) -> Paired:
    """Compare two models on the same images, from bool (n,) each: which images they read right."""
    return Paired(int((first & ~second).sum()), int((second & ~first).sum()))


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p values for their number, in the same order: calling those below 0.05 real is wrong once in 20 families.

    Step-down (Holm, Scandinavian Journal of Statistics 6, 1979), which needs no independence of the tests.
    """
    p = np.asarray(p_values, float)
    order = p.argsort(kind="stable")
    corrected = p[order] * np.arange(len(p), 0, -1)
    p[order] = np.maximum.accumulate(corrected).clip(max=1)
    return p.tolist()


def p_by_group(first: np.ndarray, second: np.ndarray, group: np.ndarray) -> dict[int, float]:
    """Return `Paired.p_first_worse` for each group of images, corrected by `holm` for the number of groups.

    first, second: bool (n,), which images they read right. group: int (n,), the group of each image.
    """
    groups = np.unique(group).tolist()
    p_values = []
    for number in groups:
        members = group == number
        p_values.append(mcnemar(first[members], second[members]).p_first_worse)
    return dict(zip(groups, holm(p_values), strict=True))


def p_first_higher(first: np.ndarray, second: np.ndarray) -> float:
    """Return the probability of a mean so much higher than the second's or more, were both equal.

    Student's t-test of the differences, to one side: a single image cannot make it small.
    first, second: float (n,), in pairs.
    """
    from scipy.stats import ttest_rel

    # Where there is no difference there is no variance to divide by.
    if np.array_equal(first, second):
        return 1.0
    return float(ttest_rel(first, second, alternative="greater").pvalue)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the probabilities of logits, both float32 (n, classes); each row adds up to 1."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
