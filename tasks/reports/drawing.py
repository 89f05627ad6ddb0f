"""What every chart is drawn with: its figure, its colours, the names beside what is drawn, and the SVG of it."""

import html
import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

# matplotlib knows no "currentColor": this stands for it until the SVG is written. Not black, which SVG leaves out.
INK = "#0a0b0c"
FAINT = 0.15
BLUE, ORANGE = "#3a8fd1", "#d55e00"
# One unit of a chart is one pixel of the page where there is room; on a phone a chart shrinks to about nine tenths.
UNITS_PER_INCH = 72


def new_figure(width: int, height: int) -> "Figure":
    """An empty figure, width and height in pixels of the page. Not of pyplot, which keeps every figure alive."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / UNITS_PER_INCH, height / UNITS_PER_INCH), layout="constrained")


def plain(axes: "Axes", title: str) -> None:
    axes.set_title(title, loc="left", color=INK, fontsize=13, fontweight="bold")
    axes.tick_params(which="both", length=0, colors=INK, labelsize=11)
    axes.grid(color=INK, alpha=FAINT)
    axes.spines[:].set_visible(False)


def name_dots(axes: "Axes", dots: Mapping[str, np.ndarray]) -> None:
    """Write each name beside its dots, on the side where it covers least of other names and dots.

    dots: float (k, 2) each, x and y in units of the axes.
    """
    taken = [_around(point) for group in dots.values() for point in axes.transData.transform(group)]
    sides = [(8, 0, "left", "center"), (-8, 0, "right", "center"), (0, 7, "center", "bottom"), (0, -7, "center", "top")]
    sides += [(x, y, "left" if x > 0 else "right", "bottom" if y > 0 else "top") for x in (5, -5) for y in (5, -5)]
    for name, group in dots.items():
        label = axes.annotate(name, group[0], (0, 0), textcoords="offset points", color=INK, fontsize=11)
        label.set_in_layout(False)
        choices = [(tuple(point), side) for side in sides for point in group]
        boxes = [_moved(label, *choice) for choice in choices]
        costs = [_covered(box, taken, axes.bbox) for box in boxes]
        chosen = costs.index(min(costs))
        taken.append(_moved(label, *choices[chosen]))


def _around(point: np.ndarray, radius: float = 5) -> "Bbox":
    from matplotlib.transforms import Bbox

    return Bbox.from_extents(*(point - radius), *(point + radius))


def _moved(label: "Annotation", point: tuple[float, ...], side: tuple[float, float, Any, Any]) -> "Bbox":
    """Where a label lies, in pixels, once it is put to a side of a point."""
    x, y, horizontal, vertical = side
    label.xy = (point[0], point[1])
    label.set_position((x, y))
    label.set(ha=horizontal, va=vertical)
    return label.get_window_extent()


def _covered(box: "Bbox", taken: Sequence["Bbox"], room: "Bbox") -> float:
    """Area in square pixels that a box takes from others; what sticks out of the room counts as well."""
    from matplotlib.transforms import Bbox

    overlaps = [Bbox.intersection(box, other) for other in taken]
    inside = Bbox.intersection(box, room)
    outside = box.width * box.height - (inside.width * inside.height if inside else 0)
    return outside + sum(overlap.width * overlap.height for overlap in overlaps if overlap)


def name_lines(axes: "Axes", lines: Mapping[str, tuple[str, np.ndarray, np.ndarray]]) -> None:
    """Write each name right of the axes, at the height where its line ends or as near as the other names leave it.

    lines: colour, x and y of each.
    """
    to_share = axes.transData - axes.transAxes
    ends = {name: float(to_share.transform((x[-1], y[-1]))[1]) for name, (_, x, y) in lines.items()}
    heights = _apart(ends, least=13 / UNITS_PER_INCH * axes.figure.dpi / axes.bbox.height)
    for name, (color, x, y) in lines.items():
        axes.plot((x[-1], axes.get_xlim()[1]), (y[-1], y[-1]), color=color, linewidth=1, linestyle=(0, (1, 2)))
        axes.annotate(
            name,
            xy=(1, min(max(ends[name], 0), 1)),
            xytext=(1.06, heights[name]),
            xycoords="axes fraction",
            va="center",
            color=INK,
            fontsize=11,
            arrowprops={"arrowstyle": "-", "color": color, "shrinkA": 1, "shrinkB": 0},
        )


def _apart(heights: Mapping[str, float], least: float) -> dict[str, float]:
    """The heights that are nearest to the given ones, at least so far apart, and between 0 and 1 if there is room."""
    from scipy.optimize import isotonic_regression

    if not heights:
        return {}
    names = sorted(heights, key=lambda name: heights[name])
    steps = least * np.arange(len(names))
    # Less a step each they only have to ascend, and what ascends and is nearest in squares is isotonic regression.
    ascending = isotonic_regression([heights[name] for name in names] - steps).x
    return dict(zip(names, ascending.clip(0, max(1 - steps[-1], 0)) + steps, strict=True))


def svg(figure: "Figure", label: str) -> str:
    """The figure as an `<svg>` element that may stand beside others in one page; the same figure gives the same text.

    label: what a screen reader says of it.
    """
    import matplotlib

    drawn = io.StringIO()
    nameless = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    # The salt gives clip paths and markers an id that no other figure of the page has.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": label}):
        figure.savefig(drawn, format="svg", transparent=True, metadata=nameless)
    text = drawn.getvalue()
    text = text[text.index("<svg") :]
    for unwanted in (
        r"<metadata>.*?</metadata>",
        r"<style.*?</style>",  # would hold for the whole page
        r' id="[\w.]+_\d+"',  # numbered from 1 in every figure, and nothing refers to them
        r" font-family: [^;\"]*;",
    ):
        text = re.sub(unwanted, "", text, flags=re.DOTALL)
    text = text.replace(INK, "currentColor")
    return text.replace("<svg ", f'<svg role="img" aria-label="{html.escape(label)}" ', 1)
