"""Stage 5, evaluate: measure a model on the validation part, which it has not learned from.

Makes an `evaluation`: the figures, as its metrics; answers.parquet, the model's answer to each image; pictures.npz, the
images that show what the figures mean. `conclude` draws the page from these. Where the test part has labels they
are reported on, once; nothing is ever chosen by them. Nothing is left to judge a refitted model by, so its figures are
those of its judged twin.
"""

import functools
import math
from collections import Counter
from collections.abc import Callable

import numpy as np

from tasks.data import digits
from tasks.data.digits import CLASSES, SIDE, Digits
from tasks.judging import answers, calibration, label_errors, overfitting, robustness
from tasks.judging.answers import Answers
from tasks.judging.evaluation import (
    EXAMPLES,
    ClassFigures,
    ConfusedPair,
    Evaluation,
    Mistake,
    Pictures,
    Suspect,
)
from tasks.judging.occlusion import occlusion
from tasks.judging.statistics import Accuracy, measure_accuracy
from tasks.models.fitted import is_refitted, judged_twin, load, predict
from tasks.stage import stage
from tasks.store import Artifact, Draft, Store
from tasks.training import resuming

SMALLEST = np.finfo(np.float32).tiny
WORST = 24  # mistakes that the report shows
SUSPECTS = 12  # labels that look wrong
PAIRS = 6  # most confused pairs
# Enough for a standard error of 0.2 to 0.3 points; all of them, changed in ten ways, would cost more than all the rest.
CHANGED = 2000
TRAINING = 4000  # images that were learned from, at most as many as are judged by

# A model: from images uint8 (n, 28, 28), 0–255, to probabilities (n, 10).
Predict = Callable[[np.ndarray], np.ndarray]


def evaluate(store: Store, model: Artifact, prepared: Artifact, *, fresh: bool = False) -> Artifact:
    """Return the evaluation of a model on the data that it was fitted on the training part of."""

    def build(draft: Draft) -> Evaluation:
        twin = judged_twin(store, model)
        fitted = load(twin.file("model.keras"))
        training = digits.read(prepared.file("train.parquet"))
        validation = digits.read(prepared.file("validation.parquet"))
        answer = functools.partial(predict, fitted)
        answered = Answers.to(validation, answer(validation.images))
        evaluation = measure(
            answer,
            answered,
            validation,
            training,
            digits.read_labelled(prepared.file_if_any("test.parquet")),
            resuming.read_history(twin.file_if_any("history.csv")),
            refitted=is_refitted(model),
            name=twin.name,
        )
        answers.write(draft.folder / "answers.parquet", answered)
        pictures = illustrate(answer, evaluation, answered, validation, training)
        pictures.write(draft.folder / "pictures.npz")
        return evaluation

    return store.make("evaluation", build, code=__name__, parameters={}, inputs=[model, prepared], fresh=fresh)


def measure(
    model: Predict,
    answered: Answers,
    validation: Digits,
    training: Digits,
    test: Digits | None,
    epochs: list[resuming.Epoch],
    *,
    refitted: bool,
    name: str,
) -> Evaluation:
    """Return the figures of a model.

    answered: its answers to the validation part. test: where it has labels.
    refitted, name: as `refitted` and `judged` of `Evaluation`.
    """
    from sklearn.metrics import confusion_matrix, log_loss

    truth, predicted = answered.truth, answered.labels
    # In float32 a row adds up to 1 only nearly.
    probabilities = answered.probabilities / answered.probabilities.sum(axis=1, dtype=float, keepdims=True)
    wrong = np.flatnonzero(~answered.right)
    # The worst is the one that the model was surest of against the truth.
    worst = wrong[np.argsort(probabilities[wrong, truth[wrong]], kind="stable")]
    accuracy = measure_accuracy(answered.right)
    learned = _accuracy(model, spread(training, min(TRAINING, len(validation))))
    loss = float(log_loss(truth, probabilities, labels=range(CLASSES)))
    parts = {"train": training, "validation": validation} | ({"test": test} if test else {})
    return Evaluation(
        images=accuracy.images,
        accuracy=accuracy.accuracy,
        interval=accuracy.interval,
        loss=loss,
        mistakes=len(wrong),
        test=_accuracy(model, test) if test else None,
        overfitting=overfitting.judge(learned, accuracy, loss, epochs),
        calibration=calibration.measure(np.log(np.maximum(answered.probabilities, SMALLEST)), truth),
        suspects=tuple(
            Suspect(int(answered.ids[row]), int(truth[row]), int(predicted[row]))
            for row in label_errors.suspects(truth, probabilities)[:SUSPECTS]
        ),
        robustness=_robustness(model, spread(validation, CHANGED)),
        per_class=_per_class(truth, predicted),
        confusion=tuple(map(tuple, confusion_matrix(truth, predicted, labels=range(CLASSES)).tolist())),
        pairs=_pairs(truth[worst], predicted[worst]),
        worst=tuple(
            Mistake(
                id=int(answered.ids[row]),
                truth=int(truth[row]),
                predicted=int(predicted[row]),
                probability_predicted=float(probabilities[row].max()),
                probability_truth=float(probabilities[row, truth[row]]),
            )
            for row in worst[:WORST]
        ),
        classes={part: _class_counts(images.known_labels) for part, images in parts.items()},
        refitted=refitted,
        judged=name,
    )


def illustrate(
    model: Predict, evaluation: Evaluation, answered: Answers, validation: Digits, training: Digits
) -> Pictures:
    """Return the images that show what the figures of a model mean; the arguments are those of `measure`."""
    images, truth, predicted = validation.images, answered.truth, answered.labels
    rows = {number: row for row, number in enumerate(answered.ids.tolist())}
    worst = [rows[mistake.id] for mistake in evaluation.worst]
    suspects = [rows[suspect.id] for suspect in evaluation.suspects]
    confused = [images[(truth == pair.truth) & (predicted == pair.predicted)][:EXAMPLES] for pair in evaluation.pairs]
    classes = [training.images[training.known_labels == label] for label in range(CLASSES)]
    few = min(EXAMPLES, *map(len, classes))
    return Pictures(
        worst=images[worst],
        reasons=occlusion(model, images[worst], predicted[worst], truth[worst]),
        suspects=images[suspects],
        pairs=np.concatenate([np.empty((0, SIDE, SIDE), np.uint8), *confused]),
        changes=np.concatenate([robustness.changed(images[:1], name) for name in evaluation.robustness.changes]),
        means=np.stack([_mean(learned) for learned in classes]),
        examples=np.stack([learned[_spread_rows(len(learned), few)] for learned in classes]),
    )


def spread(digits: Digits, most: int) -> Digits:
    """Return at most so many of the digits, evenly spaced: the file may be sorted by class."""
    return digits[_spread_rows(len(digits), most)]


def _spread_rows(rows: int, most: int) -> np.ndarray:
    return np.linspace(0, rows - 1, min(most, rows), dtype=int)


def _accuracy(model: Predict, labelled: Digits) -> Accuracy:
    return measure_accuracy(model(labelled.images).argmax(axis=1) == labelled.known_labels)


def _robustness(model: Predict, labelled: Digits) -> robustness.Robustness:
    return robustness.measure(lambda images: model(images).argmax(axis=1), labelled.images, labelled.known_labels)


def _pairs(truth: np.ndarray, predicted: np.ndarray) -> tuple[ConfusedPair, ...]:
    """Return the most confused pairs, of mistakes; of equally frequent ones that of the first mistake."""
    counts = Counter(zip(truth.tolist(), predicted.tolist(), strict=True))
    return tuple(ConfusedPair(*pair, count) for pair, count in counts.most_common(PAIRS))


def _per_class(truth: np.ndarray, predicted: np.ndarray) -> tuple[ClassFigures, ...]:
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(truth, predicted, labels=range(CLASSES), zero_division=math.nan)
    return tuple(
        ClassFigures(label, _known(precision), _known(recall), _known(f1), int(support))
        for label, (precision, recall, f1, support) in enumerate(zip(*columns, strict=True))
    )


def _known(share: float) -> float | None:
    """Return None where there was nothing to divide by."""
    return None if math.isnan(share) else float(share)


def _class_counts(labels: np.ndarray) -> tuple[int, ...]:
    return tuple(np.bincount(labels, minlength=CLASSES).tolist())


def _mean(images: np.ndarray) -> np.ndarray:
    """Return the mean of images, uint8 (28, 28); black where there are none."""
    return np.rint(np.sum(images, axis=0, dtype=float) / max(len(images), 1)).astype(np.uint8)


evaluate_stage = stage(evaluate)
