"""Ink on paper: which colour it has, where it lies, and which of it is one figure.

Ink is what differs from the paper around it, so that shadows and uneven light are paper. What "around" means is the
reach: further than the thickness of a stroke, and less far than the light takes to change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from tasks.pictures.ruling import SMALL, Ruling, ruling_of, without

DARK = 24  # gray levels; where the paper is darker, differences are noise
MOST_PIECES = 40


@dataclass(frozen=True)
class Paint:
    """How a colour picture becomes a gray one in which ink is dark.

    weights: float32 (1, 4), of red, green, blue and 1. sure: whether the picture tells which of the two is ink.
    """

    weights: np.ndarray
    sure: bool

    @property
    def opposite(self) -> "Paint":
        """Ink is what was paper."""
        weights = -self.weights
        weights[0, 3] += 255
        return Paint(weights, self.sure)

    def like(self, other: "Paint") -> bool:
        """Whether both take the same for ink."""
        return bool((self.weights * other.weights)[0, :3].sum() > 0)


def paint_of(view: np.ndarray, reach: float) -> Paint:
    """view: uint8 (height, width, 3), small. reach: as a share of its longer side.

    The axis along which colours differ from their surroundings is the ink's; ink covers less than paper, so that it
    makes the distribution along the axis skew.
    """
    size = min(255, odd(max(view.shape[:2]) * reach * 2))
    edge = size // 2
    framed = cv2.copyMakeBorder(view, edge, edge, edge, edge, cv2.BORDER_REPLICATE)
    paper = cv2.medianBlur(framed, size)[edge:-edge, edge:-edge]
    apart = (view.astype(np.float32) - paper).reshape(-1, 3)
    _, axes = np.linalg.eigh((apart * (apart**2).sum(axis=1, keepdims=True)).T @ apart)
    axis = axes[:, -1] / np.abs(axes[:, -1]).sum()
    along = (apart @ axis) ** 3
    skew = float(along.sum() / max(1.0, float(np.abs(along).sum())))
    if skew > 0 or (skew == 0 and axis.sum() < 0):
        axis = -axis
    return Paint(np.array([[*axis, -255 * axis[axis < 0].sum()]], np.float32), abs(skew) > 0.5)


@dataclass(frozen=True)
class Figure:
    """The ink of one figure, and what it was found in; arrays are (height, width).

    gray: uint8, ink dark. paper: float32, the gray that it would have without ink. ink: float32, 0 is paper.
    mask: bool, which ink is the figure's. level: of its ink. total: the sum of it. contact: pixels along the border.
    reach: in pixels. others: figures beside it, each as its length and ink relative to this one's.
    """

    gray: np.ndarray
    paper: np.ndarray
    ink: np.ndarray
    mask: np.ndarray
    level: float
    total: float
    contact: float
    reach: float
    paint: Paint
    ruling: Sequence[Ruling]
    others: Sequence[tuple[float, float]]

    @cached_property
    def box(self) -> tuple[int, int, int, int]:
        """left, top, width, height"""
        return extent(self.mask)

    @property
    def longest(self) -> int:
        return max(self.box[2:])

    @property
    def score(self) -> float:
        """Of two figures, the one with more ink over more of the picture is meant."""
        return self.total * self.longest

    @cached_property
    def stroke(self) -> float:
        """Pixels of the thickest stroke."""
        return _thickest(self.mask)

    def holds(self, other: "Figure") -> bool:
        """Whether the other's box lies within this one's."""
        (x, y, width, height), (left, top, wide, high) = self.box, other.box
        return x <= left and y <= top and x + width >= left + wide and y + height >= top + high

    @property
    def like_a_digit(self) -> bool:
        """Strokes with clear edges: no blob, shadow, or scrap along the border. Thresholds: tuned on drawn pictures."""
        along_border = self.contact / self.longest
        return bool(
            self._shaped
            and self.stroke <= 0.75 * self.reach
            and along_border < (0.6 if self._narrowness < 0.3 else 1.25)
            and (self._edges > 0.1).mean() > 0.88
        )

    @property
    def alone(self) -> bool:
        """Whether no other figure of its kind lies beside it."""
        return not any(length > 0.6 and ink > 0.4 for length, ink in self.others)

    @property
    def _shaped(self) -> bool:
        slender = self.longest / self.stroke
        return (self._narrowness < 0.55 and slender >= 2) or (self._solidity < 0.9 and slender >= 1.8)

    @cached_property
    def _rim(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the mask's outermost pixels."""
        mask = self.mask.astype(np.uint8)
        rows, columns = np.nonzero(mask - cv2.erode(mask, np.ones((3, 3), np.uint8)))
        return rows, columns

    @cached_property
    def _points(self) -> np.ndarray:
        return np.stack(self._rim[::-1], axis=1).astype(np.int32)

    @cached_property
    def _narrowness(self) -> float:
        return narrowness(self._points)

    @cached_property
    def _solidity(self) -> float:
        """The share of its hull that it fills."""
        hull = cv2.convexHull(self._points)
        return float(self.mask.sum() / (cv2.contourArea(hull) + cv2.arcLength(hull, True) / 2 + 1))

    @cached_property
    def _edges(self) -> np.ndarray:
        """How steep it is along the rim: the change from one pixel to the next, relative to the level of the ink."""
        rows, columns = self._rim
        height, width = self.mask.shape
        gray = self.gray.astype(np.float32)
        here, step = gray[rows, columns], np.zeros(len(rows), np.float32)
        for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            next_ = gray[np.clip(rows + down, 0, height - 1), np.clip(columns + right, 0, width - 1)]
            step = np.maximum(step, np.abs(next_ - here))
        return step / np.maximum(self.paper[rows, columns], DARK) / self.level


def figure_of(
    view: np.ndarray,
    paint: Paint,
    reach: float,
    ruling: Sequence[Ruling] | None = None,
    where: tuple[int, int, int, int] | None = None,
) -> Figure | None:
    """The figure with the most ink; None where there is none.

    view: uint8 (height, width, 3). reach: as a share of its longer side. ruling: its lines; looked for if None.
    where: left, top, width, height of the figure that is meant.
    """
    longest = max(view.shape[:2])
    gray = cv2.transform(view, paint.weights)
    if longest > 200:
        gray = cv2.GaussianBlur(gray, (3, 3), 0.7)
    calm = cv2.medianBlur(gray, 3) if longest > SMALL else gray
    paper = cv2.morphologyEx(calm, cv2.MORPH_CLOSE, np.ones((odd(longest * reach),) * 2, np.uint8)).astype(np.float32)
    ink, floor = _denoised(1 - gray / np.maximum(paper, DARK))
    lines = ruling_of(ink, floor) if ruling is None else ruling
    for line in lines:
        ink = without(ink, floor, line)
    strong = ink[ink > floor]
    if len(strong) < 4:
        return None
    low = _otsu(strong)
    pieces = _Pieces(ink, max(floor, 0.5 * low), 0.8 * low)
    if not (found := pieces.figure(where)):
        return None
    mask, chosen, others = found
    core = ink[mask & (ink > low)]
    level = float(np.median(core)) if len(core) else float(ink[mask].max())
    total, contact = float(pieces.total[chosen].sum()), float(pieces.contact[chosen].sum())
    size = max(extent(mask)[2:])
    beside = [(float(pieces.size[other] / size), float(pieces.total[other] / total)) for other in others]
    return Figure(gray, paper, ink, mask, level, total, contact, reach * longest, paint, lines, beside)


def _denoised(ink: np.ndarray) -> tuple[np.ndarray, float]:
    """Ink above the paper's noise, which the low percentiles tell, and the level above which it is ink for sure."""
    some = ink.ravel()[:: max(1, ink.size // 20_000)]
    least, low = np.percentile(some, [2, 20])
    noise = float(low - least) / 1.3
    return np.maximum(ink - np.float32(low + 0.7 * noise), 0), max(0.05, 5 * noise)


class _Pieces:
    """Connected ink, numbered; 0 is paper."""

    def __init__(self, ink: np.ndarray, above: float, peak: float) -> None:
        """above: what counts as ink. peak: a piece without ink as strong as this is none."""
        count, self.labels, self.stats, _ = cv2.connectedComponentsWithStats(
            (ink > above).astype(np.uint8), connectivity=8
        )
        labels = self.labels
        self.ink = ink
        self.has_peak = np.zeros(count, bool)
        self.has_peak[np.unique(labels[ink > peak])] = True
        self.has_peak[0] = False
        self.total = np.bincount(labels.ravel(), ink.ravel(), count)
        self.total[0] = 0
        self.size = self.stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1)
        self.area = self.stats[:, cv2.CC_STAT_AREA]
        frame = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
        self.contact = np.bincount(frame, minlength=count)

    def figure(self, where: tuple[int, int, int, int] | None) -> tuple[np.ndarray, list[int], list[int]] | None:
        """The figure's mask and pieces, and the pieces that could be other figures."""
        inside = self._inside(where) if where else None
        along_border = self.contact > 0.6 * self.size
        worth = self.total * self.size * np.where(along_border, 0.1, 1) if inside is None else inside
        worth = worth * self.has_peak
        if worth.max() <= 0:
            return None
        main = int(worth.argmax())
        rest = self._like(main, along_border)
        chosen, mask = [main], self.labels == main
        if inside is not None:
            chosen += [piece for piece in rest if inside[piece] > 0.5 * self.total[piece]]
            return np.isin(self.labels, chosen), chosen, [piece for piece in rest if piece not in chosen]
        while rest:
            # Pens skip: what lies near belongs to it.
            away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3)
            near = 0.2 * max(extent(mask)[2:]) + 1
            more = [piece for piece in rest if self._of(away, piece).min() <= near]
            if not more:
                break
            chosen += more
            rest = [piece for piece in rest if piece not in more]
            mask = np.isin(self.labels, chosen)
        return mask, chosen, rest

    def _inside(self, where: tuple[int, int, int, int]) -> np.ndarray:
        x, y, width, height = where
        part = slice(y, y + height), slice(x, x + width)
        return np.bincount(self.labels[part].ravel(), self.ink[part].ravel(), len(self.total))

    def _like(self, main: int, along_border: np.ndarray) -> list[int]:
        """Pieces of the same pen, the heaviest first; no specks, which are small and round."""
        mean = self.total / np.maximum(1, self.area)
        stroke = _thickest(self.labels == main)
        like = np.flatnonzero(
            self.has_peak
            & (self.total > 0.004 * self.total[main])
            & (mean > 0.5 * mean[main])
            & ~along_border
            & ((self.size >= 0.2 * self.size[main]) | (self.area >= 0.3 * stroke**2))
        )
        heaviest = [int(piece) for piece in like[np.argsort(-self.total[like])][:MOST_PIECES] if piece != main]
        return [piece for piece in heaviest if self.size[piece] >= 0.2 * self.size[main] or self._oblong(piece)]

    def _of(self, values: np.ndarray, piece: int) -> np.ndarray:
        """The values at a piece's pixels, (n,)."""
        x, y, width, height = self.stats[piece, :4]
        part = slice(y, y + height), slice(x, x + width)
        return values[part][self.labels[part] == piece]

    def _oblong(self, piece: int) -> bool:
        x, y, width, height = self.stats[piece, :4]
        rows, columns = np.nonzero(self.labels[y : y + height, x : x + width] == piece)
        return narrowness(np.stack([columns, rows], axis=1).astype(np.int32)) <= 1 / 1.6


def narrowness(points: np.ndarray) -> float:
    """Width by length of the smallest box, turned as it may be; points: int32 (n, 2)."""
    _, sides, _ = cv2.minAreaRect(points)
    return (min(sides) + 1) / (max(sides) + 1)


def extent(mask: np.ndarray) -> tuple[int, int, int, int]:
    """left, top, width, height of what is set."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1] - columns[0] + 1), int(rows[-1] - rows[0] + 1)


def odd(number: float) -> int:
    """For kernels, which have a middle."""
    return max(3, int(number) // 2 * 2 + 1)


def _thickest(mask: np.ndarray) -> float:
    framed = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    return 2 * float(cv2.distanceTransform(framed, cv2.DIST_L2, 3).max()) - 0.5


def _otsu(values: np.ndarray) -> float:
    """N. Otsu, "A Threshold Selection Method from Gray-Level Histograms", 1979."""
    top = float(values.max())
    gray = (values * (255 / top)).astype(np.uint8).reshape(-1, 1)
    threshold, _ = cv2.threshold(gray, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return (threshold + 0.5) * top / 255
