"""The pictures of a report, each ready to stand inside an HTML page: charts as SVG, digits as PNG.

A chart has no background, and takes its ink and its font from the page around it, so that it suits a light page and a
dark one. Its two colours are of Okabe and Ito's palette, told apart without colour vision, and are never the only
difference between two things. Text stays text: it can be selected, searched and read aloud.
"""

import base64
import html
import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tasks.digits import CLASSES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# matplotlib knows no "currentColor": this stands for it until the SVG is written. Not black, which SVG leaves out.
INK = "#0a0b0c"
FAINT = 0.15
BLUE, ORANGE = "#3a8fd1", "#d55e00"

# One unit of a chart is one pixel of the page where there is room; on a phone a chart shrinks to about nine tenths.
UNITS_PER_INCH = 72
MARKED_EPOCHS = 30

MEASURES = {"loss": "Loss", "accuracy": "Accuracy"}


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
    axes.set_title(MEASURES[measure], loc="left", color=INK, fontsize=13, fontweight="bold")
    axes.tick_params(which="both", length=0, colors=INK, labelsize=11)
    axes.grid(color=INK, alpha=FAINT)
    axes.spines[:].set_visible(False)


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
