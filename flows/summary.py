"""What a person is told at the end of a run, in a few lines."""

from typing import TYPE_CHECKING

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
        "report": str(trained.evaluation.path / "report.html"),
        "submission": str(trained.scores.path / "submission.csv")
        if trained.scores
        else "none: the data have no test part",
    }
    return "\n".join(f"{name:<11} {line}" for name, line in lines.items())


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
    found = package.metrics
    form = found["forms"][found["default"]]
    refused = [name for name, check in found["forms"].items() if not check["accepted"]]
    return (
        f"{found['default']}, {form['agreement']:.2%} the same answers as Keras"
        f"{''.join(f'; {name} refused, it loses too much' for name in refused)}"
    )
