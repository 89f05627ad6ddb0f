"""Lines of ruled and squared paper: found by their length, taken out without cutting the digit that crosses them."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

SMALL = 60  # pixels; smaller pictures show no paper
# Pictures are sheared until their lines lie level; a person holds a camera no worse.
ANGLES = np.tan(np.deg2rad(np.arange(-8, 8.1, 1)))


@dataclass(frozen=True)
class Ruling:
    """Lines of one direction. band: bool (height, width), where they lie. thick: pixels. upright: not level."""

    band: np.ndarray
    thick: float
    upright: bool

    def part(self, top: int, bottom: int, left: int, right: int, size: tuple[int, int]) -> "Ruling":
        """The same in a part of the picture that is resized to (width, height)."""
        band = cv2.resize(self.band[top:bottom, left:right].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        return Ruling(band > 0, self.thick * size[0] / (right - left), self.upright)


def ruling_of(ink: np.ndarray, floor: float) -> list[Ruling]:
    """ink: float32 (height, width), 0 is paper. floor: what is ink for sure is above it."""
    found: list[Ruling] = []
    if min(ink.shape) < SMALL:
        return found
    for upright in (False, True):
        lines = _level_lines(np.ascontiguousarray(ink.T) if upright else ink, floor)
        if lines:
            band, thick = lines
            found.append(Ruling(band.T if upright else band, thick, upright))
            ink = without(ink, floor, found[-1])
    return found


def without(ink: np.ndarray, floor: float, ruling: Ruling) -> np.ndarray:
    """The ink without the lines; strokes that cross them, or lie over them and are darker, stay."""
    on = ink[ruling.band & (ink > floor)]
    if not len(on):
        return ink
    across = math.ceil(ruling.thick * 1.5) + 3
    kernel = np.ones((1, across) if ruling.upright else (across, 1), np.uint8)
    opened = cv2.morphologyEx(ink, cv2.MORPH_OPEN, kernel)
    return np.where(ruling.band & (ink < 1.5 * np.percentile(on, 80)), opened, ink)


def _level_lines(ink: np.ndarray, floor: float) -> tuple[np.ndarray, float] | None:
    """Where near-level lines lie that cross most of the picture, bool, and how thick they are in pixels."""
    height, width = ink.shape
    mask = (ink > floor).astype(np.uint8)
    scale = min(1, 120 / max(height, width))
    small = cv2.resize(mask.astype(np.float32), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    # Where lines lie level, rows of pixels differ most.
    slope = max(ANGLES, key=lambda slope: float(_rows(_sheared(small, slope)).std()))
    if _rows(_sheared(small, slope)).max() < 0.2:
        return None
    run = np.ones((1, int(0.25 * width)), np.uint8)
    near = cv2.dilate(_sheared(mask, slope), np.ones((3, 1), np.uint8))
    runs = cv2.copyMakeBorder(
        cv2.morphologyEx(near, cv2.MORPH_OPEN, run), 0, 0, run.size, run.size, cv2.BORDER_CONSTANT
    )
    lines = np.ascontiguousarray(cv2.morphologyEx(runs, cv2.MORPH_CLOSE, run)[:, run.size : -run.size])
    _, labels, stats, _ = cv2.connectedComponentsWithStats(lines, connectivity=8)
    long, area = stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_AREA]
    thick = area / np.maximum(1, long) - 2
    thin = thick <= 0.025 * max(height, width) + 1
    thin[0] = False
    keep = thin & (long >= 0.8 * width)
    if keep.sum() >= 2:  # ruled paper, so that the shorter ones are lines as well
        keep = thin & (long >= 0.5 * width)
    if not keep.any():
        return None
    band = _sheared(cv2.dilate(keep[labels].astype(np.uint8), np.ones((3, 1), np.uint8)), -slope) > 0
    return band, max(1.0, float(np.median(thick[keep])))


def _sheared(image: np.ndarray, slope: float) -> np.ndarray:
    height, width = image.shape
    kind = cv2.INTER_NEAREST if image.dtype == np.uint8 else cv2.INTER_LINEAR
    return cv2.warpAffine(
        image, np.array([[1, 0, 0], [-slope, 1, slope * width / 2]], np.float32), (width, height), flags=kind
    )


def _rows(image: np.ndarray) -> np.ndarray:
    return cv2.reduce(image, 1, cv2.REDUCE_AVG)
