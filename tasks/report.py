"""The report on one model: plain data in, one HTML page out that needs nothing but itself.

`Evaluation` is what was measured, `Context` is what it was measured on and with; stage 5, `evaluate.py`, fills both.
Here are the words and the numbers' form; the page itself is `report.html`, its pictures come from `figures.py`.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from tasks import figures

# A gap of less than this between training and validation accuracy is called slight.
SLIGHT = 0.01
# Validation loss wobbles from epoch to epoch; a rise is told of from this ratio to its lowest value on.
RISEN = 1.1


@dataclass(frozen=True)
class ClassScore:
    """How well one digit is read: shares 0–1, None where there was nothing to divide by.

    support: images whose truth is this digit.
    """

    label: int
    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclass(frozen=True)
class ConfusedPair:
    """A digit that was read as another one, how often, and some of those images: uint8 (k, 28, 28), 0–255."""

    truth: int
    predicted: int
    count: int
    examples: np.ndarray


@dataclass(frozen=True)
class Mistake:
    """One image that was read wrong.

    id: the row of the source, counted from 1. image: uint8 (28, 28), 0–255.
    probability_predicted, probability_truth: what the model gave to its own answer and to the right one, 0–1.
    """

    id: int
    image: np.ndarray
    truth: int
    predicted: int
    probability_predicted: float
    probability_truth: float


@dataclass(frozen=True)
class Score:
    """Share of images read right, 0–1, with its 95 % interval (Wilson)."""

    images: int
    accuracy: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Evaluation:
    """What was measured on one model.

    validation: on the images held out for it; all else but `test` is about the same images.
    test: on a test part with labels, where there is one.
    loss: mean cross-entropy in nats.
    confusion: int (10, 10), rows are the truth, columns the prediction.
    history: an epoch each (epoch from 1, loss, accuracy, val_loss, val_accuracy); empty where none was kept.
    pairs: the most frequent first. mistakes: the lowest probability_truth first. Neither need be all there are.
    """

    validation: Score
    test: Score | None
    loss: float
    confusion: np.ndarray
    per_class: Sequence[ClassScore]
    history: Sequence[Mapping[str, float]]
    pairs: Sequence[ConfusedPair]
    mistakes: Sequence[Mistake]

    @property
    def mistaken(self) -> int:
        """Images read wrong, those that are not shown included."""
        return int(self.confusion.sum() - np.trace(self.confusion))


@dataclass(frozen=True)
class Part:
    """One part of the data. classes: images of each digit, 0 to 9; None where the labels are not known."""

    name: str
    rows: int
    classes: Sequence[int] | None


@dataclass(frozen=True)
class DataFacts:
    """What the model was made from.

    duplicates: rows that repeat an earlier image. quarantined: rows left out because they break a rule.
    docs: where the Data Docs lie, as a path relative to the report.
    """

    source: str
    parts: Sequence[Part]
    duplicates: int
    quarantined: int
    warnings: Sequence[str]
    docs: str | None


@dataclass(frozen=True)
class Ancestor:
    """An artifact that the report rests on. name: `kind/id`. created: ISO 8601. seconds: wall time of its making."""

    name: str
    created: str
    seconds: float


@dataclass(frozen=True)
class Context:
    """What stands around the figures.

    parameters: of the recipe; may be nested. lineage: from the source to the model.
    reproduce: the command that makes this again. created: ISO 8601.
    """

    title: str
    recipe: str
    parameters: Mapping[str, Any]
    data: DataFacts
    lineage: Sequence[Ancestor]
    versions: Mapping[str, str]
    commit: str | None
    reproduce: str
    created: str


def render(evaluation: Evaluation, context: Context) -> str:
    """The report as one HTML page, which loads nothing from anywhere."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters |= {
        "percent": percent,
        "decimal": decimal,
        "counted": counted,
        "duration": duration,
        "moment": moment,
        "digit": figures.digit,
    }
    measures = figures.MEASURES if evaluation.history else ()
    return pages.get_template("report.html").render(
        evaluation=evaluation,
        context=context,
        headline=headline(evaluation.validation),
        findings=findings(evaluation),
        weakest=weakest(evaluation.per_class),
        parameters=dict(flat(context.parameters)),
        curves=[Markup(figures.curve(evaluation.history, measure)) for measure in measures],
        matrix=Markup(figures.confusion(evaluation.confusion)),
    )


def headline(score: Score) -> str:
    """The verdict in one sentence."""
    return (
        f"{percent(score.accuracy)} of {counted(score.images, 'held-out image')} "
        f"{'is' if score.images == 1 else 'are'} read right ({interval(score)})."
    )


def findings(evaluation: Evaluation) -> list[str]:
    """What else a reader should know first, in sentences."""
    return [
        _mistakes(evaluation),
        overfitting(evaluation.history, evaluation.validation),
        *([_test(evaluation.test)] if evaluation.test else []),
    ]


def _mistakes(evaluation: Evaluation) -> str:
    if not evaluation.mistaken:
        return "Not one image is read wrong."
    start = f"{counted(evaluation.mistaken, 'image')} {'is' if evaluation.mistaken == 1 else 'are'} read wrong"
    first = evaluation.pairs[0]
    if first.count == 1:
        return f"{start}; no two digits are confused more than once."
    off_diagonal = evaluation.confusion[~np.eye(len(evaluation.confusion), dtype=bool)]
    others = int((off_diagonal == first.count).sum()) - 1
    and_others = f", as often as {counted(others, 'other pair')}" if others else ""
    return f"{start}; most often {first.truth} is taken for {first.predicted} ({first.count:,} times{and_others})."


def _test(score: Score) -> str:
    return (
        f"On the test part, {counted(score.images, 'image')} that played no part in any choice, "
        f"{percent(score.accuracy)} are read right ({interval(score)})."
    )


def overfitting(history: Sequence[Mapping[str, float]], validation: Score) -> str:
    """Whether the model has learned its training images by heart, as far as the last epoch tells."""
    if not history:
        return "Whether it overfits is unknown: no history of the training was kept."
    training, judged = history[-1]["accuracy"], history[-1]["val_accuracy"]
    gap = training - judged
    if not math.isfinite(gap):
        return "Whether it overfits is unknown: the last epoch has no accuracy."
    noise = (validation.interval[1] - validation.interval[0]) / 2
    verdict = "No sign of overfitting"
    if gap > noise:
        verdict = "It overfits slightly" if gap < SLIGHT else "It overfits"
    return (
        f"{verdict}: at the last epoch the accuracy is {percent(training)} in training and {percent(judged)} on the "
        f"validation images, whose sampling noise is ±{points(noise)}. {_rise(history)}"
        f"Training accuracy is measured under augmentation and dropout, which lower it: a gap shows overfitting, "
        f"no gap does not rule it out."
    )


def _rise(history: Sequence[Mapping[str, float]]) -> str:
    best = min(history, key=lambda epoch: epoch["val_loss"])
    last = history[-1]
    if not last["val_loss"] > RISEN * best["val_loss"]:
        return ""
    return (
        f"Validation loss was lowest at epoch {best['epoch']:.0f} ({best['val_loss']:.3g}) and has risen to "
        f"{last['val_loss']:.3g}: fewer epochs might do. "
    )


def weakest(scores: Sequence[ClassScore]) -> ClassScore | None:
    """The digit with the lowest F1; None where all are perfect or none has images to judge it by."""
    known = [score for score in scores if score.support and score.f1 is not None and score.f1 < 1]
    return min(known, key=lambda score: score.f1 or 0, default=None)


def flat(parameters: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The parameters, nested ones by dotted names."""
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def percent(share: float | None, decimals: int = 2) -> str:
    """A share 0–1 in per cent; never rounded to all or nothing where it is not."""
    if share is None or not math.isfinite(share):
        return "–"
    if share in (0, 1):
        return f"{share:.0%}".replace("%", "\u00a0%")
    least = 10 ** -(decimals + 2)
    sign = "<" if share < least / 2 else ">" if share > 1 - least / 2 else ""
    shown = min(max(share, least), 1 - least) if sign else share
    return f"{sign}{100 * shown:.{decimals}f}\u00a0%"


def decimal(value: float) -> str:
    """A number with four decimals."""
    return f"{value:.4f}" if math.isfinite(value) else "–"


def points(share: float) -> str:
    """A difference of shares in percentage points."""
    return f"{100 * share:.2f}\u00a0points"


def interval(score: Score) -> str:
    """`95 % interval: 97.82 % to 99.31 %`."""
    low, high = score.interval
    return f"95\u00a0% interval: {percent(low)} to {percent(high)}"


def counted(count: int, noun: str) -> str:
    """`1 image`, `2,000 images`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `2 min 5 s`."""
    if seconds < 10:
        return f"{seconds:.1f}\u00a0s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}\u00a0min {rest}\u00a0s" if minutes else f"{rest}\u00a0s"


def moment(iso: str) -> str:
    """A time of ISO 8601, to the minute, in UTC."""
    return f"{datetime.fromisoformat(iso).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
