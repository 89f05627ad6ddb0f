"""The report on one model: plain data in, one HTML page out that needs nothing but itself.

`Evaluation` is what was measured, `Context` is what it was measured on and with; stage 5, `evaluate.py`, fills both.
Here are the findings, in sentences; the page itself is `report.html`, its pictures come from `figures.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks import words
from tasks.judging.calibration import Calibration
from tasks.judging.overfitting import RISEN, Overfitting
from tasks.judging.robustness import CHANGES, Robustness
from tasks.judging.statistics import Score
from tasks.reports import figures, html
from tasks.words import compared, counted, percent, points

# A mean loss of more than this under everyday changes, in accuracy, is called fragile.
FRAGILE = 0.015
THRESHOLDS = (0.8, 0.9, 0.95, 0.98, 0.99, 0.995)  # of confidence, below which somebody reviews


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
    why: float32 (28, 28), how much each pixel speaks for the answer against the truth.
    """

    id: int
    image: np.ndarray
    truth: int
    predicted: int
    probability_predicted: float
    probability_truth: float
    why: np.ndarray


@dataclass(frozen=True)
class Suspect:
    """An image whose label looks wrong. id, image: as of `Mistake`. predicted: what the model says instead."""

    id: int
    image: np.ndarray
    label: int
    predicted: int


@dataclass(frozen=True)
class Evaluation:
    """What was measured on one model.

    validation: on the images held out for it; all else is about the same images, but for `test`, and for the
        training images of `overfitting`.
    test: on a test part with labels, where there is one.
    loss: mean cross-entropy in nats.
    confusion: int (10, 10), rows are the truth, columns the prediction.
    calibration: of the model's confidence; packaging measures it anew, on the form that scores.
    history: an epoch each (epoch from 1, loss, accuracy, val_loss, val_accuracy); empty where none was kept.
    pairs: the most frequent first. mistakes: the lowest probability_truth first. suspects: the least
        likely label first. None of these need be all there are.
    """

    validation: Score
    test: Score | None
    loss: float
    confusion: np.ndarray
    per_class: Sequence[ClassScore]
    history: Sequence[Mapping[str, float]]
    overfitting: Overfitting
    robustness: Robustness
    calibration: Calibration
    pairs: Sequence[ConfusedPair]
    mistakes: Sequence[Mistake]
    suspects: Sequence[Suspect]

    @property
    def mistaken(self) -> int:
        """Images read wrong, those that are not shown included."""
        return int(self.confusion.sum() - np.trace(self.confusion))


@dataclass(frozen=True)
class Split:
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
    parts: Sequence[Split]
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

    judged: name of the model that the figures are of, where the packaged one is refitted: it has learned from the
        validation part as well.
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
    judged: str | None = None


def render(evaluation: Evaluation, context: Context) -> str:
    """The report as one HTML page, which loads nothing from anywhere."""
    measures = figures.MEASURES if evaluation.history else ()
    return html.render(
        "report.html",
        title=context.title,
        headline=headline(evaluation.validation),
        findings=findings(evaluation, context.judged),
        evaluation=evaluation,
        context=context,
        weakest=weakest(evaluation.per_class),
        changes=CHANGES,
        curves=[figures.curve(evaluation.history, measure) for measure in measures],
        matrix=figures.confusion(evaluation.confusion),
        reliability=figures.reliability(evaluation.calibration.after),
        review=figures.review(evaluation.calibration),
        reviewed=[(threshold, evaluation.calibration.at(threshold)) for threshold in THRESHOLDS],
        parameters=dict(words.flat(context.parameters)),
        reproduce=context.reproduce,
        commit=context.commit,
        versions=context.versions,
    )


def headline(score: Score) -> str:
    """The verdict in one sentence."""
    return (
        f"{percent(score.accuracy)} of {counted(score.images, 'held-out image')} "
        f"{'is' if score.images == 1 else 'are'} read right ({_interval(score)})."
    )


def findings(evaluation: Evaluation, judged: str | None = None) -> list[str]:
    """What else a reader should know first, in sentences. judged: as in `Context`."""
    return [
        *([_refitted(judged)] if judged else []),
        _mistakes(evaluation),
        overfits(evaluation.overfitting),
        robust(evaluation.robustness),
        *([_test(evaluation.test)] if evaluation.test else []),
    ]


def _refitted(judged: str) -> str:
    return (
        "This model is refitted: it has learned from the validation part as well, so nothing is left to judge it by. "
        f"Every figure here is that of {judged}, the same recipe fitted on the training part alone."
    )


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


def _interval(score: Score) -> str:
    """`95 % interval: 97.82 % to 99.31 %`."""
    low, high = score.interval
    return f"95\u00a0% interval: {percent(low)} to {percent(high)}"


def _test(score: Score) -> str:
    return (
        f"On the test part, {counted(score.images, 'image')} that played no part in any choice, "
        f"{percent(score.accuracy)} are read right ({_interval(score)})."
    )


def overfits(found: Overfitting) -> str:
    """Whether the model has learned its training images by heart, by how much, and since when."""
    verdict = {"none": "No sign of overfitting", "slight": "It overfits slightly", "clear": "It overfits"}
    return (
        f"{verdict[found.verdict]}: {percent(found.training.accuracy)} of "
        f"{counted(found.training.images, 'training image')} are read right, {compared(found.gap)} of the validation "
        f"images; up to {points(found.noise)} may be chance.{_beginning(found)}"
    )


def _beginning(found: Overfitting) -> str:
    overfitted = found.verdict != "none"
    if not found.begins:
        return " Since when, its history does not show." if overfitted else ""
    shows = (
        f"validation loss is more than {percent(RISEN - 1, 0)} above its lowest"
        if found.begins == found.risen_from
        else "training accuracy is above validation accuracy by more than that"
    )
    kept = "" if overfitted else ", but the model that was kept does not overfit"
    return f" From epoch {found.begins} on {shows}{kept}."


def robust(found: Robustness) -> str:
    """How much everyday changes of the images matter."""
    loss = found.clean - found.mean
    return (
        f"{'It is fragile' if loss > FRAGILE else 'It is robust'}: under everyday changes of the images "
        f"{percent(found.mean)} are read right on average, {compared(-loss)} unchanged; "
        f"the fewest under {found.worst}, {percent(found.changes[found.worst])}."
    )


def weakest(scores: Sequence[ClassScore]) -> ClassScore | None:
    """The digit with the lowest F1; None where all are perfect or none has images to judge it by."""
    known = [score for score in scores if score.support and score.f1 is not None and score.f1 < 1]
    return min(known, key=lambda score: score.f1 or 0, default=None)
