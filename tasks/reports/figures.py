"""The pictures of a report, each ready to stand inside an HTML page: charts as SVG, digits as PNG.

A chart has no background, and takes its ink and its font from the page around it, so that it suits a light page and a
dark one. Its colours follow Okabe and Ito's palette, told apart without colour vision, and are never the only
difference between two things. Text stays text: it can be selected, searched and read aloud.
"""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.data.digits import CLASSES
from tasks.judging.calibration import Calibration, Reliability
from tasks.reports.drawing import BLUE, INK, ORANGE, name_dots, name_lines, new_figure, plain, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# For many things in one chart; grey and ink stand for yellow and black, which one of the grounds would swallow.
# There is one marker less than colours, so that only the 57th thing looks like the first.
PALETTE = (ORANGE, BLUE, "#009e73", "#cc79a7", "#e69f00", INK, "#56b4e9", "#8a8f98")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

MARKED_EPOCHS = 30
MOST_REVIEWED = 0.25  # beyond it nobody asks

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
    figure = new_figure(width=380, height=270)
    axes = figure.add_subplot()
    epochs = [int(row["epoch"]) for row in history]
    training, validation = ([_finite(row[name]) for row in history] for name in (measure, f"val_{measure}"))
    marker = "o" if len(epochs) <= MARKED_EPOCHS else ""
    axes.plot(epochs, training, color=ORANGE, linestyle="--", marker=marker, markerfacecolor="none", label="training")
    axes.plot(epochs, validation, color=BLUE, marker=marker, label="validation")
    _epoch_axis(axes, epochs)
    _measure_axis(axes, measure, training + validation)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, labelcolor=INK, fontsize=11)
    return svg(
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

    figure = new_figure(width=380, height=380)
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
    return svg(
        figure, f"Confusion matrix: of {matrix.sum():,} images {mistakes.sum():,} are off the diagonal, read wrong"
    )


def costs(recipes: Sequence[Series], images: int) -> str:
    """SVG of accuracy against the CPU seconds of the fit: a dot a seed, each recipe with its own mark and its name.

    Both scales are logarithmic, that of accuracy in errors: 98 to 99 % is as long a way as 99 to 99.5 %, half the
    errors. A place in the sequence decides the look, here as in `progress`.

    recipes: each with x in CPU seconds. images: how many the accuracy is of; it says how far up the scale can go.
    """
    figure = new_figure(width=380, height=320)
    axes = figure.add_subplot()
    dots = _known(recipes, images)
    for place, (x, errors) in dots.items():
        axes.scatter(x, errors, s=42, color=_color(place), marker=_marker(place), alpha=0.85, linewidths=0)
    x, errors = _all(dots)
    _log_axis(axes, "CPU seconds of the fit", x)
    _accuracy_axis(axes, errors.max(), errors.min())
    figure.draw_without_rendering()  # only then is it known where things are
    name_dots(axes, {recipes[place].name: np.column_stack(points) for place, points in dots.items()})
    means = ", ".join(f"{recipes[place].name} {np.nanmean(recipes[place].accuracy):.2%}" for place in dots)
    return svg(figure, f"Accuracy against the CPU seconds of the fit: {means or 'unknown'}")


def progress(recipes: Sequence[Series], images: int, along: str) -> str:
    """SVG of accuracy on its way, a line a recipe, each with its name where it ends up.

    Accuracy is scaled as in `costs`. The first steps, which are far below all the rest, may lie outside.

    recipes: each with x as `along` says, ascending; empty where nothing is known of the way.
    images: how many the accuracy is of. along: `epoch`, or any other unit, which gets a logarithmic scale.
    """
    figure = new_figure(width=380, height=320)
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
    name_lines(axes, {recipes[place].name: (_color(place), *line) for place, line in lines.items()})
    ends = ", ".join(f"{one.name} {_spoken(_finite(one.accuracy[-1]), 'accuracy')}" for one in recipes if one.accuracy)
    return svg(figure, f"Accuracy by {along}, at the end: {ends or 'unknown'}")


def trials(accuracies: Sequence[float | None]) -> str:
    """SVG of what each trial of a tuning reached, in their order, and of the best so far.

    accuracies: shares 0–1; None for a trial that did not come to its end. At least one is known.
    """
    figure = new_figure(width=560, height=280)
    axes = figure.add_subplot()
    numbers = np.arange(1, len(accuracies) + 1)
    errors = np.array([np.nan if accuracy is None else max(1 - accuracy, 1e-5) for accuracy in accuracies])
    axes.step(numbers, np.fmin.accumulate(errors), where="post", color=ORANGE, label="best so far")
    axes.scatter(numbers, errors, s=36, color=BLUE, linewidths=0, label="a trial", zorder=3)
    _epoch_axis(axes, numbers.tolist())
    axes.set_xlabel("trial", color=INK, fontsize=11)
    _accuracy_axis(axes, float(np.nanmax(errors)), float(np.nanmin(errors)))
    axes.legend(frameon=False, labelcolor=INK, fontsize=11, loc="lower right")
    return svg(figure, f"Accuracy of {len(accuracies)} trials; the best has {1 - np.nanmin(errors):.2%}")


def reliability(diagram: Reliability) -> str:
    """SVG of a reliability diagram: how often the model is right against how sure it is, a dot a bin.

    Both scales are those of errors, as in `costs`: nearly all answers are surer than 99 %.
    """
    figure = new_figure(width=380, height=320)
    axes = figure.add_subplot()
    doubt, wrong = (
        np.array([max(1 - value, 0.5 / one.images) for one in diagram.bins for value in [getattr(one, name)]])
        for name in ("confidence", "accuracy")
    )
    most, least = float(max(doubt.max(), wrong.max())), float(min(doubt.min(), wrong.min()))
    axes.plot([most, least], [most, least], color=INK, linewidth=1, linestyle=(0, (4, 3)), label="as sure as right")
    axes.plot(doubt, wrong, color=BLUE, marker="o", label="answers")
    _share_axis(axes, "confidence", most, least)
    _accuracy_axis(axes, most, least)
    axes.legend(frameon=False, labelcolor=INK, fontsize=11, loc="lower right")
    return svg(figure, f"Accuracy against confidence; on average they are {diagram.error:.2%} apart")


def review(found: Calibration) -> str:
    """SVG of the share that is read right of what nobody reviews, against the share that is reviewed."""
    from matplotlib.ticker import PercentFormatter

    figure = new_figure(width=380, height=320)
    axes = figure.add_subplot()
    reviewed = np.array(found.below) / found.images
    left = found.images - np.array(found.below)
    errors = np.clip(np.array(found.wrong) / left, 0.5 / found.images, 1)
    seen = reviewed <= MOST_REVIEWED
    bound = np.array(found.wrong_at_most)[seen]
    axes.plot(reviewed[seen], errors[seen], color=BLUE, label="on validation")
    axes.plot(reviewed[seen], bound, color=ORANGE, linestyle="--", label="at least (95 %)")
    _accuracy_axis(axes, float(bound.max()), float(errors[seen].min()))
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1))
    axes.set_xlabel("share reviewed, the least sure first", color=INK, fontsize=11)
    axes.legend(frameon=False, labelcolor=INK, fontsize=11, loc="lower right")
    return svg(figure, f"Accuracy of the rest against the share reviewed: {1 - errors[0]:.2%} without a review")


def digit(image: np.ndarray) -> str:
    """PNG of one digit as a `data:` address, a pixel a pixel: the page enlarges it, and keeps its edges sharp.

    image: uint8 (28, 28), 0–255.
    """
    return _png(np.dstack([image] * 3))


def explained(image: np.ndarray, why: np.ndarray) -> str:
    """As `digit`, what speaks for the answer tinted orange, the more, the stronger.

    image: uint8 (28, 28). why: float (28, 28), relative to its highest; what is below 0 is not tinted.
    """
    strength = np.clip(why / max(float(why.max()), 1e-6), 0, 1)[..., None] * 0.75
    orange = np.array([int(ORANGE[at : at + 2], 16) for at in (1, 3, 5)])
    return _png(np.rint(image[..., None] * (1 - strength) + orange * strength).astype(np.uint8))


def _png(pixels: np.ndarray) -> str:
    """uint8 (height, width, 3) as a `data:` address."""
    from matplotlib.image import imsave

    png = io.BytesIO()
    imsave(png, pixels, format="png", metadata={"Software": ""})
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"


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
    plain(axes, MEASURES[measure])


def _share_axis(axes: "Axes", label: str, most: float, least: float) -> None:
    """Along the chart, what is scaled as `_accuracy_axis` does upwards."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_xlabel(label, color=INK, fontsize=11)
    axes.set_xscale("log")
    axes.set_xlim(min(1.25 * most, 1), least / 1.25)
    axes.xaxis.set_major_locator(LogLocator(subs=(1,), numticks=20))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda doubt, _: f"{100 - 100 * doubt:.4g}%"))
    axes.xaxis.set_minor_locator(NullLocator())


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
    plain(axes, MEASURES["accuracy"])


def _log_axis(axes: "Axes", label: str, values: np.ndarray) -> None:
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    axes.set_xlabel(label, color=INK, fontsize=11)
    axes.set_xscale("log")
    axes.set_xlim(values.min() / 1.6, values.max() * 1.6)
    subs = (1, 3) if values.max() > 15 * values.min() else (1, 2, 5)
    axes.xaxis.set_major_locator(LogLocator(subs=subs, numticks=20))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axes.xaxis.set_minor_locator(NullLocator())


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
