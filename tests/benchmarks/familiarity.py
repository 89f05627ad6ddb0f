"""How far what a picture shows lies from the digits that a model knows; a prototype, to be moved into `tasks/judging`.

Three distances are measured: of the logits and of the ink's aggregates (7 × 7) from the nearest validation digits, and
the logits' energy. Each counts as the logarithm of the share of validation digits that lie as far out; these are added
up. The limits are quantiles of that sum over the validation digits themselves, so that the rate of false alarms is set
and not guessed.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

REVIEW, REFUSE = 0.03, 0.003  # shares of digits beyond the two limits
NEIGHBOURS = 4
BLOCK = 4  # pixels of a side that are aggregated to one
STEP = 1_000  # images at once


@dataclass(frozen=True)
class Familiarity:
    """What a model knows, as of n validation digits.

    temperature: of the logits. logits: float32 (n, 10). aggregates: float32 (n, 49). known: float32 (3, n), the
    distances of the digits themselves, each row rising. review, refuse: limits of `strangeness`.
    """

    temperature: float
    logits: np.ndarray
    aggregates: np.ndarray
    known: np.ndarray
    review: float
    refuse: float

    def strangeness(self, images: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """Return how far from all digits images are, float32 (n,); images: uint8 (n, 28, 28); their logits: (n, 10)."""
        return _rarity(self.known, _distances(self, images, logits, 0))


def measure(images: np.ndarray, logits: np.ndarray, temperature: float) -> Familiarity:
    """Fit it to validation digits and a model's logits of them."""
    empty = Familiarity(temperature, logits, _aggregates(images), np.empty((3, 0), np.float32), 0, 0)
    distances = _distances(empty, images, logits, 1)
    known = np.sort(distances, axis=1)
    rarity = _rarity(known, distances)
    review, refuse = np.quantile(rarity, [1 - REVIEW, 1 - REFUSE])
    return Familiarity(temperature, logits, empty.aggregates, known, float(review), float(refuse))


def _distances(familiar: Familiarity, images: np.ndarray, logits: np.ndarray, skipped: int) -> np.ndarray:
    """Return the three distances, float32 (3, n). skipped: neighbours that do not count, an image being its own."""
    return np.stack(
        [
            _from_nearest(logits, familiar.logits, skipped),
            _from_nearest(_aggregates(images), familiar.aggregates, skipped),
            -logsumexp(logits / familiar.temperature, axis=1),
        ]
    )


def _from_nearest(points: np.ndarray, known: np.ndarray, skipped: int) -> np.ndarray:
    """Return the mean distance from the nearest, (n,)."""
    nearest = np.empty(len(points), np.float32)
    squares = (known**2).sum(axis=1)
    for start in range(0, len(points), STEP):
        part = points[start : start + STEP]
        squared = (part**2).sum(axis=1)[:, None] + squares - 2 * part @ known.T
        few = np.partition(squared, skipped + NEIGHBOURS - 1, axis=1)[:, : skipped + NEIGHBOURS]
        distances = np.sort(np.sqrt(np.maximum(few, 0)), axis=1)
        nearest[start : start + STEP] = distances[:, skipped:].mean(axis=1)
    return nearest


def _aggregates(images: np.ndarray) -> np.ndarray:
    """Return the mean ink of blocks of 4 × 4 pixels, float32 (n, 49)."""
    blocks = images.reshape(len(images), 7, BLOCK, 7, BLOCK).astype(np.float32)
    return blocks.mean(axis=(2, 4)).reshape(len(images), 49)


def _rarity(known: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Return the sum over the distances of −log of the share of digits as far out, (n,)."""
    count = known.shape[1]
    farther = count - np.stack([np.searchsorted(row, far) for row, far in zip(known, distances, strict=True)])
    return -np.log((farther + 1) / (count + 1)).sum(axis=0)
