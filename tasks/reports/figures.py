"""The pictures of a report, each ready to stand inside an HTML page: charts as SVG, digits as PNG.

A chart has no background, and takes its ink and its font from the page around it, so that it suits light pages and dark
ones. Its colours follow Okabe and Ito's palette, told apart without colour vision, and are never the only
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
from tasks.reports.drawing import BLUE, INK, ORANGE, name_below, new_figure, percent_ticks, plain, svg
from tasks.words import counted, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# For many things in one chart; grey and ink stand for yellow and black, which one of the grounds would swallow.
# There is one marker less than colours, so that only the 57th thing looks like the first.
PALETTE = (ORANGE, BLUE, "#009e73", "#cc79a7", "#e69f00", INK, "#56b4e9", "#8a8f98")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

MARKED_EPOCHS = 30
MOST_REVIEWED = 0.25  # nobody reviews more

MEASURES = {"loss": "Loss", "accuracy": "Accuracy"}


@dataclass(frozen=True)
class Series:
    """One of the things that a chart compares: a line, or dots of one look.

    x: above 0. accuracy: as many, shares 0–1. Values that are not finite, in either, are left out.
    """

    name: str
    x: Sequence[float]
    accuracy: Sequence[float]


def curve(history: Sequence[Mapping[str, float]], measure: str) -> str:
    """Draw a measure per epoch, on the training and on the validation images, as SVG.

    history: for each epoch its `epoch` and the measure of both, e.g. `loss` and `val_loss`; values that are not finite
        leave a gap.
    measure: `loss`, drawn on a logarithmic scale, or `accuracy`, 0–1.
    """
    figure = new_figure(width=380, height=270)
    axes = figure.add_subplot()
    epochs = [int(row["epoch"]) for row in history]
    training = [_finite(row[measure]) for row in history]
    validation = [_finite(row[f"val_{measure}"]) for row in history]
    marker = "o" if len(epochs) <= MARKED_EPOCHS else ""
    axes.plot(epochs, training, color=ORANGE, linestyle="--", marker=marker, markerfacecolor="none", label="training")
    axes.plot(epochs, validation, color=BLUE, marker=marker, label="validation")
    _epoch_axis(axes, epochs)
    _measure_axis(axes, measure, training + validation)
    plain(axes, MEASURES[measure], "epoch")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, labelcolor=INK, fontsize=11)
    return svg(
        figure,
        f"{MEASURES[measure]} per epoch; at the last, epoch {epochs[-1]}, "
        f"training {_spoken(training[-1], measure)}, validation {_spoken(validation[-1], measure)}",
    )


def confusion(matrix: np.ndarray) -> str:
    """Draw a confusion matrix as SVG, with a count in every cell that is not empty.

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
        if count := int(matrix[truth, predicted]):
            size = min(12, 42 / len(str(count)))
            weight = "normal" if truth == predicted else "bold"
            axes.text(predicted, truth, str(count), va="center", ha="center", color=INK, size=size, weight=weight)
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
    """Draw accuracy against the CPU seconds of the fit as SVG: a dot for each seed, a mark for each recipe.

    Both scales are logarithmic, that of accuracy in errors: from 98 to 99 % is as long a way as from 99 to 99.5 %, half
    the errors. A place in the sequence decides the look, here as in `progress`.

    recipes: each with x in CPU seconds. images: how many the accuracy was measured on; it limits the scale.
    """
    figure = new_figure(width=380, height=_height(recipes))
    axes = figure.add_subplot()
    dots = _known(recipes, images)
    for place, (x, errors) in dots.items():
        look: dict[str, Any] = {"color": _color(place), "marker": _marker(place)}
        axes.scatter(x, errors, s=42, alpha=0.85, linewidths=0, label=recipes[place].name, **look)
    x, errors = _all(dots)
    _log_axis(axes, x)
    _accuracy_axis(axes, errors.max(), errors.min())
    plain(axes, "Accuracy", "CPU seconds of the fit")
    name_below(axes)
    means = ", ".join(f"{recipes[place].name} {percent(float(np.nanmean(recipes[place].accuracy)))}" for place in dots)
    return svg(figure, f"Accuracy against the CPU seconds of the fit: {means or 'unknown'}")


def progress(recipes: Sequence[Series], images: int, along: str) -> str:
    """Draw the way of accuracy as SVG, a line for each recipe.

    Accuracy is scaled as in `costs`. The first steps, which are far below all the rest, may lie outside.

    recipes: each with x as `along` says, ascending; empty where the way is not known.
    images: as in `costs`. along: `epoch`, or any other unit, which gets a logarithmic scale.
    """
    figure = new_figure(width=380, height=_height(recipes))
    axes = figure.add_subplot()
    lines = _known(recipes, images)
    for place, (x, errors) in lines.items():
        marked = [*range(0, len(x) - 1, max(len(x) // 8, 1)), len(x) - 1]
        look: dict[str, Any] = {"color": _color(place), "marker": _marker(place), "markersize": 5}
        axes.plot(x, errors, linewidth=1.6, markevery=marked, label=recipes[place].name, **look)
    x, errors = _all(lines)
    best = [errors.min() for _, errors in lines.values()] or [1]
    most = min(3 * max(best), errors.max())
    _accuracy_axis(axes, most, min(best))
    if along == "epoch":
        _epoch_axis(axes, [int(x.min()), int(x.max())])
    else:
        _log_axis(axes, x[errors <= most])
    plain(axes, "Accuracy", along)
    name_below(axes)
    ends = [f"{recipe.name} {_spoken(recipe.accuracy[-1], 'accuracy')}" for recipe in recipes if recipe.accuracy]
    return svg(figure, f"Accuracy by {along}, at the end: {', '.join(ends) or 'unknown'}")


def trials(accuracies: Sequence[float | None]) -> str:
    """Draw the accuracy of each trial of a tuning, in their order, and the best so far, as SVG.

    accuracies: shares 0–1; None for a trial that did not come to its end. At least one is known.
    """
    figure = new_figure(width=560, height=280)
    axes = figure.add_subplot()
    numbers = np.arange(1, len(accuracies) + 1)
    errors = np.array([np.nan if accuracy is None else max(1 - accuracy, 1e-5) for accuracy in accuracies])
    axes.step(numbers, np.fmin.accumulate(errors), where="post", color=ORANGE, label="best so far")
    axes.scatter(numbers, errors, s=36, color=BLUE, linewidths=0, label="a trial", zorder=3)
    _epoch_axis(axes, numbers.tolist())
    _accuracy_axis(axes, float(np.nanmax(errors)), float(np.nanmin(errors)))
    plain(axes, "Accuracy", "trial")
    axes.legend(frameon=False, labelcolor=INK, fontsize=11, loc="lower right")
    return svg(
        figure, f"Accuracy of {counted(len(accuracies), 'trial')}; the best has {percent(1 - np.nanmin(errors))}"
    )


def reliability(diagram: Reliability) -> str:
    """Draw a reliability diagram as SVG: how often the model is right against how sure it is, a dot for each bin.

    Both scales are those of errors, as in `costs`: nearly all answers are surer than 99 %.
    """
    figure = new_figure(width=380, height=320)
    axes = figure.add_subplot()
    doubt = np.array([max(1 - group.confidence, 0.5 / group.images) for group in diagram.bins])
    wrong = np.array([max(1 - group.accuracy, 0.5 / group.images) for group in diagram.bins])
    most, least = float(max(doubt.max(), wrong.max())), float(min(doubt.min(), wrong.min()))
    axes.plot([most, least], [most, least], color=INK, linewidth=1, linestyle=(0, (4, 3)), label="as sure as right")
    axes.plot(doubt, wrong, color=BLUE, marker="o", label="answers")
    _share_axis(axes, most, least)
    _accuracy_axis(axes, most, least)
    plain(axes, "Accuracy", "confidence")
    axes.legend(frameon=False, labelcolor=INK, fontsize=11, loc="lower right")
    return svg(figure, f"Accuracy against confidence; on average they are {percent(diagram.error)} apart")


def review(calibration: Calibration) -> str:
    """Draw as SVG the share read right among the images that nobody reviews, against the share that is reviewed."""
    figure = new_figure(width=380, height=320)
    axes = figure.add_subplot()
    reviewed = np.array(calibration.below) / calibration.images
    left = calibration.images - np.array(calibration.below)
    errors = np.clip(np.array(calibration.wrong) / left, 0.5 / calibration.images, 1)
    shown = reviewed <= MOST_REVIEWED
    bound = np.array(calibration.wrong_at_most)[shown]
    axes.plot(reviewed[shown], errors[shown], color=BLUE, label="on validation")
    axes.plot(reviewed[shown], bound, color=ORANGE, linestyle="--", label="at least (95\u00a0%)")
    _accuracy_axis(axes, float(bound.max()), float(errors[shown].min()))
    axes.xaxis.set_major_formatter(percent_ticks())
    plain(axes, "Accuracy", "share reviewed, the least sure first")
    axes.legend(frameon=False, labelcolor=INK, fontsize=11, loc="lower right")
    return svg(figure, f"Accuracy of the rest against the share reviewed: {percent(1 - errors[0])} without a review")


def digit(image: np.ndarray) -> str:
    """Return the PNG of one digit as a `data:` address; the page enlarges it, and keeps the edges of its pixels sharp.

    image: uint8 (28, 28), 0–255.
    """
    return _png(np.dstack([image] * 3))


def explained(image: np.ndarray, reasons: np.ndarray) -> str:
    """Return the PNG of a digit as `digit` does, tinted orange where it speaks for the answer: the more, the stronger.

    image: uint8 (28, 28). reasons: float (28, 28), relative to their highest; nothing below 0 is tinted.
    """
    strength = 0.75 * np.clip(reasons / max(float(reasons.max()), 1e-6), 0, 1)[..., None]
    orange = np.array([int(ORANGE[at : at + 2], 16) for at in (1, 3, 5)])
    tinted = image[..., None] * (1 - strength) + orange * strength
    return _png(np.rint(tinted).astype(np.uint8))


def _png(pixels: np.ndarray) -> str:
    """Return pixels, uint8 (height, width, 3), as a `data:` address."""
    from matplotlib.image import imsave

    png = io.BytesIO()
    imsave(png, pixels, format="png", metadata={"Software": ""})
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"


def _height(recipes: Sequence[Series]) -> int:
    """Return the height of a chart with the names of recipes below it, in pixels."""
    return 300 + 20 * -(-len(recipes) // 2)


def _epoch_axis(axes: "Axes", epochs: Sequence[int]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))


def _measure_axis(axes: "Axes", measure: str, values: Sequence[float]) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator, StrMethodFormatter

    if measure == "accuracy":
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
        axes.yaxis.set_major_formatter(percent_ticks())
    elif any(value > 0 for value in values):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def _share_axis(axes: "Axes", most: float, least: float) -> None:
    """Scale the horizontal axis as `_accuracy_axis` does the vertical one."""
    from matplotlib.ticker import LogLocator

    axes.set_xlim(min(1.25 * most, 1), least / 1.25)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1,), numticks=20))
    axes.xaxis.set_major_formatter(percent_ticks(of_errors=True))


def _accuracy_axis(axes: "Axes", most: float, least: float) -> None:
    """Scale the vertical axis by the logarithm of errors, few of them on top, each called by its accuracy.

    most, least: shares of errors to be seen, above 0.
    """
    from matplotlib.ticker import LogLocator

    axes.set_ylim(min(1.25 * most, 1), least / 1.25)
    axes.set_yscale("log")  # last: a scale chooses limits, with a warning where all is a power of ten
    subs = (1, 1.5, 2, 3, 5, 7) if most < 30 * least else (1, 2, 5)
    axes.yaxis.set_major_locator(LogLocator(subs=subs, numticks=20))
    axes.yaxis.set_major_formatter(percent_ticks(of_errors=True))


def _log_axis(axes: "Axes", values: np.ndarray) -> None:
    from matplotlib.ticker import LogLocator, StrMethodFormatter

    axes.set_xlim(values.min() / 1.6, values.max() * 1.6)
    axes.set_xscale("log")
    subs = (1, 3) if values.max() > 15 * values.min() else (1, 2, 5)
    axes.xaxis.set_major_locator(LogLocator(subs=subs, numticks=20))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))


def _known(recipes: Sequence[Series], images: int) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Return x and the share of errors, at least half an image, of each series with known values, by its place."""
    known = {}
    for place, recipe in enumerate(recipes):
        x, errors = np.asarray(recipe.x, float), 1 - np.asarray(recipe.accuracy, float)
        finite = np.isfinite(x) & (x > 0) & np.isfinite(errors)
        if finite.any():
            known[place] = x[finite], errors[finite].clip(0.5 / images, 1)
    return known


def _all(known: Mapping[int, tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Return every x and every share of errors; 1 where there is none, for an empty chart to have axes."""
    x, errors = np.hstack([np.array(pair) for pair in known.values()] or [np.ones((2, 1))])
    return x, errors


def _color(place: int) -> str:
    return PALETTE[place % len(PALETTE)]


def _marker(place: int) -> str:
    return MARKERS[place % len(MARKERS)]


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.nan


def _spoken(value: float, measure: str) -> str:
    if not math.isfinite(value):
        return "unknown"
    return percent(value) if measure == "accuracy" else f"{value:.3g}"
