"""The digit in a picture, brought into MNIST's form: ink bright on dark, 28 × 28."""

from dataclasses import dataclass

import numpy as np

from tasks.data.digits import SIDE
from tasks.pictures.form import mnist_form, reduced
from tasks.pictures.ink import figure_of, ink_of, without_lines

VIEW = 500  # pixels of the longer side in which a figure is looked for
EMPTY = "there is no ink"
NOTHING = np.zeros((SIDE, SIDE), np.uint8)


@dataclass(frozen=True)
class Seen:
    """What the model sees. image: uint8 (28, 28). reason: why it can be no digit; None where there is ink."""

    image: np.ndarray
    reason: str | None


def digit_of(pixels: np.ndarray) -> Seen:
    """Return the digit in a picture, wherever it lies, whatever its colour; pixels: uint8 (height, width, 3)."""
    figure = figure_of(without_lines(ink_of(reduced(pixels, VIEW))))
    if figure is None:
        return Seen(NOTHING, EMPTY)
    return Seen(mnist_form(figure), None)
