"""Stage 5, evaluate: what a model gets right and wrong on the validation part, which it has not learned from.

Makes an `evaluation`: metrics.json and report.html, one self-contained page. Where the test part has labels they are
reported on, once; nothing is ever chosen by them.
"""

import json
import math
import shlex
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from tasks import digits, history, recipes
from tasks.digits import CLASSES, Digits
from tasks.expectations import Limits
from tasks.models import load, predict
from tasks.report import (
    Ancestor,
    ClassScore,
    ConfusedPair,
    Context,
    DataFacts,
    Evaluation,
    Mistake,
    Part,
    Score,
    render,
)
from tasks.stage import stage
from tasks.store import Artifact, Draft, Store, lineage

WORST = 24  # mistakes that the report shows
PAIRS = 6  # most confused pairs that it shows, with so many EXAMPLES each
EXAMPLES = 6


def evaluate(store: Store, model: Artifact, prepared: Artifact, *, fresh: bool = False) -> Artifact:
    """The evaluation of a model on the data that it was fitted on the training part of."""

    def build(draft: Draft) -> dict[str, Any]:
        fitted = load(model.file("model.keras"))
        judging = digits.read(prepared.path / "validation.parquet")
        probabilities = predict(fitted, judging.images)
        evaluation = measure(judging, probabilities, history.read(model.path / "history.csv"), _test(fitted, prepared))
        metrics = _metrics(evaluation)
        (draft.folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
        page = render(evaluation, _context(store, model))
        (draft.folder / "report.html").write_text(page, encoding="utf-8")
        return metrics

    return store.make("evaluation", build, code=__name__, parameters={}, inputs=[model, prepared], fresh=fresh)


def measure(
    judging: Digits, probabilities: np.ndarray, epochs: list[history.Epoch], test: Score | None = None
) -> Evaluation:
    """Everything the report shows, from labelled digits and a model's probabilities float32 (n, 10) for them."""
    from sklearn.metrics import confusion_matrix, log_loss

    truth, predicted = judging.known_labels, probabilities.argmax(axis=1)
    # In float32 a row adds up to 1 only nearly.
    probabilities = probabilities.astype(float) / probabilities.sum(axis=1, dtype=float, keepdims=True)
    wrong = np.flatnonzero(predicted != truth)
    # The worst is the one that the model was surest of against the truth.
    worst = wrong[np.argsort(probabilities[wrong, truth[wrong]], kind="stable")]
    confused = Counter(zip(truth[worst].tolist(), predicted[worst].tolist(), strict=True)).most_common(PAIRS)
    return Evaluation(
        validation=score(predicted == truth),
        test=test,
        loss=float(log_loss(truth, probabilities, labels=range(CLASSES))),
        confusion=confusion_matrix(truth, predicted, labels=range(CLASSES)),
        per_class=_per_class(truth, predicted),
        history=epochs,
        pairs=[
            ConfusedPair(right, answer, count, judging.images[(truth == right) & (predicted == answer)][:EXAMPLES])
            for (right, answer), count in confused
        ],
        mistakes=[
            Mistake(
                id=int(judging.ids[row]),
                image=judging.images[row],
                truth=int(truth[row]),
                predicted=int(predicted[row]),
                probability_predicted=float(probabilities[row].max()),
                probability_truth=float(probabilities[row, truth[row]]),
            )
            for row in worst[:WORST]
        ],
    )


def score(right: np.ndarray) -> Score:
    """Accuracy with its 95 % interval (Wilson, JASA 22, 1927), from bool (n,)."""
    from scipy.stats import binomtest

    interval = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    return Score(len(right), float(right.mean()), (float(interval.low), float(interval.high)))


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
        "per_class": [vars(one) for one in evaluation.per_class],
        "confusion": evaluation.confusion.tolist(),
    }


def _score_metrics(score: Score) -> dict[str, Any]:
    return {"images": score.images, "accuracy": score.accuracy, "interval": list(score.interval)}


def _context(store: Store, model: Artifact) -> Context:
    ancestors = {one.kind: one for one in lineage(store, model).values() if one} | {"model": model}
    manifest, dataset = model.manifest(), ancestors["dataset"].manifest()
    recipe = manifest.parameters
    return Context(
        title=f"{recipe['name']} on {Path(dataset.source['data']).name}",
        recipe=recipe["name"],
        parameters=recipe,
        data=_facts(ancestors, dataset.source["data"]),
        lineage=[
            Ancestor(one.name, one.manifest().created, one.manifest().seconds["wall"])
            for one in sorted(ancestors.values(), key=lambda one: one.manifest().created)
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


def _part(prepared: Artifact, name: str) -> Part:
    labels = [batch.labels for batch in digits.batches(prepared.path / f"{name}.parquet")]
    known = [some for some in labels if some is not None]
    classes = np.bincount(np.concatenate(known), minlength=CLASSES).tolist() if len(known) == len(labels) else None
    return Part(name, prepared.metrics[name], classes)


def _command(data: str, parameters: dict[str, Any], bad_rows: float) -> str:
    """The call that makes this again."""
    changes = [f"--set {change}" for change in recipes.changes(parameters)]
    limit = [f"--max-bad-rows {bad_rows:g}"] if bad_rows != Limits().bad_rows else []
    return " ".join(["digits run", "--data", shlex.quote(data), "--recipe", parameters["name"], *changes, *limit])


evaluate_stage = stage(evaluate)
