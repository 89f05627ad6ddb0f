"""Augmentation moves images within its ranges, the same way for the same seed."""

import numpy as np
import pytest

from tasks.training.augmentation import augment
from tasks.training.recipes import Augmentation
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


def test_bending_moves_the_ink_and_keeps_its_amount() -> None:
    bent = augment(IMAGES, [3, 4], Augmentation(elastic=0.5)).numpy()
    assert np.abs(bent - IMAGES).max() > 50
    np.testing.assert_allclose(bent.sum(axis=(1, 2, 3)), IMAGES.sum(axis=(1, 2, 3)), rtol=0.25)
    np.testing.assert_allclose(augment(IMAGES, [3, 4], Augmentation(elastic=1e-6)), IMAGES, atol=0.5)


def test_half_of_the_images_lose_contrast_and_get_noise() -> None:
    images = np.repeat(IMAGES, 20, axis=0)
    dimmed = augment(images, [5, 6], Augmentation(contrast=0.7, noise=0.2)).numpy()
    changed = np.abs(dimmed - images).max(axis=(1, 2, 3)) > 0.01
    assert 0.4 < changed.mean() < 0.6
    assert (dimmed.min(), dimmed.max()) == (0, 255)
    # Without noise, the range of each image is what is left of its contrast.
    dimmed = augment(images, [5, 6], Augmentation(contrast=0.7)).numpy()
    left = np.ptp(dimmed, axis=(1, 2, 3)) / np.ptp(images, axis=(1, 2, 3))
    assert 0.3 <= left.min() < 0.4
    assert left.max() == pytest.approx(1, abs=1e-3)
