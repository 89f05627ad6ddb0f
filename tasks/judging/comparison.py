"""Several recipes on the same data: their figures, their order, and the pairs that are more than noise apart.

The stage `rank` fills a `Comparison`, and `leaderboard.py` shows it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from tasks.judging.statistics import Accuracy, Paired, holm, mcnemar, measure_accuracy

# Two recipes are told apart from this corrected p value of McNemar's test down.
NOISE = 0.05


@dataclass(frozen=True)
class Fit:
    """One recipe fitted with one seed.

    model: name of the artifact, `kind/id`.
    right: bool (n,), which validation images it reads right; the same images in the same order for every fit.
    loss: mean cross-entropy on them, in nats. robust: mean accuracy under everyday changes of them, 0–1.
    test: images of a labelled test part that it reads right, and all of them, where there is one.
    refitted_test: the same for the recipe fitted on training and validation part together, which is how MNIST's
        authors report (60,000 to learn from), where that was asked for.
    best_epoch, epochs: the one with the lowest validation loss, and how many were run, from 1; 0 for an ensemble. The
        best one is kept where the recipe stops early, else the last.
    cpu, wall: seconds of the fit; an ensemble's are the sums of its members'.
    int8_bytes: size of the int8 model; None where it was refused.
    rate: images a CPU second, in the form that scores.
    history: for each epoch: epoch (from 1), val_accuracy, cpu_seconds (of that epoch alone); empty for an ensemble.
    notes: remarks, in words.
    """

    recipe: str
    seed: int
    model: str
    right: np.ndarray
    loss: float
    robust: float
    test: tuple[int, int] | None
    refitted_test: tuple[int, int] | None
    best_epoch: int
    epochs: int
    cpu: float
    wall: float
    parameters: int
    int8_bytes: int | None
    rate: float
    history: Sequence[Mapping[str, float]]
    notes: Sequence[str]

    @property
    def accuracy(self) -> float:
        """Share of the validation images that it reads right, 0–1."""
        return float(self.right.mean())


@dataclass(frozen=True)
class Failure:
    """A fit that came to no end, such as one that diverged. It does not end the comparison."""

    recipe: str
    seed: int
    because: str


@dataclass(frozen=True)
class Comparison:
    """Every recipe on the same data.

    source: the data, in words. images: of the validation part. prepared: name of the artifact that was fitted on.
    reported: for a recipe that has authors, their protocol in words and the accuracy they report, 0–1, if any.
    reproduce: the command that makes this again. created: ISO 8601.
    Raises: ValueError where there is nothing to compare, or a fit was judged by another number of images.
    """

    title: str
    source: str
    images: int
    prepared: str
    fits: Sequence[Fit]
    failures: Sequence[Failure]
    reported: Mapping[str, tuple[str, float | None]]
    versions: Mapping[str, str]
    commit: str | None
    reproduce: str
    created: str

    def __post_init__(self) -> None:
        if not (self.fits or self.failures):
            raise ValueError("a comparison of nothing")
        for fit in self.fits:
            if len(fit.right) != self.images:
                raise ValueError(f"{fit.model} was judged by {len(fit.right)} images, not by {self.images}")


@dataclass(frozen=True)
class Row:
    """One recipe: each number is the mean over its seeds.

    fits: in the order of the comparison; the first stands for the recipe in tests of pairs and in curves.
    validation: accuracy on the validation images, the mean of these fits.
    deviation: standard deviation of the accuracy over the seeds, n - 1 in the denominator; None for one seed.
    int8_bytes: the largest; None where int8 was refused for any seed.
    test, refitted_test: accuracy, 0–1. reported: the accuracy that its authors report, 0–1.
    """

    recipe: str
    fits: Sequence[Fit]
    validation: Accuracy
    deviation: float | None
    loss: float
    robust: float
    cpu: float
    wall: float
    int8_bytes: int | None
    rate: float
    test: float | None
    refitted_test: float | None
    reported: float | None
    notes: Sequence[str]


@dataclass(frozen=True)
class Pair:
    """Two recipes by McNemar's test of their first seeds. better: the one that stands higher on the leaderboard.

    adjusted: p after Holm's correction for the number of pairs.
    """

    better: str
    worse: str
    paired: Paired
    adjusted: float

    @property
    def apart(self) -> bool:
        """True where the better one is better beyond noise."""
        return self.adjusted < NOISE and self.paired.only_first > self.paired.only_second

    @property
    def against(self) -> bool:
        """True where the other one is better beyond noise, as can be where means over several seeds are ranked."""
        return self.adjusted < NOISE and not self.apart


def rows(comparison: Comparison) -> list[Row]:
    """Rank the recipes: the highest mean accuracy on the validation images first; of equal ones the cheapest."""
    recipes = dict.fromkeys(fit.recipe for fit in comparison.fits)
    board = [_row(comparison, recipe) for recipe in recipes]
    return sorted(board, key=lambda row: (-row.validation.accuracy, row.cpu))


def _row(comparison: Comparison, recipe: str) -> Row:
    fits = [fit for fit in comparison.fits if fit.recipe == recipe]
    failures = [failure for failure in comparison.failures if failure.recipe == recipe]
    right = np.stack([fit.right for fit in fits])
    sizes = [fit.int8_bytes for fit in fits if fit.int8_bytes is not None]
    return Row(
        recipe=recipe,
        fits=fits,
        validation=measure_accuracy(right),
        deviation=float(right.mean(axis=1).std(ddof=1)) if len(fits) > 1 else None,
        robust=_mean(fit.robust for fit in fits),
        loss=_mean(fit.loss for fit in fits),
        cpu=_mean(fit.cpu for fit in fits),
        wall=_mean(fit.wall for fit in fits),
        int8_bytes=max(sizes) if len(sizes) == len(fits) else None,
        rate=_mean(fit.rate for fit in fits),
        test=_share(fit.test for fit in fits),
        refitted_test=_share(fit.refitted_test for fit in fits),
        reported=comparison.reported.get(recipe, ("", None))[1],
        notes=notes(fits, failures),
    )


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _share(counts: Iterable[tuple[int, int] | None]) -> float | None:
    """Return the accuracy over all counts of right ones and of images that are known."""
    known = [count for count in counts if count]
    if not known:
        return None
    return sum(right for right, _ in known) / sum(images for _, images in known)


def notes(fits: Sequence[Fit], failures: Sequence[Failure]) -> list[str]:
    """Return each note once, with its seeds where not all have it, and the failures."""
    seeds: dict[str, list[int]] = {}
    for fit in fits:
        for note in fit.notes:
            seeds.setdefault(note, []).append(fit.seed)
    shared = [note if len(noted) == len(fits) else f"{_seeds(noted)}: {note}" for note, noted in seeds.items()]
    return shared + [f"seed {failure.seed} failed: {failure.because}" for failure in failures]


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def pairs(board: Sequence[Row]) -> list[Pair]:
    """Test every two recipes of a leaderboard against each other, by their first seeds."""
    both = list(combinations(board, 2))
    tests = [mcnemar(better.fits[0].right, worse.fits[0].right) for better, worse in both]
    adjusted = holm([test.p for test in tests])
    return [
        Pair(better.recipe, worse.recipe, test, p)
        for (better, worse), test, p in zip(both, tests, adjusted, strict=True)
    ]
