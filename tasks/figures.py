"""The pictures of a report, each ready to stand inside an HTML page: charts as SVG, digits as PNG.

A chart has no background, and takes its ink and its font from the page around it, so that it suits a light page and a
dark one. Its colours follow Okabe and Ito's palette, told apart without colour vision, and are never the only
difference between two things. Text stays text: it can be selected, searched and read aloud.
"""

import base64
import html
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.digits import CLASSES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

# matplotlib knows no "currentColor": this stands for it until the SVG is written. Not black, which SVG leaves out.
INK = "#0a0b0c"
FAINT = 0.15
BLUE, ORANGE = "#3a8fd1", "#d55e00"
# For many things in one chart; grey and ink stand for yellow and black, which one of the grounds would swallow.
# There is one marker less than colours, so that only the 57th thing looks like the first.
PALETTE = (ORANGE, BLUE, "#009e73", "#cc79a7", "#e69f00", INK, "#56b4e9", "#8a8f98")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

# One unit of a chart is one pixel of the page where there is room; on a phone a chart shrinks to about nine tenths.
UNITS_PER_INCH = 72
MARKED_EPOCHS = 30

MEASURES = {"loss": "Loss", "accuracy": "Accuracy"}


@dataclass(frozen=True)
class Series:
    """One of the things that a chart compares: a line, or dots of one look.

    x: above 0. accuracy: as many, shares 0–1. What is not finite, in either, is left out.
    """

    name: str
    x: Sequence[float]
    accuracy: Sequence[float]


def curve(history: Sequence[Mapping[str, float]], measure: str) -> str:
    """SVG of a measure per epoch, on the training and on the validation images.

    history: an epoch each, with `epoch` and the measure of both, e.g. `loss` and `val_loss`; what is not finite
        leaves a gap.
    measure: `loss`, drawn on a logarithmic scale, or `accuracy`, 0–1.
    """
    figure = _figure(width=380, height=270)
    axes = figure.add_subplot()
    epochs = [int(row["epoch"]) for row in history]
    training, validation = ([_finite(row[name]) for row in history] for name in (measure, f"val_{measure}"))
    marker = "o" if len(epochs) <= MARKED_EPOCHS else ""
    axes.plot(epochs, training, color=ORANGE, linestyle="--", marker=marker, markerfacecolor="none", label="training")
    axes.plot(epochs, validation, color=BLUE, marker=marker, label="validation")
    _epoch_axis(axes, epochs)
    _measure_axis(axes, measure, training + validation)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, labelcolor=INK, fontsize=11)
    return _svg(
        figure,
        f"{MEASURES[measure]} per epoch; at the last, epoch {epochs[-1]}, "
        f"training {_spoken(training[-1], measure)}, validation {_spoken(validation[-1], measure)}",
    )


def confusion(matrix: np.ndarray) -> str:
    """SVG of a confusion matrix, with a count in every cell that is not empty.

    Only mistakes are coloured, so that the diagonal, often a hundred times as high, does not drown them.

    matrix: int (10, 10), rows are the truth, columns the prediction.
    """
    from matplotlib.patches import Rectangle

    figure = _figure(width=380, height=380)
    axes = figure.add_subplot(xlim=(-0.5, CLASSES - 0.5), ylim=(CLASSES - 0.5, -0.5), aspect="equal")
    mistakes = matrix - np.diag(np.diag(matrix))
    for truth, predicted in np.ndindex(matrix.shape):
        share = mistakes[truth, predicted] / max(mistakes.max(), 1)
        # The strongest colour is still pale enough for the count on it to be read, in dark ink and in bright.
        color, alpha = (ORANGE, 0.1 + 0.55 * share) if share else (INK, 0.12 if truth == predicted else 0.03)
        corner = (predicted - 0.47, truth - 0.47)
        axes.add_patch(Rectangle(corner, 0.94, 0.94, facecolor=color, edgecolor="none", alpha=alpha))
        _count(axes, truth, predicted, int(matrix[truth, predicted]))
    axes.set_xlabel("predicted", color=INK, fontsize=12, labelpad=8)
    axes.set_ylabel("truth", color=INK, fontsize=12, labelpad=8)
    axes.set_xticks(range(CLASSES))
    axes.set_yticks(range(CLASSES))
    axes.xaxis.set_label_position("top")
    axes.tick_params(length=0, labeltop=True, labelbottom=False, colors=INK, labelsize=12)
    axes.spines[:].set_visible(False)
    return _svg(
        figure, f"Confusion matrix: of {matrix.sum():,} images {mistakes.sum():,} are off the diagonal, read wrong"
    )


def costs(recipes: Sequence[Series], images: int) -> str:
    """SVG of accuracy against the CPU seconds of the fit: a dot a seed, each recipe with its own mark and its name.

    Both scales are logarithmic, that of accuracy in errors: 98 to 99 % is as long a way as 99 to 99.5 %, half the
    errors. A place in the sequence decides the look, here as in `progress`.

    recipes: each with x in CPU seconds. images: how many the accuracy is of; it says how far up the scale can go.
    """
    figure = _figure(width=380, height=320)
    axes = figure.add_subplot()
    dots = _known(recipes, images)
    for place, (x, errors) in dots.items():
        axes.scatter(x, errors, s=42, color=_color(place), marker=_marker(place), alpha=0.85, linewidths=0)
    x, errors = _all(dots)
    _log_axis(axes, "CPU seconds of the fit", x)
    _accuracy_axis(axes, errors.max(), errors.min())
    figure.draw_without_rendering()  # only then is it known where things are
    _name_dots(axes, {recipes[place].name: np.column_stack(points) for place, points in dots.items()})
    means = ", ".join(f"{recipes[place].name} {np.nanmean(recipes[place].accuracy):.2%}" for place in dots)
    return _svg(figure, f"Accuracy against the CPU seconds of the fit: {means or 'unknown'}")


def progress(recipes: Sequence[Series], images: int, along: str) -> str:
    """SVG of accuracy on its way, a line a recipe, each with its name where it ends up.

    Accuracy is scaled as in `costs`. The first steps, which are far below all the rest, may lie outside.

    recipes: each with x as `along` says, ascending; empty where nothing is known of the way.
    images: how many the accuracy is of. along: `epoch`, or any other unit, which gets a logarithmic scale.
    """
    figure = _figure(width=380, height=320)
    axes = figure.add_subplot()
    lines = _known(recipes, images)
    for place, (x, errors) in lines.items():
        marked = [*range(0, len(x) - 1, max(len(x) // 8, 1)), len(x) - 1]
        look: dict[str, Any] = {"color": _color(place), "marker": _marker(place), "markersize": 4}
        axes.plot(x, errors, linewidth=1.6, markevery=marked, **look)
    x, errors = _all(lines)
    best = [errors.min() for _, errors in lines.values()] or [1]
    most = min(3 * max(best), errors.max())
    _accuracy_axis(axes, most, min(best))
    if along == "epoch":
        _epoch_axis(axes, [int(x.min()), int(x.max())])
    else:
        _log_axis(axes, along, x[errors <= most])
    figure.draw_without_rendering()
    _name_lines(axes, {recipes[place].name: (_color(place), *line) for place, line in lines.items()})
    ends = ", ".join(f"{one.name} {_spoken(_finite(one.accuracy[-1]), 'accuracy')}" for one in recipes if one.accuracy)
    return _svg(figure, f"Accuracy by {along}, at the end: {ends or 'unknown'}")


def trials(accuracies: Sequence[float | None]) -> str:
    """SVG of what each trial of a tuning reached, in their order, and of the best so far.

    accuracies: shares 0–1; None for a trial that did not come to its end. At least one is known.
    """
    figure = _figure(width=560, height=280)
    axes = figure.add_subplot()
    numbers = np.arange(1, len(accuracies) + 1)
    errors = np.array([np.nan if accuracy is None else max(1 - accuracy, 1e-5) for accuracy in accuracies])
    axes.step(numbers, np.fmin.accumulate(errors), where="post", color=ORANGE, label="best so far")
    axes.scatter(numbers, errors, s=36, color=BLUE, linewidths=0, label="a trial", zorder=3)
    _epoch_axis(axes, numbers.tolist())
    axes.set_xlabel("trial", color=INK, fontsize=11)
    _accuracy_axis(axes, float(np.nanmax(errors)), float(np.nanmin(errors)))
    axes.legend(frameon=False, labelcolor=INK, fontsize=11, loc="lower right")
    return _svg(figure, f"Accuracy of {len(accuracies)} trials; the best has {1 - np.nanmin(errors):.2%}")


def digit(image: np.ndarray) -> str:
    """PNG of one digit as a `data:` address, a pixel a pixel: the page enlarges it, and keeps its edges sharp.

    image: uint8 (28, 28), 0–255.
    """
    from matplotlib.image import imsave

    png = io.BytesIO()
    imsave(png, np.dstack([image] * 3), format="png", metadata={"Software": ""})
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"


def _figure(width: int, height: int) -> "Figure":
    """An empty figure, width and height in pixels of the page. Not of pyplot, which keeps every figure alive."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / UNITS_PER_INCH, height / UNITS_PER_INCH), layout="constrained")


def _epoch_axis(axes: "Axes", epochs: Sequence[int]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch", color=INK, fontsize=11)
    axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))


def _measure_axis(axes: "Axes", measure: str, values: Sequence[float]) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, PercentFormatter, StrMethodFormatter

    if measure == "accuracy":
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
        axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    elif any(value > 0 for value in values):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    _plain(axes, MEASURES[measure])


def _accuracy_axis(axes: "Axes", most: float, least: float) -> None:
    """Errors on a logarithmic scale, few of them on top, each called by its accuracy.

    most, least: shares of errors to be seen, above 0.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    axes.set_yscale("log")
    axes.set_ylim(min(1.25 * most, 1), least / 1.25)
    subs = (1, 1.5, 2, 3, 5, 7) if most < 30 * least else (1, 2, 5)
    axes.yaxis.set_major_locator(LogLocator(subs=subs, numticks=20))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda error, _: f"{100 - 100 * error:.4g}%"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    _plain(axes, MEASURES["accuracy"])


def _log_axis(axes: "Axes", label: str, values: np.ndarray) -> None:
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    axes.set_xlabel(label, color=INK, fontsize=11)
    axes.set_xscale("log")
    axes.set_xlim(values.min() / 1.6, values.max() * 1.6)
    subs = (1, 3) if values.max() > 15 * values.min() else (1, 2, 5)
    axes.xaxis.set_major_locator(LogLocator(subs=subs, numticks=20))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _plain(axes: "Axes", title: str) -> None:
    axes.set_title(title, loc="left", color=INK, fontsize=13, fontweight="bold")
    axes.tick_params(which="both", length=0, colors=INK, labelsize=11)
    axes.grid(color=INK, alpha=FAINT)
    axes.spines[:].set_visible(False)


def _name_dots(axes: "Axes", dots: Mapping[str, np.ndarray]) -> None:
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


def _name_lines(axes: "Axes", lines: Mapping[str, tuple[str, np.ndarray, np.ndarray]]) -> None:
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


def _known(recipes: Sequence[Series], images: int) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """By place: x and the share of errors, at least half an image, of the series of which anything is known."""
    known = {}
    for place, recipe in enumerate(recipes):
        x, errors = np.asarray(recipe.x, float), 1 - np.asarray(recipe.accuracy, float)
        there = np.isfinite(x) & (x > 0) & np.isfinite(errors)
        if there.any():
            known[place] = x[there], errors[there].clip(0.5 / images, 1)
    return known


def _all(known: Mapping[int, tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Every x and every share of errors; 1 where there is none, for an empty chart to have axes."""
    both = np.hstack([np.array(one) for one in known.values()] or [np.ones((2, 1))])
    return both[0], both[1]


def _color(place: int) -> str:
    return PALETTE[place % len(PALETTE)]


def _marker(place: int) -> str:
    return MARKERS[place % len(MARKERS)]


def _count(axes: "Axes", truth: int, predicted: int, count: int) -> None:
    """Write a cell's count, in smaller type where it has four digits and more; nothing for 0."""
    if count:
        size = min(12, 42 / len(str(count)))
        weight = "normal" if truth == predicted else "bold"
        axes.text(predicted, truth, str(count), ha="center", va="center", color=INK, fontsize=size, fontweight=weight)


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.nan


def _spoken(value: float, measure: str) -> str:
    if math.isnan(value):
        return "unknown"
    return f"{value:.2%}" if measure == "accuracy" else f"{value:.3g}"


def _svg(figure: "Figure", label: str) -> str:
    """The figure as an `<svg>` element that may stand beside others in one page; the same figure gives the same text.

    label: what a screen reader says of it.
    """
    import matplotlib

    drawn = io.StringIO()
    nameless = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    # The salt gives clip paths and markers an id that no other figure of the page has.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": label}):
        figure.savefig(drawn, format="svg", transparent=True, metadata=nameless)
    svg = drawn.getvalue()
    svg = svg[svg.index("<svg") :]
    for unwanted in (
        r"<metadata>.*?</metadata>",
        r"<style.*?</style>",  # would hold for the whole page
        r' id="[\w.]+_\d+"',  # numbered from 1 in every figure, and nothing refers to them
        r" font-family: [^;\"]*;",
    ):
        svg = re.sub(unwanted, "", svg, flags=re.DOTALL)
    svg = svg.replace(INK, "currentColor")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{html.escape(label)}" ', 1)
