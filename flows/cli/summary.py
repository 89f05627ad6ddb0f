"""The few lines that a command prints at the end of a run."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flows.cli.terminal import percent
from tasks.data.metrics import PreparedMetrics, ValidationMetrics
from tasks.judging.evaluation import Evaluation
from tasks.models.packaged import FIRST, PackageMetrics
from tasks.reports.tuning import Tuned
from tasks.store import Artifact

LISTED = 20  # answers, at most, that are printed
FEWEST = 30  # labels that an accuracy is told of

if TYPE_CHECKING:
    from flows.training import Trained
    from tasks.scoring.scores import ScoresMetrics


def train_summary(data: str, trained: "Trained") -> str:
    """Return data (as the call named it), verdict, accuracy, champion or not and why, and where to look."""
    lines = {
        "data": _data(data, trained.prepared),
        "validation": _validation(trained.validation),
        "accuracy": _accuracy(trained.evaluation),
        "model": _model(trained.evaluation),
        "package": _package(trained.package),
        "cascade": str(trained.package.measured(PackageMetrics).cascade),
        "champion": f"{'yes' if trained.decision.promoted else 'no'}: {trained.decision.because}",
        "report": str(trained.report.path / "report.html"),
        "submission": str(trained.scores.path / "submission.csv")
        if trained.scores
        else "none: the data have no test part",
    }
    return "\n".join(f"{name:<11} {line}" for name, line in lines.items())


def score_summary(scores: Artifact, output: str | None, seconds: float) -> str:
    """Return the answers where they are few, rows, classes, what to review, what that leaves wrong, and where to look.

    output: as the call named it. seconds: what it took, from the first row to the last file.
    """
    from tasks.scoring import outputs
    from tasks.scoring.scores import ScoresMetrics

    metrics = scores.measured(ScoresMetrics)
    seen = scores.path / outputs.SEEN_SHEET
    lines = {
        "rows": _rows(metrics, seconds),
        "classes": "  ".join(f"{label}: {count:,}" for label, count in enumerate(metrics.class_counts)),
        "learned": _learned(metrics),
        "accuracy": _known(metrics),
        "review": _review(metrics),
        "beside": _beside(metrics),
        "drift": str(metrics.drift),
        "submission": str(scores.path / "submission.csv") if output in (None, "-") else str(output),
        "scores": str(scores.path),
        "seen": str(seen) if seen.exists() else None,
    }
    answers = _answers(outputs.answers(scores)) if metrics.rows <= LISTED else []
    return "\n".join([*answers, *(f"{name:<11} {line}" for name, line in lines.items() if line)])


def score_json(scores: Artifact, output: str | None, seconds: float) -> dict[str, Any]:
    """Return what the summary says, and more of it, for programs."""
    from tasks.scoring.outputs import SUBMISSION

    submission = output or str(scores.path / SUBMISSION)
    where = {"scores": scores.name, "folder": str(scores.path), "submission": submission}
    return {**where, "reused": scores.reused, "seconds": round(seconds, 3), "metrics": scores.metrics}


def tune_summary(tuning: Artifact) -> str:
    """Return how many trials there were, how good the best of them is, and how it is run."""
    tuned = tuning.measured(Tuned)
    lines = {
        "trials": f"{tuned.trials}, the best with {percent(tuned.accuracy)} of the validation part",
        "report": str(tuning.path / "report.html"),
        "run it": f"digits run --recipe {tuning.path / 'recipe.json'}",
    }
    return "\n".join(f"{name:<11} {line}" for name, line in lines.items())


def _data(data: str, prepared: Artifact) -> str:
    rows = prepared.measured(PreparedMetrics)
    test = f", {rows.test:,} to score" if rows.test is not None else ""
    by_people = f" ({rows.added:,} added and {rows.relabelled:,} relabelled by people)"
    corrected = by_people if rows.added or rows.relabelled else ""
    return f"{data}: {rows.train:,} digits to learn from{corrected}, {rows.validation:,} to judge by{test}"


def _validation(validation: Artifact) -> str:
    metrics = validation.measured(ValidationMetrics)
    return "; ".join([f"{metrics.verdict} ({metrics.checks} checks)", *metrics.warnings])


def _accuracy(evaluation: Artifact) -> str:
    figures = evaluation.measured(Evaluation)
    low, high = figures.interval
    line = (
        f"{percent(figures.accuracy)} of {figures.images:,} held-out digits "
        f"(95 % sampling interval {percent(low)} to {percent(high)})"
    )
    if figures.test:
        line += f"; {percent(figures.test.accuracy)} of the {figures.test.images:,} labelled test digits"
    return line


def _model(evaluation: Artifact) -> str:
    figures = evaluation.measured(Evaluation)
    if not figures.refitted:
        return "judged: it has not learned from the validation part"
    return f"refitted on the validation part as well; the accuracy is that of its judged twin {figures.judged}"


def _package(package: Artifact) -> str:
    """Return how often each form of the main model agrees with Keras."""
    forms = [item for item in package.measured(PackageMetrics).forms.items() if not item[0].startswith(FIRST)]
    agreements = [f"{name} {percent(check.agreement)}" for name, check in forms if check.accepted]
    refused = [f"; {name} refused, it loses accuracy" for name, check in forms if not check.accepted]
    return f"the same answers as Keras: {', '.join(agreements)}{''.join(refused)}"


def _answers(rows: Iterable[tuple[Any, ...]]) -> list[str]:
    """Return a line for each row: id, answer, confidence, and the reason why it is for review, or has no answer."""
    cells = [(str(name), label, confidence, reason) for name, label, confidence, reason in rows]
    width = max((len(name) for name, *_ in cells), default=0)
    lines = []
    for name, label, confidence, reason in cells:
        answer = "–" if label is None else f"{label}  {percent(confidence)}"
        lines.append("  ".join(filter(None, [f"{name:<{width}}", answer, reason])))
    return lines


def _rows(metrics: "ScoresMetrics", seconds: float) -> str:
    rate = f", {metrics.rows / seconds:,.0f} a second" if seconds and metrics.rows > LISTED else ""
    reused = "" if seconds else ", found, nothing to do"
    aside = f"; {metrics.quarantined:,} set aside in quarantine.csv" if metrics.quarantined else ""
    return f"{metrics.rows:,}{rate}{reused}{aside}"


def _learned(metrics: "ScoresMetrics") -> str | None:
    """Return how many of the images the model has learned from: what it says of those, it knows by heart."""
    if not metrics.learned:
        return None
    share = percent(metrics.learned / metrics.rows)
    return (
        f"{metrics.learned:,} ({share}) of the images, which the model has learned from: no accuracy is given of these"
    )


def _beside(metrics: "ScoresMetrics") -> str | None:
    """Return on how many rows a second package differs, and who is right where that is known."""
    if not (beside := metrics.beside):
        return None
    share = f" ({percent(beside.differ / metrics.rows)})" if metrics.rows else ""
    line = f"{beside.package} answers {beside.differ:,}{share} differently{', in beside.png' if beside.differ else ''}"
    if not metrics.accuracy:
        return line
    return f"{line}; of those with a label it alone reads {beside.only_second:,} right, the other {beside.only_first:,}"


def _known(metrics: "ScoresMetrics") -> str | None:
    """Return the accuracy where the input has labels."""
    accuracy = metrics.accuracy
    if not accuracy:
        return None
    if accuracy.images < FEWEST:
        right = round(accuracy.accuracy * accuracy.images)
        return f"{right} of {accuracy.images} with a label are right: too few for a share"
    low, high = map(percent, accuracy.interval)
    share = percent(accuracy.accuracy)
    return f"{share} of {accuracy.images:,} with a label (95 % sampling interval {low} to {high})"


def _review(metrics: "ScoresMetrics") -> str:
    """Return how many a person should look at, and what validation says of the others, if it says anything."""
    review, expected = metrics.review, metrics.expected
    share = f" ({percent(review / metrics.rows)})" if metrics.rows else ""
    line = f"{review:,}{share} to look at{', in review.csv' if review else ''}"
    if metrics.pictures:
        return f"{line}; how many of the others are wrong is not known of pictures"
    if not expected:
        return line
    wrong, at_most = percent(expected.wrong), percent(expected.wrong_at_most)
    return f"{line}; among the others {wrong} are expected to be wrong, at most {at_most}, as measured on validation"
