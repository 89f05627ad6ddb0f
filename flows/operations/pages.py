"""What Prefect's UI shows of a run beside its tasks: Markdown and a picture, each with the artifact that it is of."""

import base64
from typing import Any

from prefect.artifacts import create_image_artifact, create_markdown_artifact

from tasks.data.metrics import ValidationMetrics
from tasks.registry import Decision
from tasks.store import Artifact
from tasks.words import percent


def of_validation(made: Artifact) -> None:
    """The verdict, the checks and the warnings."""
    metrics = made.measured(ValidationMetrics)
    lines = [f"**{metrics.verdict}**, {metrics.checks} checks", *(f"- {warning}" for warning in metrics.warnings)]
    _page("validation", made.name, [*lines, "", f"Data Docs: `{made.path / 'data_docs' / 'index.html'}`"])


def of_evaluation(made: Artifact) -> None:
    """Accuracy and the table of classes; the confusion matrix as a picture."""
    found = made.metrics
    low, high = found["interval"]
    accuracy = (
        f"**{percent(found['accuracy'])}** of {found['images']:,} held-out images ({percent(low)}–{percent(high)})"
    )
    rows = [
        f"| {one['label']} | {percent(one['precision'])} | {percent(one['recall'])} | {one['support']:,} |"
        for one in found["per_class"]
    ]
    table = ["| digit | precision | recall | images |", "| --- | --: | --: | --: |", *rows]
    _page("evaluation", made.name, [accuracy, "", *table, "", f"Report: `{made.path / 'report.html'}`"])
    create_image_artifact(_confusion(found["confusion"]), key="confusion-matrix", description=made.name)


def of_promotion(decision: Decision) -> None:
    """Whether a package became champion, and why."""
    verdict = "promoted" if decision.promoted else "not promoted"
    _page("promotion", decision.package, [f"**{verdict}**: {decision.because}"])


def of_scores(made: Artifact) -> None:
    """How many there were, what to review, and whether they have drifted."""
    found = made.metrics
    drift = "; ".join([found["drift"]["verdict"], *found["drift"]["reasons"]])
    lines = [
        f"**{found['rows']:,} rows**, {found['review']:,} to review, {found['quarantined']:,} set aside",
        "",
        f"Drift: {drift}",
        "",
        "| digit | rows |",
        "| --- | --: |",
        *(f"| {label} | {count:,} |" for label, count in enumerate(found["class_counts"])),
        "",
        f"Submission: `{made.path / 'submission.csv'}`",
    ]
    _page("scores", made.name, lines)


def _page(key: str, name: str, lines: list[str]) -> None:
    create_markdown_artifact("\n".join([f"## {name}", "", *lines]), key=key, description=name)


def _confusion(matrix: Any) -> str:
    """An address that is the picture itself, so that it shows wherever the UI runs; on white, for a dark page."""
    import numpy as np

    from tasks.reports import figures

    head, rest = figures.confusion(np.array(matrix)).replace("currentColor", "#1f2937").split(">", 1)
    ground = '<rect width="100%" height="100%" fill="#fff"/>'
    picture = f'{head} font-family="sans-serif">{ground}{rest}'
    return f"data:image/svg+xml;base64,{base64.b64encode(picture.encode()).decode()}"
