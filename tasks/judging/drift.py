"""Drift: tell whether images are of the kind that the model was trained for, while they are scored.

A few aggregates of each image's ink and the model's answers are counted; the counts of the training images are the
reference. Batches and shards add up to the very same counts, however they are cut, and none of it needs SciPy.
"""

import math
import operator
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
    """A measure of an image, and the bins that its values are counted in.

    edges: float (k,), of the k + 1 bins. Values are usual between two quantiles of the reference and so many bins of
    tolerance beyond: another pen or scanner is no drift. less, more: the likely cause of unusual values.
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
MIX, PASSED_ON = "class mix", "passed on"
BINS = {aggregate.name: len(aggregate.edges) + 1 for aggregate in AGGREGATES} | {MIX: CLASSES, PASSED_ON: 2}


@dataclass(frozen=True)
class Profile:
    """Counts that describe many images: how many lie in each bin of each aggregate, and how many have each answer.

    Where a first reader was asked, also how many it has answered and passed on; else both are 0.
    """

    counts: Mapping[str, tuple[int, ...]]

    @property
    def images(self) -> int:
        return sum(self.counts[AGGREGATES[0].name])

    def __add__(self, other: "Profile") -> "Profile":
        return Profile({name: tuple(map(operator.add, self.counts[name], other.counts[name])) for name in BINS})

    def as_json(self) -> dict[str, list[int]]:
        return {name: list(counts) for name, counts in self.counts.items()}

    @classmethod
    def of_json(cls, written: Mapping[str, Any]) -> "Profile":
        """Return the profile that `as_json` was made from. Raises: StoreError if its bins are others."""
        written = {**written, PASSED_ON: written.get(PASSED_ON, (0, 0))}  # an earlier version's has none
        bins = {name: len(counts) for name, counts in written.items()}
        if bins != BINS:
            raise StoreError(
                "the profile was written by another version",
                expected=", ".join(f"{name} ({number})" for name, number in BINS.items()),
                received=", ".join(f"{name} ({number})" for name, number in bins.items()) or "nothing",
                remedy="package the model, or score the images, again",
            )
        return cls({name: tuple(written[name]) for name in BINS})


EMPTY = Profile({name: (0,) * bins for name, bins in BINS.items()})


@dataclass(frozen=True)
class Finding:
    """An aggregate compared. noise: the PSI that chance may cause. says: in words how it is unusual, or nothing."""

    name: str
    psi: float
    noise: float
    level: Level
    says: str


@dataclass(frozen=True)
class Drift:
    """The verdict on so many images: `too few to tell`, below some sixty, where even a PSI of MAJOR could be chance.

    Two are enough to see that all are blank or inverted, thirty to see that they are turned or mirrored.
    findings: one for each aggregate, the furthest off first.
    """

    verdict: Literal["none", "drifted", "too few to tell"]
    images: int
    findings: tuple[Finding, ...]

    @property
    def reasons(self) -> list[str]:
        """The changes, moderate ones included, in words."""
        return [finding.says for finding in self.findings if finding.says]


def measure(
    images: np.ndarray, answers: np.ndarray, confidence: np.ndarray, passed_on: np.ndarray | None = None
) -> Profile:
    """Count the profile of images and of the answers to them.

    For a reference: training images, their labels, and the confidences of the validation images, since a model is too
    sure of what it has learned from.

    images: uint8 (n, 28, 28), 0–255. answers: uint8 (m,), 0–9. confidence: float32 (k,), 0–1, calibrated.
    passed_on: bool (k,), those that the first reader has passed on; None where none was asked.
    """
    none = np.empty(0, np.uint8)
    profile = _counted({"confidence": confidence}, answers, none if passed_on is None else passed_on)
    for start in range(0, len(images), CHUNK):
        profile += _counted(_of_ink(images[start : start + CHUNK]), none, none)
    return profile


def _counted(measured: Mapping[str, np.ndarray], answers: np.ndarray, passed_on: np.ndarray) -> Profile:
    bins = {
        aggregate.name: np.searchsorted(aggregate.edges, measured.get(aggregate.name, ()), side="right")
        for aggregate in AGGREGATES
    }
    bins |= {MIX: answers, PASSED_ON: passed_on}
    return Profile({name: tuple(np.bincount(bins[name], minlength=BINS[name]).tolist()) for name in BINS})


def shifts(reference: Profile, observed: Profile) -> dict[str, float]:
    """Return how far the mean of each aggregate lies from the reference's, in standard deviations of its images.

    By it days can be compared: by chance alone it strays by 1/√n, and in both directions, as the PSI does not. Means
    are those of bins. Without images there is none.
    """
    moved = {}
    for aggregate in AGGREGATES if observed.images else ():
        bins = np.arange(BINS[aggregate.name])
        expected, received = (np.array(profile.counts[aggregate.name]) for profile in (reference, observed))
        usual = np.average(bins, weights=expected)
        spread = math.sqrt(np.average((bins - usual) ** 2, weights=expected))
        moved[aggregate.name] = round(float(np.average(bins, weights=received) - usual) / (spread or 1), 5)
    return moved


def _weights() -> np.ndarray:
    """Return the weights that pixels are summed up by, float32 (7, 784): all, ring, x, y, xx, yy, xy.

    Coordinates are in half pixels from the middle.
    """
    y, x = np.indices((SIDE, SIDE)).reshape(2, PIXELS) * 2 - (SIDE - 1)
    ring = np.maximum(abs(x), abs(y)) > SIDE - 2 * RING
    return np.stack([np.ones_like(x), ring, x, y, x * x, y * y, x * y]).astype(np.float32)


WEIGHTS = _weights()


def _of_ink(images: np.ndarray) -> dict[str, np.ndarray]:
    """Compute aggregates of each image, float (n,), from the moments of its ink; 0 where it has none.

    The sums are whole numbers below 2²⁴, exact in float32 in any order of summing, and IEEE 754 rounds the rest in only
    one way: an image is counted alike in every batch and on every machine.
    """
    # Not `@`, for which BLAS starts threads: beside the scorer's they cost ten times as much as they save.
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
    """Judge whether observed images have drifted from the reference.

    They have if they are more often unusual than the reference by any one aggregate, beyond chance and by MAJOR. A
    narrower kind, as of one hand and one pen, is no drift; nor are surer answers, nor another mix of classes, which is
    at most moderate as long as it is a mix. That a first reader passes on more costs time and no accuracy, and is at
    most moderate as well.
    """
    profiles = (reference, observed)
    if not all(any(profile.counts[name]) for profile in profiles for name in BINS if name != PASSED_ON):
        return Drift("too few to tell", observed.images, ())
    findings = [_compared(aggregate, reference, observed) for aggregate in AGGREGATES]
    telling = all(finding.noise < MAJOR for finding in findings)
    findings.append(_mix(reference, observed))
    if all(any(profile.counts[PASSED_ON]) for profile in profiles):
        findings.append(_passed_on(reference, observed))
    findings.sort(key=lambda finding: -finding.psi)
    drifted = any(finding.level == "major" for finding in findings)
    judged: Literal["none", "drifted", "too few to tell"] = "none" if telling else "too few to tell"
    return Drift("drifted" if drifted else judged, observed.images, tuple(findings))


def _compared(aggregate: Aggregate, reference: Profile, observed: Profile) -> Finding:
    bins = np.array([reference.counts[aggregate.name], observed.counts[aggregate.name]])
    groups = np.split(bins, _cuts(bins[0], aggregate), axis=1)
    expected, received = np.stack([group.sum(axis=1) for group in groups], axis=1)
    p, q = expected / expected.sum(), received / received.sum()
    usual = 2 if aggregate.one_sided else 1
    below, above = q[:usual].sum(), q[usual + 1 :].sum()
    where, share, hint = ("below", below, aggregate.less) if below > above else ("above", above, aggregate.more)
    says = f"{aggregate.name} far {where} the usual in {percent(share, 0)} of the images: {hint}"
    return _finding(aggregate.name, expected, received, "major" if q[usual] < p[usual] else "none", says)


def _cuts(expected: np.ndarray, aggregate: Aggregate) -> tuple[int, int]:
    """Return the bins that the second and the third group begin with."""
    below = expected.cumsum() / expected.sum()
    low, high = aggregate.quantiles
    second = int(np.searchsorted(below, low, side="right")) - aggregate.tolerance
    third = int(np.searchsorted(below, high)) + 1 + aggregate.tolerance
    return max(second, 0), min(third, len(expected))


def _mix(reference: Profile, observed: Profile) -> Finding:
    expected, received = np.array(reference.counts[MIX]), np.array(observed.counts[MIX])
    images = received.sum()
    share = received.max() / images
    says = f"another mix of classes: {percent(share, 0)} of the images are read as {received.argmax()}"
    most: Level = "major" if share >= NEARLY_ALL and images >= MANY else "moderate"
    return _finding(MIX, expected, received, most, says)


def _passed_on(reference: Profile, observed: Profile) -> Finding:
    expected, received = np.array(reference.counts[PASSED_ON]), np.array(observed.counts[PASSED_ON])
    usual, share = expected[1] / expected.sum(), received[1] / received.sum()
    says = f"the first reader passes on {percent(share, 0)} of the images, of validation {percent(usual, 0)}"
    return _finding(PASSED_ON, expected, received, "moderate" if share > usual else "none", says)


def _finding(name: str, expected: np.ndarray, received: np.ndarray, most: Level, says: str) -> Finding:
    """Compare images in each group, int (k,). most: the level that the finding can reach."""
    p, q = ((counts / counts.sum() + LEAST) / (1 + LEAST * len(counts)) for counts in (expected, received))
    psi = float(((q - p) * np.log(q / p)).sum())
    noise = _noise(len(p) - 1, expected.sum(), received.sum())
    reached = sum(psi >= max(noise, limit) for limit in (MODERATE, MAJOR))
    level = LEVELS[min(reached, LEVELS.index(most))]
    return Finding(name, psi, noise, level, f"{says} (PSI {psi:.1f})" if level != "none" else "")


def _noise(freedom: int, expected: int, received: int) -> float:
    """Return the bound that PSI stays below where nothing has drifted, but for FALSE_ALARMS.

    It is then χ² times 1/n + 1/m (Yurdakul, Statistical Properties of Population Stability Index, Western Michigan
    University, 2018). The level is Bonferroni's; the quantile Wilson's and Hilferty's (PNAS 17, 1931), within two per
    cent: loading SciPy for it would take longer than scoring a thousand images.
    """
    z = NormalDist().inv_cdf(1 - FALSE_ALARMS / len(BINS))
    spread = 2 / (9 * freedom)
    return freedom * (1 - spread + z * math.sqrt(spread)) ** 3 * float(1 / expected + 1 / received)
