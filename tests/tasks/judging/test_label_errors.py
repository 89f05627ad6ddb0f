"""Labels that look wrong are found, and only those."""

import numpy as np
import pytest

from tasks.judging.label_errors import suspects


def sure_of(truth: np.ndarray) -> np.ndarray:
    """Probabilities of a model that reads them all right."""
    found = np.full((len(truth), 10), 0.002)
    found[np.arange(len(truth)), truth] = 0.982
    return found


def test_labels_that_were_swapped_are_found_the_least_likely_first() -> None:
    truth = np.arange(500) % 10
    labels, probabilities = truth.copy(), sure_of(truth)
    labels[[17, 230]] = (labels[[17, 230]] + 3) % 10
    probabilities[17, [labels[17], 5]] = 0.003, 0.001
    assert suspects(labels.astype(np.uint8), probabilities).tolist() == [230, 17]


@pytest.mark.parametrize("images", [0, 1, 10, 300])
def test_labels_that_the_model_agrees_with_are_not_suspect(images: int) -> None:
    truth = (np.arange(images) % 10).astype(np.uint8)
    assert len(suspects(truth, sure_of(truth))) == 0


def test_classes_may_be_missing() -> None:
    truth = (np.arange(100) % 3 + 4).astype(np.uint8)
    labels = truth.copy()
    labels[5] = 4
    assert suspects(labels, sure_of(truth)).tolist() == [5]
