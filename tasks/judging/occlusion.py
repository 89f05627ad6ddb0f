"""Occlusion: explain a model's answer by how it changes when parts of the image are taken out.

Occlusion sensitivity (Zeiler & Fergus, ECCV 2014, arXiv:1311.2901). It works with any model.
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
    """Measure how much each pixel speaks for the answer against the truth, float32 (n, 28, 28).

    It is the fall of the log odds when a patch is taken out, averaged over the patches that cover the pixel. Below 0
    the pixel speaks for the truth.

    read: from images uint8 (m, 28, 28) to probabilities (m, 10). images: uint8 (n, 28, 28). answers, truth: int (n,).
    """
    rows = np.arange(len(images))

    def log_odds(altered: np.ndarray) -> np.ndarray:
        chances = np.log(np.maximum(read(altered), LEAST))
        return chances[rows, answers] - chances[rows, truth]

    whole = log_odds(images)
    falls = np.zeros((len(images), SIDE, SIDE), np.float32)
    covered = np.zeros((SIDE, SIDE), np.float32)
    for top in STARTS:
        for left in STARTS:
            patch = slice(top, top + PATCH), slice(left, left + PATCH)
            without = images.copy()
            without[:, *patch] = 0
            falls[:, *patch] += (whole - log_odds(without))[:, None, None]
            covered[patch] += 1
    return falls / np.maximum(covered, 1)
