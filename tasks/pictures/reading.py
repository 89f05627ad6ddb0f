"""The digit in a picture, brought into MNIST's form: ink bright on dark, 28 × 28."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.data.digits import SIDE
from tasks.pictures.form import mnist_form, reduced
from tasks.pictures.ink import figure_of, ink_of, without_lines

VIEW = 360  # pixels of the longer side in which a figure is looked for
NOTHING = np.zeros((SIDE, SIDE), np.uint8)


@dataclass(frozen=True)
class Seen:
    """What the model sees. image: uint8 (28, 28). reason: why it can be no digit; None where there is ink."""

    image: np.ndarray
    reason: str | None


def digit_of(pixels: np.ndarray) -> Seen:
    """Return the digit in a picture, wherever it lies, whatever its colour; pixels: uint8 (height, width, 3)."""
    figure, box = _figure_in(pixels)
    if max(box[2:]) < VIEW / 3 and max(pixels.shape) > VIEW and any(box):
        figure, box = _figure_in(_around(pixels, box))
    left, top, width, height = box
    if not width:
        return Seen(NOTHING, "there is no ink")
    rows, columns = slice(max(0, top - 1), top + height + 1), slice(max(0, left - 1), left + width + 1)
    return Seen(mnist_form(figure[rows, columns]), None)


def _figure_in(pixels: np.ndarray) -> tuple[np.ndarray, Sequence[int]]:
    return figure_of(without_lines(ink_of(reduced(pixels, VIEW))))


def _around(pixels: np.ndarray, box: Sequence[int]) -> np.ndarray:
    """Return the part of a picture around a box in its view, with a margin of half its size."""
    left, top, width, height = box
    margin, scale = max(width, height) / 2, max(pixels.shape) / VIEW
    rows = slice(max(0, int((top - margin) * scale)), int((top + height + margin) * scale))
    columns = slice(max(0, int((left - margin) * scale)), int((left + width + margin) * scale))
    return pixels[rows, columns]
