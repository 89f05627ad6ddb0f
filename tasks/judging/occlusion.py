"""Why a model answers as it does: what changes when parts of the image are taken out.

Occlusion sensitivity (Zeiler & Fergus, ECCV 2014, arXiv:1311.2901). It asks any model, whatever is inside of it.
"""

from collections.abc import Callable

import numpy as np

from tasks.data.digits import SIDE

PATCH = 5  # pixels a side: wider than a stroke, so that one is cut
STEP = 2
STARTS = range(0, SIDE - PATCH + 1, STEP)
LEAST = 1e-7  # a probability of 0 has no logarithm


def occlusion(
    read: Callable[[np.ndarray], np.ndarray], images: np.ndarray, answers: np.ndarray, truth: np.ndarray
) -> np.ndarray:
    """How much each pixel speaks for the answer against the truth, float32 (n, 28, 28).

    The mean, over the patches that cover a pixel, of what taking the patch out costs in log odds. Below 0 it speaks for
    the truth.

    read: from images uint8 (m, 28, 28) to probabilities (m, 10). images: uint8 (n, 28, 28). answers, truth: int (n,).
    """
    rows = np.arange(len(images))

    def odds(some: np.ndarray) -> np.ndarray:
        chances = np.log(np.maximum(read(some), LEAST))
        return chances[rows, answers] - chances[rows, truth]

    whole = odds(images)
    found = np.zeros((len(images), SIDE, SIDE), np.float32)
    covered = np.zeros((SIDE, SIDE), np.float32)
    for top in STARTS:
        for left in STARTS:
            patch = slice(top, top + PATCH), slice(left, left + PATCH)
            without = images.copy()
            without[:, *patch] = 0
            found[:, *patch] += (whole - odds(without))[:, None, None]
            covered[patch] += 1
    return found / np.maximum(covered, 1)
