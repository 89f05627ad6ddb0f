"""Ink on paper: tell the two apart, whatever their colours, and leave out what is no part of the figure.

The way is plain: the paper has the colour of most of the picture, ink is what differs from it most, and the figure is
the largest piece of ink with those of its kind. `light_of`, `without_lines` and `without_border` help where light and
paper are worse; docs/pictures-sheet.md has what each of them wins.
"""

import cv2
import numpy as np

from tasks.pictures.form import reduced, thickness

COARSE = 48  # pixels of the longer side in which colours and light are measured
INK = 0.3  # of the ink's strength, above which a pixel is ink
SPECKS = 26  # pixels that may be stronger than the ink
SMALL = 60  # pixels; smaller pictures show no lines of paper
DARK = np.float32(16)  # gray level; what is darker tells no light
ACROSS = 0.75  # of the picture, which lines of paper cross at least
TILT = np.deg2rad(8)  # of lines; nobody holds a camera worse


def ink_of(view: np.ndarray) -> np.ndarray:
    """Return the ink, float32 0–1 (height, width), of a picture, uint8 (height, width, 3)."""
    coarse = reduced(view, COARSE)
    paper = _paper_of(coarse)
    light = light_of(coarse, paper)
    apart = coarse / light - paper
    flat = apart.reshape(-1, 3)
    axis = flat.T @ np.linalg.norm(flat, axis=1)
    axis /= np.linalg.norm(axis) or 1
    lit = view.astype(np.float32)
    if light.size > 1:
        lit /= cv2.resize(light, view.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    ink = cv2.transform(lit, np.array([[*axis, -axis @ paper]], np.float32))
    return np.clip(ink / (_strength(ink) or 1), 0, 1)


def _strength(ink: np.ndarray) -> float:
    """Return the strongest ink, but for a few specks; 0 without ink."""
    top = float(ink.max())
    if top <= 0:
        return 0.0
    counts = cv2.calcHist([ink], [0], None, [256], [0, top * 1.001])
    stronger = np.cumsum(counts[::-1])
    levels = int(np.searchsorted(stronger, 1 + min(SPECKS, ink.size // 500)))
    return top * (256 - levels) / 256


def _paper_of(view: np.ndarray) -> np.ndarray:
    """Return the paper's colour, float32 (3,): that of most of the picture; where ink fills it, that of the border."""
    for pixels in (view.reshape(-1, 3), border(view)):
        paper = np.median(pixels, axis=0).astype(np.float32)
        apart = np.abs(view - paper).max(axis=2)
        if (apart < INK * _strength(apart)).mean() > 0.55:
            break
    return paper


def light_of(view: np.ndarray, paper: np.ndarray) -> np.ndarray:
    """Return the light on the paper, 1 where it has its colour, float32 (height, width, 3); a single 1 if it is even.

    Around each point the paper is the median of a wide neighbourhood, of which ink covers less than half.
    """
    height, width = view.shape[:2]
    reach = max(height, width) // 4
    framed = cv2.copyMakeBorder(view, reach, reach, reach, reach, cv2.BORDER_REFLECT)
    local = cv2.medianBlur(framed, 2 * reach + 1)[reach : reach + height, reach : reach + width]
    light = np.maximum(local, DARK) / np.maximum(paper, DARK)
    along = border(light)
    uneven = np.abs(along - 1).max(axis=1) > 0.15
    inked = np.abs(border(view) - border(local).astype(np.float32)).max(axis=1) > 0.15 * paper.max()
    if uneven.mean() < 0.25 or inked.mean() > 0.2 or along.min() < 0.2:
        return np.ones(1, np.float32)
    return np.maximum(light, along.min(axis=0)).astype(np.float32)  # what is darker is ink


def border(pixels: np.ndarray) -> np.ndarray:
    """Return the pixels along the border, (n, …)."""
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])


def without_lines(ink: np.ndarray) -> np.ndarray:
    """Take out the lines of ruled and squared paper and of forms: across the picture, and thinner than the strokes.

    Strokes that cross a line stay: they go on above and below it.
    """
    if min(ink.shape) < SMALL:
        return ink
    level, length = _without_level_lines(ink)
    rest, upright = _without_level_lines(np.ascontiguousarray(level.T))
    if not length + upright:
        return ink
    rest = rest.T
    return rest if (ink - rest).sum() < 0.6 * thickness(rest) * (length + upright) else ink


def _without_level_lines(ink: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the ink without its level lines, and the length of these in all."""
    mask = (ink > 0.15).astype(np.uint8)
    width = ink.shape[1]
    if mask.any(axis=0).mean() < ACROSS:
        return ink, 0
    upright = np.pi / 2  # of the line that stands on the one looked for
    lines = cv2.HoughLines(
        mask, 1, np.deg2rad(0.5), round(ACROSS * width), min_theta=upright - TILT, max_theta=upright + TILT
    )
    if lines is None:
        return ink, 0
    band = np.zeros_like(mask)
    for distance, angle in lines.reshape(-1, 2).tolist():
        ends = [(x, round((distance - x * np.cos(angle)) / np.sin(angle))) for x in (0, width)]
        cv2.line(band, ends[0], ends[1], 1, 5)
    across = round(0.025 * max(ink.shape)) + 2
    opened = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((across, 1), np.uint8))
    count = cv2.connectedComponents(band)[0] - 1
    return np.where(band > 0, opened, ink), count * width


def figure_of(ink: np.ndarray) -> np.ndarray | None:
    """Return the part of the ink that the figure lies in, without any other, its strongest 1; None without ink."""
    count, labels = cv2.connectedComponents((ink > INK).astype(np.uint8), connectivity=8)
    inked = labels > 0
    total = np.bincount(labels[inked], ink[inked], count)
    total = without_border(total, np.bincount(border(labels), minlength=count), ink.shape)
    kept = (total > total.max() / 8)[labels].astype(np.uint8)
    if not kept.any():
        return None
    kept = cv2.dilate(kept, np.ones((3, 3), np.uint8))
    left, top, width, height = cv2.boundingRect(kept)
    figure = (ink * kept)[top : top + height, left : left + width]
    return figure / figure.max()


def without_border(total: np.ndarray, contact: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Take out what lies around the sheet: the desk, and the black that a scan shows beside it.

    The desk goes along most of the border. The black goes along a part of it, and the figure touches it nowhere.
    Of each piece, total: its ink; contact: how many of its pixels lie on the border of the picture of that shape.
    """
    total = np.where(contact > 1.2 * sum(shape), 0, total)
    inner = np.where(contact > 0.25 * min(shape), 0, total)
    figure = inner > inner.max() / 8
    return total if contact[figure].any() or not figure.any() else inner
