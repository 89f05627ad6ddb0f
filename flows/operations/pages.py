"""Pages of a run in Prefect's UI beside its tasks: Markdown and a picture, each with the artifact it is about."""

import base64
from typing import Any

from prefect.artifacts import create_image_artifact, create_markdown_artifact

from tasks.data.metrics import ValidationMetrics
from tasks.judging.evaluation import Evaluation
from tasks.registry import Decision
from tasks.reports import history as page
from tasks.reports.history import History
from tasks.reviewing.items import waiting
from tasks.reviewing.publishing import count_new
from tasks.scoring.scores import ScoresMetrics
from tasks.settings import Settings
from tasks.store import Artifact, Store
from tasks.words import counted, in_markdown, percent


def of_validation(validation: Artifact) -> None:
    """Show the verdict, the checks and the warnings."""
    metrics = validation.measured(ValidationMetrics)
    lines = [
        f"**{metrics.verdict}**, {metrics.checks} checks",
        *(f"- {in_markdown(warning)}" for warning in metrics.warnings),
    ]
    _page("validation", validation.name, [*lines, "", f"Data Docs: `{validation.path / 'data_docs' / 'index.html'}`"])


def of_evaluation(evaluation: Artifact) -> None:
    """Show accuracy and the table of classes, and the confusion matrix as a picture."""
    figures = evaluation.measured(Evaluation)
    low, high = figures.interval
    accuracy = f"**{percent(figures.accuracy)}** of {figures.images:,} held-out images ({percent(low)}–{percent(high)})"
    rows = [
        f"| {digit.label} | {percent(digit.precision)} | {percent(digit.recall)} | {digit.support:,} |"
        for digit in figures.per_class
    ]
    table = ["| digit | precision | recall | images |", "| --- | --: | --: | --: |", *rows]
    _page("evaluation", evaluation.name, [accuracy, "", *table])
    create_image_artifact(_confusion(figures.confusion), key="confusion-matrix", description=evaluation.name)


def of_promotion(decision: Decision, report: Artifact) -> None:
    """Show whether a package became champion, and why, and where the report on its model is."""
    verdict = "promoted" if decision.promoted else "not promoted"
    lines = [f"**{verdict}**: {in_markdown(decision.because)}", "", f"Report: `{report.path / 'report.html'}`"]
    _page("promotion", decision.package, lines)


def of_scores(scores: Artifact) -> None:
    """Show how many rows there were, what to review, and whether they have drifted."""
    metrics = scores.measured(ScoresMetrics)
    lines = [
        f"**{counted(metrics.rows, 'row')}**, {metrics.review:,} to review, {metrics.quarantined:,} set aside",
        "",
        f"Drift: {in_markdown(str(metrics.drift))}",
        "",
        *([f"`{beside.package}` answers {beside.differ:,} differently", ""] if (beside := metrics.beside) else []),
        "| digit | rows |",
        "| --- | --: |",
        *(f"| {label} | {count:,} |" for label, count in enumerate(metrics.class_counts)),
        "",
        f"Submission: `{scores.path / 'submission.csv'}`",
    ]
    _page("scores", scores.name, lines)


def of_history(history: History) -> None:
    """Show what scoring did, day by day; the last of these pages holds for all runs."""
    create_markdown_artifact(page.markdown(history), key="history", description="What scoring did, day by day")


def of_reviews(config: Settings) -> None:
    """Show how many answers wait for a person, how to look at them, and what of people's answers is to be learned."""
    store = Store(config.artifacts)
    counts, new = waiting(store, config.data / "reviews"), count_new(store)
    lines = [
        f"**{counted(sum(counts.values()), 'answer')}** to look at.",
        "",
        "| scores | answers | a page for them |",
        "| --- | --: | --- |",
        *(f"| `{name}` | {count:,} | `digits review {name}` |" for name, count in counts.items()),
        "",
        f"No model has learned yet from **{counted(new, 'correction')}**. The deployment `train/corrections` does, "
        "and `digits run --corrections all`.",
    ]
    _page("reviews", "reviews", lines)


def _page(key: str, name: str, lines: list[str]) -> None:
    create_markdown_artifact("\n".join([f"## {name}", "", *lines]), key=key, description=name)


def _confusion(matrix: Any) -> str:
    """Return an address that is the picture itself, which shows wherever the UI runs; on white, for a dark page."""
    import numpy as np

    from tasks.reports import figures

    head, rest = figures.confusion(np.array(matrix)).replace("currentColor", "#1f2937").split(">", 1)
    ground = '<rect width="100%" height="100%" fill="#fff"/>'
    picture = f'{head} font-family="sans-serif">{ground}{rest}'
    return f"data:image/svg+xml;base64,{base64.b64encode(picture.encode()).decode()}"
