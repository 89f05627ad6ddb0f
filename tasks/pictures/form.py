"""MNIST's form: a digit fitted into 20 × 20 pixels, its strokes no thinner than a pen's, its mass in the middle."""

import cv2
import numpy as np

from tasks.data.digits import SIDE

FIT = 19.5  # pixels at half the ink's strength of MNIST's digits, which fit into 20 × 20 (LeCun et al. 1998)
EDGES = 0.6  # of the figure, which its stronger half measures at least; else it is a blot, and the faint ink counts
MIDDLE = 14.5  # their centre of mass lies in the middle of pixel 14: 13.5 to 14.5 in the 5,000 of the sample, mean 14.0
STROKE = 2.0  # pixels of MNIST's thinner strokes; thinner ones are drawn thicker
FINE = 4  # times as many pixels, in which strokes are thickened and the centre is found


def mnist_form(ink: np.ndarray) -> np.ndarray:
    """Return ink, float32 (height, width) from 0 to a strongest of 1, as uint8 (28, 28)."""
    size = max(cv2.boundingRect((ink >= 0.5).astype(np.uint8))[2:])
    if size < EDGES * max(ink.shape):
        size = max(ink.shape)
    fit = round(FIT * FINE)
    drawn = scaled(ink, fit / size)
    missing = STROKE * FINE - thickness(drawn)
    if missing > 1:
        grow = round(missing / 2)
        drawn = np.pad(scaled(ink, (fit - 2 * grow) / size), grow)
        drawn = cv2.dilate(drawn, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * grow + 1,) * 2))
    return _centred(np.clip(drawn, 0, 1))


def thickness(ink: np.ndarray) -> float:
    """Return the pixels of the median stroke, from the distance transform along the strokes' middle."""
    mask = np.pad((ink > 0.5).astype(np.uint8), 1)
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    middle = (depth >= cv2.dilate(depth, np.ones((3, 3), np.uint8))) & (depth > 0)
    return float(2 * np.median(depth[middle]) - 0.5) if middle.any() else 1.0


def _centred(drawn: np.ndarray) -> np.ndarray:
    moments, side = cv2.moments(drawn), SIDE * FINE
    centre = np.array([moments["m10"], moments["m01"]]) / moments["m00"]
    shift = np.clip(MIDDLE * FINE - 0.5 - centre, 0, side - np.array(drawn.shape[::-1]))  # all of it stays inside
    canvas = cv2.warpAffine(drawn, np.column_stack([np.eye(2), shift]), (side, side))
    small = cv2.resize(canvas, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.rint(small * 255).astype(np.uint8)


def reduced(pixels: np.ndarray, longest: int) -> np.ndarray:
    """Return the picture with its longer side at most that long."""
    while max(pixels.shape[:2]) >= 2 * longest and min(pixels.shape[:2]) > 1:  # by halves, which costs a tenth
        height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
        pixels = cv2.resize(pixels[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    scale = longest / max(pixels.shape[:2])
    return scaled(pixels, scale) if scale < 1 else pixels


def scaled(pixels: np.ndarray, scale: float) -> np.ndarray:
    size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
