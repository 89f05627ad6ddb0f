"""Augmentation moves images within its ranges, the same way for the same seed."""

import numpy as np

from tasks.augmentation import augment
from tasks.recipes import Augmentation
from tests import making

IMAGES = making.digits(20).images[..., None].astype(np.float32)


def test_without_ranges_nothing_changes() -> None:
    np.testing.assert_allclose(augment(IMAGES, [1, 2], Augmentation()), IMAGES, atol=1e-3)


def test_the_seed_decides() -> None:
    ranges = Augmentation(rotation=10, zoom=0.1, shear=0.1, shift=2)
    first, again, other = (augment(IMAGES, [seed, 0], ranges).numpy() for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 50


def test_a_shift_moves_the_ink_by_no_more_than_its_range() -> None:
    moved = augment(IMAGES, [3, 4], Augmentation(shift=2)).numpy()[..., 0]
    rows = np.arange(28)

    def centres(images: np.ndarray) -> np.ndarray:
        return (images.sum(axis=2) * rows).sum(axis=1) / images.sum(axis=(1, 2))

    distances = centres(moved) - centres(IMAGES[..., 0])
    assert 0.5 < np.abs(distances).max() <= 2.05
