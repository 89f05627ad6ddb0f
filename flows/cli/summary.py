"""What a person is told at the end of a run, in a few lines."""

from typing import TYPE_CHECKING, Any

from tasks.models.packaged import PackageMetrics
from tasks.store import Artifact

if TYPE_CHECKING:
    from flows.training import Trained


def train_summary(data: str, trained: "Trained") -> str:
    """Data (as the call named it), verdict, accuracy, champion or not and why, and where to look."""
    lines = {
        "data": _data(data, trained.prepared),
        "validation": _validation(trained.validation),
        "accuracy": _accuracy(trained.evaluation),
        "model": _model(trained.evaluation),
        "package": _package(trained.package),
        "champion": f"{'yes' if trained.decision.promoted else 'no'}: {trained.decision.because}",
        "report": str(trained.report.path / "report.html"),
        "submission": str(trained.scores.path / "submission.csv")
        if trained.scores
        else "none: the data have no test part",
    }
    return "\n".join(f"{name:<11} {line}" for name, line in lines.items())


def score_summary(scores: Artifact, output: str | None, seconds: float) -> str:
    """Rows, classes, what to review and what that leaves wrong, drift, and where to look.

    output: as the call named it. seconds: what it took, from the first row to the last file.
    """
    found = scores.metrics
    lines = {
        "rows": _rows(found, seconds),
        "classes": "  ".join(f"{label}: {count:,}" for label, count in enumerate(found["class_counts"])),
        "accuracy": _known(found),
        "review": _review(found),
        "drift": _drift(found["drift"]),
        "submission": str(scores.path / "submission.csv") if output in (None, "-") else str(output),
        "scores": str(scores.path),
    }
    return "\n".join(f"{name:<11} {line}" for name, line in lines.items() if line)


def tune_summary(tuning: Artifact) -> str:
    """How many trials, how good the best of them is, and how it is run."""
    found = tuning.metrics
    lines = {
        "trials": f"{found['trials']}, the best with {found['accuracy']:.2%} of the validation part",
        "report": str(tuning.path / "report.html"),
        "run it": f"digits run --recipe {tuning.path / 'recipe.json'}",
    }
    return "\n".join(f"{name:<11} {line}" for name, line in lines.items())


def _data(data: str, prepared: Artifact) -> str:
    rows = prepared.metrics
    test = f", {rows['test']:,} to score" if "test" in rows else ""
    return f"{data}: {rows['train']:,} digits to learn from, {rows['validation']:,} to judge by{test}"


def _validation(validation: Artifact) -> str:
    found = validation.metrics
    return "; ".join([f"{found['verdict']} ({found['checks']} checks)", *found["warnings"]])


def _accuracy(evaluation: Artifact) -> str:
    found = evaluation.metrics
    low, high = found["interval"]
    line = (
        f"{found['accuracy']:.2%} of {found['images']:,} held-out digits "
        f"(95 % sampling interval {low:.2%} to {high:.2%})"
    )
    if found["test"]:
        line += f"; {found['test']['accuracy']:.2%} of the {found['test']['images']:,} labelled test digits"
    return line


def _model(evaluation: Artifact) -> str:
    if not evaluation.metrics["refitted"]:
        return "judged: it has not learned from the validation part"
    twin = evaluation.metrics["judged"]
    return f"refitted on the validation part as well; the accuracy is that of its judged twin {twin}"


def _package(package: Artifact) -> str:
    metrics = package.measured(PackageMetrics)
    agreement = metrics.forms[metrics.default].agreement
    refused = [name for name, check in metrics.forms.items() if not check.accepted]
    return (
        f"{metrics.default}, {agreement:.2%} the same answers as Keras"
        f"{''.join(f'; {name} refused, it loses too much' for name in refused)}"
    )


def _rows(found: dict[str, Any], seconds: float) -> str:
    rows = found["rows"]
    rate = f", {rows / seconds:,.0f} a second" if seconds else ", found, nothing to do"
    aside = f"; {found['quarantined']:,} set aside in quarantine.csv" if found["quarantined"] else ""
    return f"{rows:,}{rate}{aside}"


def _known(found: dict[str, Any]) -> str | None:
    """Where the input has labels."""
    if not found["accuracy"]:
        return None
    low, high = found["accuracy"]["interval"]
    share, images = found["accuracy"]["accuracy"], found["accuracy"]["images"]
    return f"{share:.2%} of {images:,} with a label (95 % sampling interval {low:.2%} to {high:.2%})"


def _review(found: dict[str, Any]) -> str:
    """How many a person should look at, and what validation says of the others."""
    review, expected = found["review"], found["expected"]
    share = f" ({review / found['rows']:.2%})" if found["rows"] else ""
    promise = (
        f"among the others {expected['wrong']:.2%} are expected to be wrong, at most {expected['wrong_at_most']:.2%}"
    )
    where = ", in review.csv" if review else ""
    return f"{review:,}{share} to look at{where}; {promise}, as measured on validation"


def _drift(found: dict[str, Any]) -> str:
    return "; ".join([found["verdict"], *found["reasons"]])
