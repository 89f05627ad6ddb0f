"""Labels that look wrong, by confident learning (Northcutt et al., JAIR 2021, arXiv:1911.00068; cleanlab)."""

import numpy as np


def suspects(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Find the images whose label looks wrong, the most suspect first: int (k,), positions.

    labels: uint8 (n,), 0–9. probabilities: float (n, 10), of a model that has not learned from these images.
    """
    present = np.unique(labels)  # cleanlab wants every class to have images
    if len(present) < 2:
        return np.empty(0, int)
    from cleanlab.filter import find_label_issues

    shares = probabilities[:, present].astype(float)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    positions = find_label_issues(
        np.searchsorted(present, labels),
        shares,
        filter_by="confident_learning",
        return_indices_ranked_by="self_confidence",
        n_jobs=1,
    )
    return np.asarray(positions, int)
