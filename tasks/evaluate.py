"""Stage 5, evaluate: what a model gets right and wrong on the validation part, which it has not learned from.

Makes an `evaluation`: metrics.json, report.html, one self-contained page, and answers.parquet, what the model answered
to each image. Where the test part has labels they are reported on, once; nothing is ever chosen by them. Of a refitted
model, which nothing is left to judge by, everything here is that of its judged twin, and the page says so.
"""

import json
import math
import shlex
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from tasks.data import digits
from tasks.data.digits import CLASSES, Digits
from tasks.data.expectations import Limits
from tasks.judging import answers, calibration, label_errors, overfitting, robustness
from tasks.judging.answers import Answers
from tasks.judging.occlusion import occlusion
from tasks.judging.overfitting import Overfitting
from tasks.judging.robustness import Robustness
from tasks.judging.statistics import Score, score
from tasks.models.fitted import is_refitted, judged_twin, load, predict
from tasks.reports.report import (
    Ancestor,
    ClassScore,
    ConfusedPair,
    Context,
    DataFacts,
    Evaluation,
    Mistake,
    Split,
    Suspect,
    render,
)
from tasks.stage import stage
from tasks.store import Artifact, Draft, Store, lineage
from tasks.training import recipes, resuming

SMALLEST = np.finfo(np.float32).tiny
WORST = 24  # mistakes that the report shows
SUSPECTS = 12  # labels that look wrong
PAIRS = 6  # most confused pairs that it shows, with so many EXAMPLES each
EXAMPLES = 6
# Enough for a standard error of 0.2 to 0.3 points; all of them, changed in ten ways, would cost more than all the rest.
CHANGED = 2000
TRAINING = 4000  # images that were learned from, at most as many as are judged by


def evaluate(store: Store, model: Artifact, prepared: Artifact, *, fresh: bool = False) -> Artifact:
    """The evaluation of a model on the data that it was fitted on the training part of."""

    def build(draft: Draft) -> dict[str, Any]:
        measured = judged_twin(store, model)
        fitted = load(measured.file("model.keras"))
        judging = digits.read(prepared.path / "validation.parquet")
        answered = Answers.to(judging, predict(fitted, judging.images))
        answers.write(draft.folder / "answers.parquet", answered)
        evaluation = measure(
            judging.images,
            answered,
            resuming.read_history(measured.path / "history.csv"),
            read=lambda images: predict(fitted, images),
            training=_training(fitted, prepared, most=min(TRAINING, len(judging))),
            robustness=_robustness(fitted, spread(judging, CHANGED)),
            test=_test(fitted, prepared),
        )
        metrics = _metrics(evaluation) | {"refitted": is_refitted(model), "judged": measured.name}
        (draft.folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
        page = render(evaluation, _context(store, model))
        (draft.folder / "report.html").write_text(page, encoding="utf-8")
        return metrics

    return store.make("evaluation", build, code=__name__, parameters={}, inputs=[model, prepared], fresh=fresh)


def measure(
    images: np.ndarray,
    answered: Answers,
    epochs: list[resuming.Epoch],
    *,
    read: Callable[[np.ndarray], np.ndarray],
    training: Score,
    robustness: Robustness,
    test: Score | None = None,
) -> Evaluation:
    """Everything the report shows.

    images: uint8 (n, 28, 28), 0–255, of the validation part. answered: to these.
    read: the model, from images to probabilities (n, 10).
    training: on images that were learned from, as they are.
    """
    from sklearn.metrics import confusion_matrix, log_loss

    truth, predicted = answered.truth, answered.labels
    # In float32 a row adds up to 1 only nearly.
    probabilities = answered.probabilities / answered.probabilities.sum(axis=1, dtype=float, keepdims=True)
    wrong = np.flatnonzero(~answered.right)
    # The worst is the one that the model was surest of against the truth.
    worst = wrong[np.argsort(probabilities[wrong, truth[wrong]], kind="stable")]
    shown = worst[:WORST]
    why = occlusion(read, images[shown], predicted[shown], truth[shown])
    confused = Counter(zip(truth[worst].tolist(), predicted[worst].tolist(), strict=True)).most_common(PAIRS)
    validation = score(answered.right)
    loss = float(log_loss(truth, probabilities, labels=range(CLASSES)))
    return Evaluation(
        validation=validation,
        test=test,
        loss=loss,
        confusion=confusion_matrix(truth, predicted, labels=range(CLASSES)),
        per_class=_per_class(truth, predicted),
        history=epochs,
        overfitting=overfitting.judge(training, validation, loss, epochs),
        robustness=robustness,
        calibration=calibration.measure(np.log(np.maximum(answered.probabilities, SMALLEST)), truth),
        pairs=[
            ConfusedPair(right, answer, count, images[(truth == right) & (predicted == answer)][:EXAMPLES])
            for (right, answer), count in confused
        ],
        mistakes=[
            Mistake(
                id=int(answered.ids[row]),
                image=images[row],
                truth=int(truth[row]),
                predicted=int(predicted[row]),
                probability_predicted=float(probabilities[row].max()),
                probability_truth=float(probabilities[row, truth[row]]),
                why=speaks,
            )
            for row, speaks in zip(shown, why, strict=True)
        ],
        suspects=[
            Suspect(int(answered.ids[row]), images[row], int(truth[row]), int(predicted[row]))
            for row in label_errors.suspects(truth, probabilities)[:SUSPECTS]
        ],
    )


def spread(some: Digits, most: int) -> Digits:
    """At most so many of them, evenly spaced: the file may be sorted by class."""
    return some[np.linspace(0, len(some) - 1, min(most, len(some)), dtype=int)]


def _training(fitted: Any, prepared: Artifact, most: int) -> Score:
    learned = spread(digits.read(prepared.path / "train.parquet"), most)
    return score(predict(fitted, learned.images).argmax(axis=1) == learned.known_labels)


def _robustness(fitted: Any, judging: Digits) -> Robustness:
    def read(images: np.ndarray) -> np.ndarray:
        return predict(fitted, images).argmax(axis=1)

    return robustness.measure(read, judging.images, judging.known_labels)


def _per_class(truth: np.ndarray, predicted: np.ndarray) -> list[ClassScore]:
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(truth, predicted, labels=range(CLASSES), zero_division=math.nan)
    return [
        ClassScore(label, _known(precision), _known(recall), _known(f1), int(support))
        for label, (precision, recall, f1, support) in enumerate(zip(*columns, strict=True))
    ]


def _known(share: float) -> float | None:
    """None where there was nothing to divide by."""
    return None if math.isnan(share) else float(share)


def _test(fitted: Any, prepared: Artifact) -> Score | None:
    path = prepared.path / "test.parquet"
    if not path.exists():
        return None
    test = digits.read(path)
    return None if test.labels is None else score(predict(fitted, test.images).argmax(axis=1) == test.labels)


def _metrics(evaluation: Evaluation) -> dict[str, Any]:
    """The figures of an evaluation, as JSON can hold them."""
    return {
        **_score_metrics(evaluation.validation),
        "loss": evaluation.loss,
        "mistakes": evaluation.mistaken,
        "test": _score_metrics(evaluation.test) if evaluation.test else None,
        "overfitting": _overfitting_metrics(evaluation.overfitting),
        "calibration": {
            "temperature": evaluation.calibration.temperature,
            "error_before": evaluation.calibration.before.error,
            "error_after": evaluation.calibration.after.error,
        },
        "suspects": [one.id for one in evaluation.suspects],
        "robustness": _robustness_metrics(evaluation.robustness),
        "per_class": [vars(one) for one in evaluation.per_class],
        "confusion": evaluation.confusion.tolist(),
    }


def _score_metrics(score: Score) -> dict[str, Any]:
    return {"images": score.images, "accuracy": score.accuracy, "interval": list(score.interval)}


def _overfitting_metrics(found: Overfitting) -> dict[str, Any]:
    return {
        "verdict": found.verdict,
        "images": found.training.images,
        "training_accuracy": found.training.accuracy,
        "gap": found.gap,
        "noise": found.noise,
        "begins": found.begins,
    }


def _robustness_metrics(found: Robustness) -> dict[str, Any]:
    return {"images": found.images, "clean": found.clean, "mean": found.mean, "changes": dict(found.changes)}


def _context(store: Store, model: Artifact) -> Context:
    line = [model, *(one for one in lineage(store, model).values() if one)]
    ancestors = {one.kind: one for one in line}
    manifest, dataset = model.manifest(), ancestors["dataset"].manifest()
    recipe = manifest.parameters
    return Context(
        title=f"{recipe['name']} on {Path(dataset.source['data']).name}",
        recipe=recipe["name"],
        judged=judged_twin(store, model).name if is_refitted(model) else None,
        parameters=recipe,
        data=_facts(ancestors, dataset.source["data"]),
        lineage=[
            Ancestor(one.name, one.manifest().created, one.manifest().seconds["wall"])
            for one in sorted(line, key=lambda one: one.manifest().created)
        ],
        versions=manifest.versions,
        commit=manifest.commit,
        reproduce=_command(dataset.source["data"], recipe, ancestors["validation"].manifest().parameters["bad_rows"]),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _facts(ancestors: dict[str, Artifact], source: str) -> DataFacts:
    prepared, validation = ancestors["prepared"], ancestors["validation"]
    found = validation.metrics
    return DataFacts(
        source=source,
        parts=[_part(prepared, name) for name in prepared.metrics],
        duplicates=sum(found["duplicates"].values()),
        quarantined=found["quarantined"],
        warnings=found["warnings"],
        docs=f"../../{validation.name}/data_docs/index.html",
    )


def _part(prepared: Artifact, name: str) -> Split:
    given = [batch.labels for batch in digits.batches(prepared.path / f"{name}.parquet")]
    known = [some for some in given if some is not None]
    classes = np.bincount(np.concatenate(known), minlength=CLASSES).tolist() if len(known) == len(given) else None
    return Split(name, prepared.metrics[name], classes)


def _command(data: str, parameters: dict[str, Any], bad_rows: float) -> str:
    """The call that makes this again."""
    changes = [f"--set {change}" for change in recipes.changes_of(parameters)]
    limit = [f"--max-bad-rows {bad_rows:g}"] if bad_rows != Limits().bad_rows else []
    refit = ["--refit"] if parameters.get("refit") else []
    name = parameters["name"] if parameters["name"] in recipes.RECIPES else f"{parameters['name']}.json"
    return " ".join(["digits run", "--data", shlex.quote(data), "--recipe", name, *changes, *limit, *refit])


evaluate_stage = stage(evaluate)
