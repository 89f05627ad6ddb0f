"""Familiarity: tell how far what a picture shows lies from the digits that a model knows.

A picture may show anything, and a network names a digit whatever it shows. Four distances are measured: of the logits
and of the ink's aggregates (7 × 7) from the nearest of some validation digits, of the outline's length from their
median, and the logits' energy (Liu et al., NeurIPS 2020, arXiv:2010.03759). Each counts as the logarithm of the share
of other validation digits that lie as far out, and these are added up (Fisher 1925). The limits are quantiles of that
sum over those other digits: so the rate of false alarms is set and not guessed.
"""

import io
import math
from dataclasses import dataclass, replace

import numpy as np

from tasks.data.digits import SIDE

REVIEW, REFUSE = 0.04, 0.002  # shares of digits that lie beyond the two limits
KNOWN = 4_000  # digits, at most, that pictures are compared with
NEIGHBOURS = 4
BLOCK = 4  # pixels of a side that are aggregated to one
STEP = 1_000  # images at once


@dataclass(frozen=True)
class Limits:
    """The strangeness from which pictures are reviewed, and from which they get no answer.

    digits: validation digits that the limits were set on, none of which is among those compared with.
    reviewed, refused: shares of further digits of the same kind that lie beyond, 0–1, as expected (split conformal
    prediction; Papadopoulos et al., ECML 2002). Few digits cannot show a small share: theirs are larger.
    """

    digits: int
    review: float
    refuse: float
    reviewed: float
    refused: float


@dataclass(frozen=True)
class Familiarity:
    """What a model knows, as of n validation digits, and how far out m others lie.

    logits: (n, 10), divided by the temperature. aggregates: (n, 49). outline: the median, ().
    distances: (4, m), each row rising. All float32.
    """

    logits: np.ndarray
    aggregates: np.ndarray
    outline: np.ndarray
    distances: np.ndarray

    @classmethod
    def of_bytes(cls, content: bytes) -> "Familiarity":
        """Return what `as_bytes` wrote."""
        with np.load(io.BytesIO(content)) as arrays:
            return cls(**{name: array.astype(np.float32) for name, array in arrays.items()})

    def as_bytes(self) -> bytes:
        """Return it as the content of an .npz file, in half precision; the same bytes each time."""
        file = io.BytesIO()
        np.savez(file, **{name: array.astype(np.float16) for name, array in vars(self).items()})
        return file.getvalue()

    def strangeness(self, images: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """Return how far from all digits images are, (n,).

        images: uint8 (n, 28, 28). logits: float32 (n, 10) of the model, divided by the temperature.
        """
        count = self.distances.shape[1]
        distances = self._distances(images, logits)
        nearer = [np.searchsorted(row, far) for row, far in zip(self.distances, distances, strict=True)]
        return -np.log((count + 1 - np.stack(nearer)) / (count + 1)).sum(axis=0)

    def _distances(self, images: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """Return the four distances, float32 (4, n)."""
        top = logits.max(axis=1)
        energy = -top - np.log(np.exp(logits - top[:, None]).sum(axis=1))
        outline = np.abs(_outline(images) - self.outline)
        from_digits = _from_nearest(logits, self.logits), _from_nearest(_aggregates(images), self.aggregates)
        return np.stack([*from_digits, outline, energy])


def measure(images: np.ndarray, logits: np.ndarray) -> tuple[Familiarity, Limits]:
    """Measure what a model knows by digits that it has not learned from, and set the limits.

    Pictures are compared with some of the digits; the others set the limits.
    images: uint8 (n, 28, 28). logits: float32 (n, 10) of the model, divided by the temperature.
    """
    is_known = compared_with(len(images))
    known = images[is_known]
    familiar = Familiarity(logits[is_known], _aggregates(known), np.median(_outline(known)), np.empty((4, 0)))
    images, logits = images[~is_known], logits[~is_known]
    familiar = replace(familiar, distances=np.sort(familiar._distances(images, logits), axis=1))
    familiar = Familiarity.of_bytes(familiar.as_bytes())  # the limits are those of what is kept
    strangeness = np.sort(familiar.strangeness(images, logits))
    count = len(strangeness)
    ranks = [min(count, math.ceil((1 - share) * (count + 1))) for share in (REVIEW, REFUSE)]
    review, refuse = (float(strangeness[rank - 1]) for rank in ranks)
    reviewed, refused = (1 - rank / (count + 1) for rank in ranks)
    return familiar, Limits(count, review, refuse, reviewed, refused)


def compared_with(count: int) -> np.ndarray:
    """Return which of so many validation digits pictures are compared with, bool (n,): half at most, at random."""
    return np.random.default_rng(0).permutation(count) < min(KNOWN, count // 2)


def _from_nearest(points: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the mean distance of points, (n, d), from the nearest known ones, (n,)."""
    nearest, count = np.empty(len(points), np.float32), min(NEIGHBOURS, len(known))
    squares = (known**2).sum(axis=1)
    for start in range(0, len(points), STEP):
        part = points[start : start + STEP]
        squared = (part**2).sum(axis=1)[:, None] + squares - 2 * part @ known.T
        few = np.partition(squared, count - 1, axis=1)[:, :count]
        nearest[start : start + STEP] = np.sqrt(np.maximum(few, 0)).mean(axis=1)
    return nearest


def _aggregates(images: np.ndarray) -> np.ndarray:
    """Return the mean ink of blocks of 4 × 4 pixels, float32 (n, 49)."""
    side = SIDE // BLOCK
    blocks = images.reshape(len(images), side, BLOCK, side, BLOCK).astype(np.float32)
    return blocks.mean(axis=(2, 4)).reshape(len(images), side * side)


def _outline(images: np.ndarray) -> np.ndarray:
    """Return the logarithm of the length of the strokes' outline, float32 (n,), as the images' total variation."""
    ink = images.astype(np.float32) / 255
    length = sum(np.abs(np.diff(ink, axis=axis)).sum(axis=(1, 2)) for axis in (1, 2))
    return np.log1p(length)
