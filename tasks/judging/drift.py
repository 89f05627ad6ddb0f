"""Whether what comes in is of the kind that the model was trained for: a gate beside scoring.

Counted are a few aggregates of each image's ink, and what the model answered; the counts of the training images are the
reference. Batches and shards add up to the very same counts, however they are cut, and neither needs SciPy.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np

from tasks.data.digits import CLASSES, PIXELS, SIDE
from tasks.errors import StoreError
from tasks.words import percent

Level = Literal["none", "moderate", "major"]
LEVELS: tuple[Level, ...] = ("none", "moderate", "major")
# The usual limits of the population stability index, PSI (Siddiqi, Credit Risk Scorecards, 2006).
MODERATE, MAJOR = 0.1, 0.25
FALSE_ALARMS = 0.01  # share of verdicts on images that have not drifted, all aggregates together
LEAST = 0.001  # added to each share, or a single image where there was none would be infinitely far
# An inbox may ask for any digits, but hardly for the same one so many times.
NEARLY_ALL, MANY = 0.9, 100

CHUNK = 1000  # images at a time, whose floats stay in the processor's cache
FAINT = 5  # bits left out of a pixel: below 32 of 255 is noise, and 7 is full ink
FULL = 255 >> FAINT
LINE = 1e-9  # stands in for a variance of 0
RING = 2  # pixels along each border, where MNIST has hardly any ink


@dataclass(frozen=True)
class Aggregate:
    """What is measured of an image, and how its values are told apart.

    edges: float (k,), of the k + 1 bins it is counted in. Usual is what lies between two quantiles of the reference and
    so many bins of tolerance beyond: another pen or scanner is no drift. less, more: what unusual values hint at.
    one_sided: only less matters, in two steps, below either quantile.
    """

    name: str
    edges: np.ndarray
    tolerance: int
    less: str
    more: str
    quantiles: tuple[float, float] = (0.005, 0.995)
    one_sided: bool = False


AGGREGATES = (
    # Share of the image that is ink; half as much again is tolerated.
    Aggregate("ink", 2.0 ** np.arange(-9, 0.01, 0.25), 2, "blank, or scaled to 0–1?", "inverted, or no digits?"),
    # Share of the ring that is ink.
    Aggregate("ground", np.array([0.05, 0.1, 0.2, 0.4, 0.8]), 0, "darker?", "inverted, cut too close, or no digits?"),
    # Pixels from the image's centre to that of the ink.
    Aggregate("distance from the centre", np.arange(1.0, 15), 3, "centred anew?", "cut out of place?"),
    # Standard deviation of the ink about its centre, pixels.
    Aggregate("size", np.arange(2, 14, 0.25), 3, "blank, or scaled down?", "inverted, too large, or no digits?"),
    # Share of the ink's variance that is across and not down.
    Aggregate("relative width", np.arange(0.02, 1, 0.02), 2, "squeezed?", "transposed, or turned by 90°?"),
    # Pixels to the right for each pixel up.
    Aggregate("slant", np.arange(-2, 2.01, 0.1), 2, "turned, or mirrored?", "turned, or mirrored?"),
    # Of the answer; finer, the closer to 1.
    Aggregate(
        "confidence", 1 - 2.0 ** -np.arange(0.5, 20, 0.5), 0, "turned, mirrored, or no digits?", "", (0.01, 0.05), True
    ),
)
MIX = "class mix"
BINS = {aggregate.name: len(aggregate.edges) + 1 for aggregate in AGGREGATES} | {MIX: CLASSES}


@dataclass(frozen=True)
class Profile:
    """What some images are like: how many lie in each bin of each aggregate, and how many have each answer."""

    counts: Mapping[str, tuple[int, ...]]

    @property
    def images(self) -> int:
        return sum(self.counts[AGGREGATES[0].name])

    def __add__(self, other: "Profile") -> "Profile":
        both = {name: zip(self.counts[name], other.counts[name], strict=True) for name in BINS}
        return Profile({name: tuple(one + another for one, another in pairs) for name, pairs in both.items()})

    def as_json(self) -> dict[str, list[int]]:
        return {name: list(counts) for name, counts in self.counts.items()}

    @classmethod
    def of_json(cls, written: Mapping[str, Any]) -> "Profile":
        """From what `as_json` gave, also by way of a file. Raises: StoreError if other things were counted."""
        found = {name: len(counts) for name, counts in written.items()}
        if found != BINS:
            raise StoreError(
                "the profile was written by another version",
                expected=", ".join(f"{name} ({bins})" for name, bins in BINS.items()),
                received=", ".join(f"{name} ({bins})" for name, bins in found.items()) or "nothing",
                remedy="package the model, or score the images, again",
            )
        return cls({name: tuple(written[name]) for name in BINS})


EMPTY = Profile({name: (0,) * bins for name, bins in BINS.items()})


@dataclass(frozen=True)
class Finding:
    """An aggregate compared. noise: what chance may bring its PSI to. says: what is unusual, in words, or nothing."""

    name: str
    psi: float
    noise: float
    level: Level
    says: str


@dataclass(frozen=True)
class Drift:
    """The verdict on so many images: `too few to tell`, below some sixty, where even a PSI of MAJOR could be chance.

    Two are enough to find that all are blank or inverted, thirty to find that they are turned or mirrored.
    findings: an aggregate each, the furthest off first.
    """

    verdict: Literal["none", "drifted", "too few to tell"]
    images: int
    findings: tuple[Finding, ...]

    @property
    def reasons(self) -> list[str]:
        """What has changed, if only moderately, in words."""
        return [finding.says for finding in self.findings if finding.says]


def measure(images: np.ndarray, answers: np.ndarray, confidence: np.ndarray) -> Profile:
    """The profile of images and of the answers to them.

    For a reference: training images, their labels, and the confidences of the validation images, since a model is too
    sure of what it has learned from.

    images: uint8 (n, 28, 28), 0–255. answers: uint8 (m,), 0–9. confidence: float32 (k,), 0–1, calibrated.
    """
    profile = _counted({"confidence": confidence}, answers)
    for start in range(0, len(images), CHUNK):
        profile += _counted(_of_ink(images[start : start + CHUNK]), answers[:0])
    return profile


def _counted(measured: Mapping[str, np.ndarray], answers: np.ndarray) -> Profile:
    bins = {one.name: np.searchsorted(one.edges, measured.get(one.name, ()), side="right") for one in AGGREGATES}
    bins[MIX] = answers
    return Profile({name: tuple(np.bincount(bins[name], minlength=BINS[name]).tolist()) for name in BINS})


def _weights() -> np.ndarray:
    """What pixels are summed up by, float32 (7, 784): all, ring, x, y, xx, yy, xy, in half pixels from the middle."""
    y, x = np.indices((SIDE, SIDE)).reshape(2, PIXELS) * 2 - (SIDE - 1)
    ring = np.maximum(abs(x), abs(y)) > SIDE - 2 * RING
    return np.stack([np.ones_like(x), ring, x, y, x * x, y * y, x * y]).astype(np.float32)


WEIGHTS = _weights()


def _of_ink(images: np.ndarray) -> dict[str, np.ndarray]:
    """Aggregates of each image, float (n,), from the moments of its ink; 0 where it has none.

    The sums are whole numbers below 2²⁴, exact in float32 in any order of summing, and the rest is what IEEE 754 rounds
    in one way: an image is counted alike in every batch and on every machine.
    """
    # Not `@`, for which BLAS starts threads: beside the scorer's they cost ten times what they save.
    sums = np.matvec(WEIGHTS, (images >> FAINT).reshape(-1, PIXELS).astype(np.float32))
    ink, ring, *moments = sums.T.astype(float)
    x, y, xx, yy, xy = (moment / np.maximum(ink, 1) for moment in moments)
    across, down = xx - x * x, yy - y * y
    return {
        "ink": ink / (FULL * PIXELS),
        "ground": ring / (FULL * WEIGHTS[1].sum()),
        "distance from the centre": np.sqrt(x * x + y * y) / 2,
        "size": np.sqrt(across + down) / 2,
        "relative width": across / np.maximum(across + down, LINE),
        "slant": (x * y - xy) / np.maximum(down, LINE),
    }


def verdict(reference: Profile, observed: Profile) -> Drift:
    """Drifted is what has more unusual images than the reference by any one aggregate, beyond chance and by MAJOR.

    A narrower kind, as of one hand and one pen, is no drift; nor are surer answers, nor another mix of classes,
    which is at most moderate as long as it is a mix.
    """
    if not all(any(profile.counts[name]) for profile in (reference, observed) for name in BINS):
        return Drift("too few to tell", observed.images, ())
    found = [_compared(aggregate, reference, observed) for aggregate in AGGREGATES]
    telling = all(finding.noise < MAJOR for finding in found)
    found = sorted([*found, _mix(reference, observed)], key=lambda finding: -finding.psi)
    drifted = any(finding.level == "major" for finding in found)
    return Drift("drifted" if drifted else "none" if telling else "too few to tell", observed.images, tuple(found))


def _compared(aggregate: Aggregate, reference: Profile, observed: Profile) -> Finding:
    counts = [np.array(profile.counts[aggregate.name]) for profile in (reference, observed)]
    cuts = _cuts(counts[0], aggregate)
    expected, found = (np.array([group.sum() for group in np.split(bins, cuts)]) for bins in counts)
    p, q = expected / expected.sum(), found / found.sum()
    usual = 2 if aggregate.one_sided else 1
    below, above = q[:usual].sum(), q[usual + 1 :].sum()
    where, share, hint = ("below", below, aggregate.less) if below > above else ("above", above, aggregate.more)
    says = f"{aggregate.name} far {where} the usual in {percent(share, 0)} of the images: {hint}"
    return _finding(aggregate.name, expected, found, "major" if q[usual] < p[usual] else "none", says)


def _cuts(expected: np.ndarray, aggregate: Aggregate) -> tuple[int, int]:
    """The bins that the second and the third group begin with."""
    below = expected.cumsum() / expected.sum()
    low, high = aggregate.quantiles
    second = int(np.searchsorted(below, low, side="right")) - aggregate.tolerance
    third = int(np.searchsorted(below, high)) + 1 + aggregate.tolerance
    return max(second, 0), min(third, len(expected))


def _mix(reference: Profile, observed: Profile) -> Finding:
    expected, found = (np.array(profile.counts[MIX]) for profile in (reference, observed))
    share, images = found.max() / found.sum(), found.sum()
    says = f"another mix of classes: {percent(share, 0)} of the images are read as {found.argmax()}"
    return _finding(MIX, expected, found, "major" if share >= NEARLY_ALL and images >= MANY else "moderate", says)


def _finding(name: str, expected: np.ndarray, found: np.ndarray, most: Level, says: str) -> Finding:
    """expected, found: images in each group, int (k,). most: the level that it can reach."""
    p, q = ((counts / counts.sum() + LEAST) / (1 + LEAST * len(counts)) for counts in (expected, found))
    psi, noise = float(((q - p) * np.log(q / p)).sum()), _noise(len(p) - 1, expected.sum(), found.sum())
    reached = sum(psi >= max(noise, limit) for limit in (MODERATE, MAJOR))
    level = LEVELS[min(reached, LEVELS.index(most))]
    return Finding(name, psi, noise, level, f"{says} (PSI {psi:.1f})" if level != "none" else "")


def _noise(freedom: int, expected: int, found: int) -> float:
    """What PSI stays below where nothing has drifted, but for FALSE_ALARMS.

    It is then χ² times 1/n + 1/m (Yurdakul, Statistical Properties of Population Stability Index, Western Michigan
    University, 2018). The level is Bonferroni's; the quantile Wilson's and Hilferty's (PNAS 17, 1931), within two per
    cent: to load SciPy for it would take longer than to score a thousand images.
    """
    z = NormalDist().inv_cdf(1 - FALSE_ALARMS / len(BINS))
    spread = 2 / (9 * freedom)
    return freedom * (1 - spread + z * math.sqrt(spread)) ** 3 * float(1 / expected + 1 / found)
