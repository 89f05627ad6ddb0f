"""The report on one model: figures and pictures in, one HTML page out that needs nothing but itself.

The findings are put into sentences here; the page itself is `report.html`, and its charts come from `figures.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from tasks import words
from tasks.judging.evaluation import EXAMPLES, ClassFigures, Evaluation, Pictures
from tasks.judging.overfitting import RISEN, Overfitting
from tasks.judging.robustness import CHANGES, Robustness
from tasks.judging.statistics import Accuracy
from tasks.reports import figures, html
from tasks.store import Manifest
from tasks.words import compared, counted, percent, points

# A model that loses more accuracy than this under everyday changes, on average, is called fragile.
FRAGILE = 0.015
THRESHOLDS = (0.8, 0.9, 0.95, 0.98, 0.99, 0.995)  # of confidence, below which a person reviews


@dataclass(frozen=True)
class Promotion:
    """The decision on the model's package.

    package, champion: names of the two; champion is None where there was none to compare with.
    by: `gate`, `person` or `rollback`. because: the decisive reason. reasons: all of them.
    """

    package: str
    promoted: bool
    champion: str | None
    by: str
    because: str
    reasons: Sequence[str]


@dataclass(frozen=True)
class Context:
    """The surroundings of the figures.

    source: of the data. rows: in each part of them. duplicates: rows that repeat an earlier image.
    quarantined: rows left out because they break a rule. docs: path of the Data Docs, relative to the report.
    model: the manifest of the evaluated model. lineage: those from the source to the model.
    cascade: what the package's first reader promises, or why it has none.
    reproduce: the command that makes this again. created: ISO 8601.
    """

    source: str
    rows: Mapping[str, int]
    duplicates: int
    quarantined: int
    warnings: Sequence[str]
    docs: str
    model: Manifest
    lineage: Sequence[Manifest]
    cascade: str
    reproduce: str
    created: str


def render(
    evaluation: Evaluation,
    pictures: Pictures,
    epochs: Sequence[Mapping[str, float]],
    context: Context,
    promotion: Promotion,
) -> str:
    """Return the report as one HTML page, which loads nothing from anywhere.

    epochs: of the fit, each with epoch (from 1), loss, accuracy, val_loss and val_accuracy; empty where none were kept.
    """
    recipe = context.model.parameters["name"]
    examples = iter(pictures.pairs)
    return html.render(
        "report.html",
        title=f"{recipe} on {Path(context.source).name}",
        headline=headline(evaluation.validation),
        findings=findings(evaluation),
        evaluation=evaluation,
        pictures=pictures,
        context=context,
        recipe=recipe,
        promotion=promotion,
        weakest=weakest(evaluation.per_class),
        pairs=[(pair, list(islice(examples, min(pair.count, EXAMPLES)))) for pair in evaluation.pairs],
        changes=CHANGES,
        curves=[figures.curve(epochs, measure) for measure in figures.MEASURES] if epochs else [],
        matrix=figures.confusion(np.array(evaluation.confusion)),
        reliability=figures.reliability(evaluation.calibration.after),
        review=figures.review(evaluation.calibration),
        reviewed=[(threshold, evaluation.calibration.at(threshold)) for threshold in THRESHOLDS],
        parameters=dict(words.flat(context.model.parameters)),
        reproduce=context.reproduce,
        commit=context.model.commit,
        versions=context.model.versions,
    )


def headline(accuracy: Accuracy) -> str:
    """Return the verdict in one sentence."""
    return (
        f"{percent(accuracy.accuracy)} of {counted(accuracy.images, 'held-out image')} {_are(accuracy.images)} "
        f"read right ({_interval(accuracy)})."
    )


def findings(evaluation: Evaluation) -> list[str]:
    """Return in sentences what else a reader should know first."""
    return [
        *([_refitted(evaluation.judged)] if evaluation.refitted else []),
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
    if not evaluation.mistakes:
        return "Not one image is read wrong."
    start = f"{counted(evaluation.mistakes, 'image')} {_are(evaluation.mistakes)} read wrong"
    first = evaluation.pairs[0]
    if first.count == 1:
        return f"{start}; no two digits are confused more than once."
    confusion = np.array(evaluation.confusion)
    off_diagonal = confusion[~np.eye(len(confusion), dtype=bool)]
    others = int((off_diagonal == first.count).sum()) - 1
    and_others = f", as often as {counted(others, 'other pair')}" if others else ""
    return f"{start}; most often {first.truth} is taken for {first.predicted} ({first.count:,} times{and_others})."


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _interval(accuracy: Accuracy) -> str:
    """Return an interval as in `95 % interval: 97.82 % to 99.31 %`."""
    low, high = accuracy.interval
    return f"95\u00a0% interval: {percent(low)} to {percent(high)}"


def _test(accuracy: Accuracy) -> str:
    return (
        f"On the test part, {counted(accuracy.images, 'image')} that played no part in any choice, "
        f"{percent(accuracy.accuracy)} are read right ({_interval(accuracy)})."
    )


def overfits(signs: Overfitting) -> str:
    """Say whether the model has learned its training images by heart, by how much, and from which epoch on."""
    verdict = {"none": "No sign of overfitting", "slight": "It overfits slightly", "clear": "It overfits"}
    return (
        f"{verdict[signs.verdict]}: {percent(signs.training_accuracy)} of "
        f"{counted(signs.images, 'training image')} {_are(signs.images)} read right, {compared(signs.gap)} of the "
        f"validation images; up to {points(signs.noise)} may be chance.{_beginning(signs)}"
    )


def _beginning(signs: Overfitting) -> str:
    overfitted = signs.verdict != "none"
    if not signs.begins:
        return " Its history does not show from which epoch on." if overfitted else ""
    if signs.begins == signs.risen_from:
        sign = f"validation loss is more than {percent(RISEN - 1, 0)} above its lowest"
    else:
        sign = "training accuracy is above validation accuracy by more than that"
    kept = "" if overfitted else ", but the model that was kept does not overfit"
    return f" From epoch {signs.begins} on {sign}{kept}."


def robust(robustness: Robustness) -> str:
    """Say how much everyday changes of the images matter."""
    loss = robustness.clean - robustness.mean
    worst = robustness.worst
    return (
        f"{'It is fragile' if loss > FRAGILE else 'It is robust'}: under everyday changes of the images "
        f"{percent(robustness.mean)} are read right on average, {compared(-loss)} unchanged; "
        f"the fewest under {worst}, {percent(robustness.changes[worst])}."
    )


def weakest(classes: Sequence[ClassFigures]) -> ClassFigures | None:
    """Return the digit with the lowest F1; None where all are perfect or none has images to judge it by."""
    imperfect = [digit for digit in classes if digit.support and digit.f1 is not None and digit.f1 < 1]
    return min(imperfect, key=lambda digit: digit.f1 or 0, default=None)
