"""Everyday changes of digits, as camera, scanner, pen and hand make them, and how well they are read under each.

The idea, and that accuracy on clean images says little of it, is that of MNIST-C (Mu & Gilmer 2019, arXiv:1906.02337).
The changes here are fewer and simpler, each by one fixed amount.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tasks.data.digits import SIDE

FULL = 255  # of the scale of a pixel
SEED = 42

# From images uint8 (n, 28, 28), 0–255, and a source of chance to the same shape and dtype; may be the images' memory.
Alter = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Change:
    """One way to change images. what: what it does and how much, for a reader."""

    what: str
    alter: Alter


@dataclass(frozen=True)
class Robustness:
    """Accuracy, 0–1, on the same images unchanged (clean) and under each change, by the change's name.

    examples: one of the images under each change, uint8 (28, 28), 0–255.
    """

    images: int
    clean: float
    changes: Mapping[str, float]
    examples: Mapping[str, np.ndarray]

    @property
    def mean(self) -> float:
        """Mean accuracy over the changes."""
        return sum(self.changes.values()) / len(self.changes)

    @property
    def worst(self) -> str:
        """The change under which fewest are read right."""
        return min(self.changes, key=lambda name: self.changes[name])


def measure(read: Callable[[np.ndarray], np.ndarray], images: np.ndarray, truth: np.ndarray) -> Robustness:
    """How well a reader, from images to labels (n,), does under every change.

    images: uint8 (n, 28, 28), 0–255. truth: uint8 (n,).
    """
    accuracies, examples = {}, {}
    for name in CHANGES:
        altered = changed(images, name)
        accuracies[name] = _accuracy(read(altered), truth)
        examples[name] = altered[0]
    return Robustness(len(images), _accuracy(read(images), truth), accuracies, examples)


def changed(images: np.ndarray, name: str) -> np.ndarray:
    """The images under a change of CHANGES, uint8 (n, 28, 28), 0–255; the same every time."""
    return CHANGES[name].alter(images, np.random.default_rng(SEED))


def _accuracy(labels: np.ndarray, truth: np.ndarray) -> float:
    return float((labels == truth).mean())


def _pixels(values: np.ndarray) -> np.ndarray:
    """Rounded to uint8, and cut off at both ends of the scale, as a sensor does."""
    return np.rint(values).clip(0, FULL).astype(np.uint8)


def _by_lot(images: np.ndarray, chance: np.random.Generator, *ways: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Each image altered in one of the ways; all that go the same way in one call."""
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
        return lambda some: shift(some, (0, down, right), order=0)

    return _by_lot(images, chance, moved(-3, 0), moved(3, 0), moved(0, -3), moved(0, 3))


def _rotation(images: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    from scipy.ndimage import rotate

    def turned(degrees: float) -> Callable[[np.ndarray], np.ndarray]:
        return lambda some: rotate(some, degrees, axes=(1, 2), reshape=False, order=1)

    return _by_lot(images, chance, turned(-15), turned(15))


def _size(images: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    from scipy.ndimage import affine_transform

    def scaled(times: float) -> Callable[[np.ndarray], np.ndarray]:
        # Where in the old image a pixel of the new one comes from, the centre staying where it is.
        offset = (SIDE - 1) / 2 * (1 - 1 / times)
        return lambda some: affine_transform(some, (1, 1 / times, 1 / times), (0, offset, offset), order=1)

    return _by_lot(images, chance, scaled(0.8), scaled(1.2))


CHANGES = {
    "sensor noise": Change("Gaussian, standard deviation 15\u00a0% of full scale", _sensor_noise),
    "specks": Change("2\u00a0% of the pixels full of ink", _specks),
    "blur": Change("Gaussian, standard deviation 1\u00a0pixel", _blur),
    "low contrast": Change("grey ground and pale ink: 20\u00a0% to 60\u00a0% of full scale", _low_contrast),
    "faint ink": Change("ink at 40\u00a0% of its strength", _faint_ink),
    "thicker strokes": Change("dilation by a cross of 3\u00a0×\u00a03 pixels", _thicker),
    "thinner strokes": Change("erosion by 2\u00a0×\u00a02 pixels", _thinner),
    "shift": Change("by 3\u00a0pixels to one of the four sides", _shift),
    "rotation": Change("by 15°, either way", _rotation),
    "size": Change("0.8 or 1.2 times", _size),
}
