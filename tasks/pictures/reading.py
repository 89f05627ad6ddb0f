"""The digit in a photo or a drawing, brought into MNIST's form: ink bright on dark, 28 × 28."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import cv2
import numpy as np

from tasks.data.digits import SIDE
from tasks.pictures.ink import Figure, Paint, extent, figure_of, paint_of
from tasks.pictures.ruling import SMALL

# Pixels of the longer side in which a figure is looked for, in which it is looked at once found, and in which the
# colour of the ink is.
VIEW, CLOSE, COARSE = 360, 280, 100
REACHES = (0.1, 0.22, 0.45)  # as in `ink.py`: for pens, markers, and figures that fill the picture
FIT = 20  # MNIST's digits fit into 20 × 20 (LeCun et al. 1998)
MIDDLE = 14.5  # their centre of mass lies in the middle of pixel 14: 13.5 to 14.5 in the 5,000 of the sample, mean 14.0
STROKE = 2.0  # pixels of MNIST's thinner strokes; thinner ones are drawn thicker
FINE = 8  # times as many pixels, in which strokes are thickened and the centre is found
NOTHING = np.zeros((SIDE, SIDE), np.uint8)


@dataclass(frozen=True)
class Seen:
    """What the model sees. image: uint8 (28, 28). reason: why it may be no digit; None where it looks like one."""

    image: np.ndarray
    reason: str | None


def digit_of(pixels: np.ndarray) -> Seen:
    """The digit in a picture, wherever it lies, whatever its colour; pixels: uint8 (height, width, 3)."""
    view = _reduced(pixels, VIEW)
    best, other = _search(pixels, view)
    figure = best or other
    if not figure:
        return Seen(NOTHING, "there is no ink")
    if figure.mask.shape == view.shape[:2]:
        figure = _closer(pixels, view, figure)
    image = _mnist_form(_ink_of(figure))
    if not best:
        return Seen(image, "it does not look like a digit")
    return Seen(image, None if best.alone else "there is more than one figure")


def _search(pixels: np.ndarray, view: np.ndarray) -> tuple[Figure | None, Figure | None]:
    """The best figure that looks like a digit, and the best that does not."""
    best: Figure | None = None
    other: Figure | None = None
    much_smaller = max(pixels.shape) > 1.5 * max(view.shape)
    for _, tries in groupby(_tries(view), key=lambda attempt: attempt[2]):
        for paint, reach, _ in tries:
            figure = figure_of(view, paint, reach)
            if not figure:
                continue
            if much_smaller and figure.longest < 24:
                figure = _closer(pixels, view, figure)
            if figure.like_a_digit:
                best = figure if not best or _better(figure, best) else best
            elif not other or figure.score > other.score:
                other = figure
        if best:
            break
    return best, other


def _tries(view: np.ndarray) -> Iterator[tuple[Paint, float, bool]]:
    """Paints and reaches, those last (True) that the picture speaks against."""
    coarse = cv2.medianBlur(_reduced(view, COARSE), 3) if max(view.shape[:2]) > SMALL else view
    found = [(paint_of(coarse, reach), reach) for reach in (REACHES if max(view.shape[:2]) > SMALL else REACHES[-1:])]
    for paint, reach in found:
        both = sorted([paint, paint.opposite], key=lambda one: -one.weights[0, :3].sum())
        yield from ((one, reach, False) for one in ([paint] if paint.sure else both))
    yield from ((paint.opposite, reach, True) for paint, reach in found if paint.sure)


def _better(figure: Figure, best: Figure) -> bool:
    """Whether what is found with a longer reach is meant, not what lay within it."""
    if figure.score < 3 * best.score or figure.contact > 0.5 * figure.longest:
        return False
    return figure.stroke >= 0.6 * best.reach if figure.paint.like(best.paint) else figure.holds(best)


def _closer(pixels: np.ndarray, view: np.ndarray, figure: Figure) -> Figure:
    """The same figure in more detail, where the picture has it."""
    scale = max(pixels.shape) / max(view.shape)
    if scale < 1.05 or figure.longest > 0.7 * max(view.shape):
        return figure
    x, y, width, height = figure.box
    margin = math.ceil(0.35 * figure.longest + 2)
    left, top = max(0, x - margin), max(0, y - margin)
    right, bottom = min(view.shape[1], x + width + margin), min(view.shape[0], y + height + margin)
    part = pixels[round(top * scale) : round(bottom * scale), round(left * scale) : round(right * scale)]
    close = _reduced(part, CLOSE)
    across, down = close.shape[1] / (right - left), close.shape[0] / (bottom - top)
    edge = 0.06 * figure.longest + 1.5
    at_x, at_y = max(0, int((x - left - edge) * across)), max(0, int((y - top - edge) * down))
    to_x, to_y = math.ceil((x - left + width + edge) * across), math.ceil((y - top + height + edge) * down)
    ruling = [lines.part(top, bottom, left, right, close.shape[1::-1]) for lines in figure.ruling]
    reach = min(0.45, max(0.12, 3 * figure.stroke / max(right - left, bottom - top)))
    found = figure_of(close, figure.paint, reach, ruling, (at_x, at_y, to_x - at_x, to_y - at_y))
    return found or figure


# --- MNIST's form -----------------------------------------------------------------------------------------------


def _ink_of(figure: Figure) -> np.ndarray:
    """Its ink alone, float32 0–1, cropped to it."""
    around = cv2.dilate(figure.mask.astype(np.uint8), np.ones((3, 3), np.uint8))
    ink = np.clip(figure.ink / figure.level, 0, 1) * around
    x, y, width, height = extent(ink > 0.12)
    return np.ascontiguousarray(ink[y : y + height, x : x + width])


def _mnist_form(ink: np.ndarray) -> np.ndarray:
    """uint8 (28, 28) of float 0–1 (height, width): fitted into 20 × 20, no stroke thinner than MNIST's, centred."""
    side, fit, target = max(ink.shape), FIT * FINE, STROKE * FINE
    thickness = _thickness(_scaled(ink, fit / side))
    if FIT - 2 <= side <= FIT and thickness >= 0.8 * target:
        return _centred(ink, 1)  # it has the form, and scaling would only blur it
    grow = max(0.0, target - thickness)
    drawn = np.clip(_scaled(ink, (fit - grow) / side), 0, 1)
    if radius := round(grow / 2):
        drawn = cv2.copyMakeBorder(drawn, radius, radius, radius, radius, cv2.BORDER_CONSTANT)
        drawn = cv2.dilate(drawn, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2))
    return _centred(drawn, FINE)


def _thickness(ink: np.ndarray) -> float:
    """Pixels of the median stroke: the distance transform along the strokes' middle."""
    mask = cv2.copyMakeBorder((ink > 0.5).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    if not mask.any():
        return 1.0
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    middle = (depth >= cv2.dilate(depth, np.ones((3, 3), np.uint8))) & (depth > 0)
    return float(2 * np.median(depth[middle]) - 0.5)


def _centred(ink: np.ndarray, fine: int) -> np.ndarray:
    """uint8 (28, 28), the centre of mass on MNIST's as far as the digit stays inside."""
    side, middle = SIDE * fine, MIDDLE * fine - 0.5
    moments = cv2.moments(ink)
    left = _inside(middle - moments["m10"] / moments["m00"], side - ink.shape[1])
    top = _inside(middle - moments["m01"] / moments["m00"], side - ink.shape[0])
    canvas = np.zeros((side, side), np.float32)
    canvas[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    small = cv2.resize(canvas, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.rint(small * 255).clip(0, 255).astype(np.uint8)


def _inside(start: float, most: int) -> int:
    return min(max(round(start), 0), most)


def _reduced(pixels: np.ndarray, longest: int) -> np.ndarray:
    scale = longest / max(pixels.shape[:2])
    return _scaled(pixels, scale) if scale < 1 else pixels


def _scaled(image: np.ndarray, scale: float) -> np.ndarray:
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
