"""Everyday changes of digits, as camera, scanner, pen and hand make them, and the accuracy under each.

The idea, and that accuracy on clean images says little of it, is that of MNIST-C (Mu & Gilmer 2019, arXiv:1906.02337).
The changes here are fewer and simpler, each by one fixed amount.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tasks.data.digits import SIDE

FULL = 255  # of the scale of a pixel
SEED = 42

# From images uint8 (n, 28, 28), 0–255, and a source of chance to the same shape and dtype; may be the images' memory.
Alter = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class EverydayChange:
    """One way to change images. description: what it does and how much, for a reader."""

    description: str
    alter: Alter


@dataclass(frozen=True)
class Robustness:
    """Accuracy, 0–1, on the same images unchanged (clean) and under each change, by the change's name.

    mean: over the changes.
    """

    images: int
    clean: float
    mean: float
    changes: dict[str, float]

    @property
    def worst(self) -> str:
        """The change under which fewest are read right."""
        return min(self.changes, key=lambda name: self.changes[name])


def measure(read: Callable[[np.ndarray], np.ndarray], images: np.ndarray, truth: np.ndarray) -> Robustness:
    """Measure the accuracy of a reader, from images to labels (n,), under every change.

    images: uint8 (n, 28, 28), 0–255. truth: uint8 (n,).
    """
    changes = {name: _accuracy(read(changed(images, name)), truth) for name in CHANGES}
    mean = sum(changes.values()) / len(changes)
    return Robustness(len(images), _accuracy(read(images), truth), mean, changes)


def changed(images: np.ndarray, name: str) -> np.ndarray:
    """Return the images under a change of CHANGES, uint8 (n, 28, 28), 0–255; the same every time."""
    return CHANGES[name].alter(images, np.random.default_rng(SEED))


def _accuracy(labels: np.ndarray, truth: np.ndarray) -> float:
    return float((labels == truth).mean())


def _pixels(values: np.ndarray) -> np.ndarray:
    """Round to uint8, and cut off at both ends of the scale, as a sensor does."""
    return np.rint(values).clip(0, FULL).astype(np.uint8)


def _by_lot(images: np.ndarray, chance: np.random.Generator, *ways: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Alter each image in one of the ways, by lot; all that go the same way in one call."""
    lots = chance.integers(len(ways), size=len(images))
    altered = np.empty_like(images)
    for lot, way in enumerate(ways):
        altered[lots == lot] = way(images[lots == lot])
    return altered


def _sensor_noise(images: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    return _pixels(images + 0.15 * FULL * chance.standard_normal(images.shape, np.float32))


def _specks(images: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    return np.where(chance.random(images.shape, np.float32) < 0.02, np.uint8(FULL), images)


def _blur(images: np.ndarray, _: np.random.Generator) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    return _pixels(gaussian_filter(images.astype(np.float32), (0, 1, 1), mode="constant"))


def _low_contrast(images: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return _pixels(0.2 * FULL + 0.4 * images)


def _faint_ink(images: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return _pixels(0.4 * images)


def _thicker(images: np.ndarray, _: np.random.Generator) -> np.ndarray:
    from scipy.ndimage import generate_binary_structure, grey_dilation

    cross = generate_binary_structure(2, 1)
    return grey_dilation(images, footprint=cross[None], mode="constant")


def _thinner(images: np.ndarray, _: np.random.Generator) -> np.ndarray:
    from scipy.ndimage import grey_erosion

    return grey_erosion(images, size=(1, 2, 2), mode="constant")


def _shift(images: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    from scipy.ndimage import shift

    def moved(down: int, right: int) -> Callable[[np.ndarray], np.ndarray]:
        return lambda batch: shift(batch, (0, down, right), order=0)

    return _by_lot(images, chance, moved(-3, 0), moved(3, 0), moved(0, -3), moved(0, 3))


def _rotation(images: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    from scipy.ndimage import rotate

    def turned(degrees: float) -> Callable[[np.ndarray], np.ndarray]:
        return lambda batch: rotate(batch, degrees, axes=(1, 2), reshape=False, order=1)

    return _by_lot(images, chance, turned(-15), turned(15))


def _size(images: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    from scipy.ndimage import affine_transform

    def scaled(times: float) -> Callable[[np.ndarray], np.ndarray]:
        # SciPy asks where in the old image a pixel of the new one comes from; the centre stays where it is.
        offset = (SIDE - 1) / 2 * (1 - 1 / times)
        return lambda batch: affine_transform(batch, (1, 1 / times, 1 / times), (0, offset, offset), order=1)

    return _by_lot(images, chance, scaled(0.8), scaled(1.2))


CHANGES = {
    "sensor noise": EverydayChange("Gaussian, standard deviation 15\u00a0% of full scale", _sensor_noise),
    "specks": EverydayChange("2\u00a0% of the pixels full of ink", _specks),
    "blur": EverydayChange("Gaussian, standard deviation 1\u00a0pixel", _blur),
    "low contrast": EverydayChange("grey ground and pale ink: 20\u00a0% to 60\u00a0% of full scale", _low_contrast),
    "faint ink": EverydayChange("ink at 40\u00a0% of its strength", _faint_ink),
    "thicker strokes": EverydayChange("dilation by a cross of 3\u00a0×\u00a03 pixels", _thicker),
    "thinner strokes": EverydayChange("erosion by 2\u00a0×\u00a02 pixels", _thinner),
    "shift": EverydayChange("by 3\u00a0pixels to one of the four sides", _shift),
    "rotation": EverydayChange("by 15°, either way", _rotation),
    "size": EverydayChange("0.8 or 1.2 times", _size),
}
