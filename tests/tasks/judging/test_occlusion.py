"""What a model looks at is found by taking it away."""

import numpy as np

from tasks.judging.occlusion import occlusion


def reads_a_corner(images: np.ndarray) -> np.ndarray:
    """Says 7 the surer, the more ink is in the upper left corner; else 1."""
    sure = 0.1 + 0.8 * images[:, :7, :7].mean(axis=(1, 2)) / 255
    found = np.zeros((len(images), 10), np.float32)
    found[:, 7], found[:, 1] = sure, 1 - sure
    return found


def test_only_what_the_model_looks_at_speaks_for_its_answer() -> None:
    images = np.full((2, 28, 28), 255, np.uint8)
    found = occlusion(reads_a_corner, images, np.array([7, 7]), np.array([1, 1]))
    assert found.shape == (2, 28, 28)
    assert found[:, :3, :3].min() > 0
    assert np.abs(found[:, 14:, 14:]).max() == 0
    assert found[0, 2, 2] > found[0, 9, 9]


def test_what_speaks_for_the_truth_is_below_zero() -> None:
    images = np.full((1, 28, 28), 255, np.uint8)
    assert occlusion(reads_a_corner, images, np.array([1]), np.array([7]))[0, :3, :3].max() < 0


def test_no_images_are_no_explanations() -> None:
    none = np.empty((0, 28, 28), np.uint8)
    assert occlusion(reads_a_corner, none, np.empty(0, int), np.empty(0, int)).shape == (0, 28, 28)
