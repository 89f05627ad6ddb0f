"""The history: how quick it is, how often it is wrong, and how soon it tells that the digits have become harder.

    python -m tests.benchmarks.history [HOME]

The first is of 10,000 scores over 400 days, the second of years in which nothing changes. HOME is one with a champion:
of its validation images, which it has not learned from, as many are drawn for each day as it says, with another mix of
classes each day, and from one day on they are blurred, noisy, faint or thin, as much as costs half a point of accuracy.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tasks.data import digits as digit_files
from tasks.judging import change, drift
from tasks.judging.drift import AGGREGATES
from tasks.judging.statistics import softmax
from tasks.models.packaged import FLOAT32, models_of
from tasks.models.scorer import Engine
from tasks.registry import champion_package
from tasks.store import Store, nearest
from tests.benchmarks.measure import digits, limit, show
from tests.tasks.history import past

ARTIFACTS, DAYS, YEARS, BEGINS, RUNS = 10_000, 400, 40, 100, 20


def quick(home: Path) -> None:
    store, random = Store(home / "artifacts"), np.random.default_rng(0)
    for number in range(ARTIFACTS):
        rows = int(random.lognormal(6, 0.6))
        past.scored(store, number * DAYS / ARTIFACTS, rows, random.binomial(rows, 0.03), waited=30, number=number)
    for name in ("made anew", "again", "again"):
        run = digits("history", home=home)
        show(f"10,000 scores, {name}", run.cpu, run.wall, run.rss)
    limit("seconds of the history", run.wall, most=2)


def false_alarms() -> None:
    random, worst = np.random.default_rng(0), 0.0
    for rows in (30, 300, 3_000, 30_000):
        for share in (0.01, 0.03, 0.1):
            for extra in (0, 1, 10):
                told = sum(bool(len(_steady(random, rows, share, extra).outside)) for _ in range(9 * YEARS))
                worst = max(worst, told / YEARS)
                print(
                    f"{rows:>6,} rows a day, {share:.0%}, variance of days {1 + extra} times chance: "
                    f"{told / YEARS:.2f} false alarms a year of nine measures",
                    flush=True,
                )
    limit("false alarms a year, at worst", worst, most=1)


def _steady(random: np.random.Generator, rows: int, share: float, extra: float) -> change.Chart:
    sizes = np.maximum(20, random.lognormal(np.log(rows), 0.7, 365)).astype(int)
    base = np.arcsin(np.sqrt(share)) + random.normal(0, np.sqrt(extra / (4 * rows)), 365)
    chart = change.follow(*change.of_share(random.binomial(sizes, np.sin(np.clip(base, 0, 1)) ** 2), sizes))
    assert chart is not None
    return chart


def _blurred(images: np.ndarray, much: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(images.astype(np.float32), (0, much, much))


def _noisy(images: np.ndarray, much: float) -> np.ndarray:
    return images + np.random.default_rng(1).normal(0, 60 * much, images.shape)


def _faint(images: np.ndarray, much: float) -> np.ndarray:
    return images * np.exp(-much)


def _thin(images: np.ndarray, much: float) -> np.ndarray:
    from scipy.ndimage import grey_erosion

    share = min(much / 3, 1)
    return (1 - share) * images + share * grey_erosion(images, (1, 3, 3))


HARDER: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "blurred": _blurred,
    "noisy": _noisy,
    "faint": _faint,
    "thin": _thin,
}


class Pool:
    """The held-out images of a champion, and what each adds to the measures of a day: float (9, n)."""

    def __init__(self, home: Path) -> None:
        store = Store(home / "artifacts")
        package = champion_package(store)
        assert package
        self.validation = digit_files.read(nearest(store, package)["prepared"].path / "validation.parquet")
        self._engine = Engine(models_of(package, FLOAT32))

    def measured(self, images: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the share read wrong, and the measures."""
        logits, passed_on = self._engine.answer(images)
        confidence = softmax(logits).max(axis=1)
        ink = drift._of_ink(images) | {"confidence": confidence}
        bins = [np.searchsorted(aggregate.edges, ink[aggregate.name], side="right") for aggregate in AGGREGATES]
        wrong = float((logits.argmax(axis=1) != self.validation.known_labels).mean())
        return wrong, np.stack([confidence < 0.95, passed_on, *bins]).astype(float)

    def harder(self, way: Callable[[np.ndarray, float], np.ndarray]) -> tuple[float, np.ndarray]:
        """Return how much more is read wrong, about half a point, and the measures."""
        images, usual = self.validation.images, self.measured(self.validation.images)[0]
        low, high = 0.0, 3.0
        for _ in range(8):
            much = (low + high) / 2
            wrong, measures = self.measured(np.clip(np.rint(way(images, much)), 0, 255).astype(np.uint8))
            low, high = (much, high) if wrong - usual < 0.005 else (low, much)
        return wrong - usual, measures

    def days(self, usual: np.ndarray, harder: np.ndarray, rows: int, ramp: int, random: np.random.Generator) -> int:
        """Return after how many days harder ones are told, below 0 for a false alarm; DAYS where never.

        ramp: days until all are harder.
        """
        labels = self.validation.known_labels
        spread = usual[2:].std(axis=1)
        spread[spread == 0] = 1
        values, variances = np.empty((9, DAYS)), np.empty((9, DAYS))
        for day in range(DAYS):
            mix = random.dirichlet(np.full(10, 100))
            weights = mix[labels] / np.bincount(labels)[labels]
            drawn = random.choice(len(labels), rows, p=weights / weights.sum())
            is_harder = random.random(rows) < np.clip((day - BEGINS) / ramp, 0, 1)
            of_day = np.where(is_harder, harder[:, drawn], usual[:, drawn])
            for number in range(2):
                shares = change.of_share(of_day[number].sum(keepdims=True), np.array([rows]))
                values[number, day], variances[number, day] = (float(part[0]) for part in shares)
            values[2:, day] = of_day[2:].mean(axis=1) / spread
            variances[2:, day] = 1 / rows
        charts = [change.follow(*pair) for pair in zip(values, variances, strict=True)]
        told = [chart.outside[0] for chart in charts if chart is not None and len(chart.outside)]
        return int(min(told)) - BEGINS if told else DAYS


def how_soon(home: Path) -> None:
    pool, random = Pool(home), np.random.default_rng(0)
    wrong, usual = pool.measured(pool.validation.images)
    print(f"{len(pool.validation):,} images, of which {wrong:.2%} are read wrong")
    for name, way in HARDER.items():
        more, harder = pool.harder(way)
        print(f"{name}: {100 * more:.2f} points more wrong, to review {usual[0].mean():.2%} → {harder[0].mean():.2%}")
        for rows in (100, 1_000):
            for ramp, words in ((1, "at once"), (200, "over 200 days")):
                days = [pool.days(usual, harder, rows, ramp, random) for _ in range(RUNS)]
                print(
                    f"  {rows:>5,} rows a day, {words}: told after {np.median(days):.0f} days (median of {RUNS}; "
                    f"from {min(days)} to {max(days)})",
                    flush=True,
                )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        quick(Path(folder))
    false_alarms()
    if len(sys.argv) > 1:
        how_soon(Path(sys.argv[1]))
