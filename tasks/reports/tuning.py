"""The trials of a tuning: plain data in, CSV or one HTML page out."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks import words
from tasks.reports import figures, html
from tasks.words import counted, percent, points


@dataclass(frozen=True)
class Trial:
    """One trial.

    number: from 1. accuracy: on the validation part, 0–1; None where the trial did not come to its end.
    epochs: validation accuracy by epoch, from 1. values: of the recipe, that were tried. seconds: wall time.
    note: the reason for an early end, in words.
    """

    number: int
    accuracy: float | None
    epochs: Mapping[int, float]
    values: Mapping[str, Any]
    seconds: float | None
    note: str


@dataclass(frozen=True)
class Tuned:
    """The figures of a tuning: its trials, and of the best the accuracy on the validation part and the model's name."""

    trials: int
    accuracy: float
    model: str


@dataclass(frozen=True)
class Tuning:
    """All trials of a recipe on the same data.

    best: parameters of the best trial's recipe. images: of the validation part. importance: share of the variance of
    the accuracy that each value explains (fANOVA), where there are trials enough to tell. created: ISO 8601.
    reproduce: the command that makes this again.
    """

    recipe: str
    best: Mapping[str, Any]
    trials: Sequence[Trial]
    images: int
    prepared: str
    importance: Mapping[str, float]
    created: str
    reproduce: str
    versions: Mapping[str, str]
    commit: str | None


def to_csv(tuning: Tuning) -> str:
    """Return a line for each trial: number, accuracy, epochs run, seconds, note, and each value."""
    names = sorted({name for trial in tuning.trials for name in trial.values})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "accuracy", "epochs", "seconds", "note", *names])
    for trial in tuning.trials:
        values = [trial.values.get(name, "") for name in names]
        writer.writerow([trial.number, trial.accuracy, len(trial.epochs), trial.seconds, trial.note, *values])
    return text.getvalue()


def render(tuning: Tuning) -> str:
    """Return the report as one HTML page, which loads nothing from anywhere."""
    best = _best(tuning)
    return html.render(
        "tuning.html",
        title=f"{tuning.recipe}, tuned",
        headline=f"{percent(best.accuracy)} of {counted(tuning.images, 'held-out image')} in the best of "
        f"{counted(len(tuning.trials), 'trial')}.",
        findings=_findings(tuning, best),
        tuning=tuning,
        best=best,
        best_recipe=dict(words.flat(tuning.best)),
        names=sorted({name for trial in tuning.trials for name in trial.values}),
        chart=figures.trials([trial.accuracy for trial in tuning.trials]),
        reproduce=tuning.reproduce,
        commit=tuning.commit,
        versions=tuning.versions,
    )


def _best(tuning: Tuning) -> Trial:
    return max(tuning.trials, key=lambda trial: -1 if trial.accuracy is None else trial.accuracy)


def _findings(tuning: Tuning, best: Trial) -> list[str]:
    first = tuning.trials[0]
    sentences = [
        "The accuracy of the best of many trials is a little too high: chance has helped it. A fit with another seed "
        "says how good the recipe is."
    ]
    if first.accuracy is not None and best.accuracy is not None and first is not best:
        gain = points(best.accuracy - first.accuracy)
        sentences.insert(0, f"That is {gain} more than the recipe as it was, with which the search began.")
    if tuning.importance:
        name = max(tuning.importance, key=lambda value: tuning.importance[value])
        share = percent(tuning.importance[name], 0)
        sentences.append(f"{name} mattered most: it explains {share} of the differences between the trials.")
    ended = sum(trial.accuracy is None for trial in tuning.trials)
    if ended:
        sentences.append(f"{counted(ended, 'trial')} did not come to the end, most often for being hopeless.")
    return sentences
