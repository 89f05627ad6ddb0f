"""Slow changes: tell from one value a day what no single day shows, by an exponentially weighted moving average.

The first four weeks tell what is usual, and how much days differ beyond the chance of so many rows: people, pens and
weekdays do that, and a chart that took it for noise of sampling alone would cry wolf. From then on the average of all
days since, each weighted by what it knows and by its age, is held against them (EWMA: Roberts, Technometrics 1, 1959;
Lucas & Saccucci, Technometrics 32, 1990; with limits for what the first period itself does not know, as in Jones, Champ
& Rigdon, Technometrics 43, 2001).
"""

import math
from dataclasses import dataclass

import numpy as np

FIRST_PERIOD = 28  # days, of which each weekday is four
MEMORY = 0.9  # weight of a day, relative to that of the next one
# Nine values a day, together, are told to have changed less than once a year where none has, whether days have 30 rows
# or 30,000, and whether they differ by chance alone or more: `python -m tests.benchmarks.history` counts it.
LIMIT = 4.25  # standard errors


@dataclass(frozen=True)
class Chart:
    """A value over k days.

    usual: its mean over the first period. smoothed: float (k,), the moving average. low, high: float (k,), the band
    that it stays in by chance. All are NaN, but for the first, where there is no average yet.
    """

    usual: float
    smoothed: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def outside(self) -> np.ndarray:
        """The days on which the average lies outside its band, int (m,)."""
        return np.flatnonzero((self.smoothed < self.low) | (self.smoothed > self.high))


def follow(values: np.ndarray, variances: np.ndarray) -> Chart | None:
    """Return the chart of k days; None where there are not more than the first period.

    values: float (k,). variances: float (k,), above 0, what each would have by chance alone.
    """
    if len(values) <= FIRST_PERIOD:
        return None
    between = _between(values[:FIRST_PERIOD], variances[:FIRST_PERIOD])
    weights = 1 / (variances + between)
    first = weights[:FIRST_PERIOD]
    usual = float(first @ values[:FIRST_PERIOD] / first.sum())
    smoothed, errors = np.full((2, len(values)), np.nan)
    total = weight = square = 0.0
    for day in range(FIRST_PERIOD, len(values)):
        total = MEMORY * total + weights[day] * values[day]
        weight = MEMORY * weight + weights[day]
        square = MEMORY**2 * square + weights[day]
        smoothed[day] = total / weight
        errors[day] = math.sqrt(square / weight**2 + 1 / first.sum())
    return Chart(usual, smoothed, usual - LIMIT * errors, usual + LIMIT * errors)


def of_share(counts: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return shares on a scale on which chance depends on the rows alone, with its variances; both float (k,).

    The arcsine of the root (Anscombe, Biometrika 35, 1948). counts: int (k,), of so many rows, int (k,), above 0.
    """
    return np.arcsin(np.sqrt((counts + 0.375) / (rows + 0.75))), 1 / (4 * rows + 2)


def as_share(values: np.ndarray) -> np.ndarray:
    """Return the shares, 0–1, of values of `of_share`."""
    return np.sin(np.clip(values, 0, math.pi / 2)) ** 2


def _between(values: np.ndarray, variances: np.ndarray) -> float:
    """Return the variance between days beyond chance, at least 0.

    DerSimonian & Laird, Controlled Clinical Trials 7, 1986.
    """
    weights = 1 / variances
    mean = weights @ values / weights.sum()
    excess = weights @ (values - mean) ** 2 - (len(values) - 1)
    return max(0.0, float(excess / (weights.sum() - (weights**2).sum() / weights.sum())))
