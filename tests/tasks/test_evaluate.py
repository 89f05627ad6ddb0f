"""What is measured is what scikit-learn and the pictures say; the report shows it."""

import json

import numpy as np
import pytest

from tasks.data import digits
from tasks.evaluate import measure, spread
from tasks.judging import answers
from tasks.judging.answers import Answers
from tasks.judging.robustness import CHANGES, Robustness
from tasks.judging.statistics import Score
from tasks.reports.report import Evaluation
from tasks.training import resuming
from tests import making
from tests.conftest import Chain


def test_metrics_are_those_of_the_validation_part(chain: Chain) -> None:
    found = chain.evaluation.metrics
    assert found["images"] == 900
    last = resuming.read_history(chain.model.path / "history.csv")[-1]
    assert found["accuracy"] == pytest.approx(last["val_accuracy"], abs=1e-6)
    assert found["mistakes"] == round(900 * (1 - found["accuracy"]))
    assert found["interval"][0] < found["accuracy"] < found["interval"][1]
    assert np.array(found["confusion"]).sum(axis=1).tolist() == [90] * 10
    assert json.loads((chain.evaluation.path / "metrics.json").read_text()) == found


def test_labels_of_the_test_part_are_reported_on_once(chain: Chain) -> None:
    assert chain.evaluation.metrics["test"]["images"] == 500


def test_the_report_tells_accuracy_data_lineage_and_how_to_make_it_again(chain: Chain) -> None:
    page = (chain.evaluation.path / "report.html").read_text()
    assert "900 held-out images" in page
    assert chain.dataset.name in page
    assert "digits run --data sample --recipe fast --set epochs=2 --set min_shown=0" in page
    assert f"../../{chain.validation.name}/data_docs/index.html" in page


def test_a_fresh_evaluation_of_a_model_says_the_same(chain: Chain) -> None:
    from tasks.evaluate import evaluate

    again = evaluate(chain.store, chain.model, chain.prepared, fresh=True)
    assert again.metrics == chain.evaluation.metrics


def test_the_answers_to_every_validation_image_are_kept(chain: Chain) -> None:
    kept = answers.read(chain.evaluation.path / "answers.parquet")
    judging = digits.read(chain.prepared.path / "validation.parquet")
    np.testing.assert_array_equal(kept.ids, judging.ids)
    np.testing.assert_array_equal(kept.truth, judging.known_labels)
    assert kept.right.mean() == chain.evaluation.metrics["accuracy"]


def test_accuracy_under_every_change_stands_beside_the_one_without(chain: Chain) -> None:
    found = chain.evaluation.metrics["robustness"]
    assert found["images"] == 900
    assert found["clean"] == chain.evaluation.metrics["accuracy"], "on the same images, as there are fewer than 2,000"
    assert list(found["changes"]) == list(CHANGES)
    assert found["mean"] == pytest.approx(np.mean(list(found["changes"].values())))
    assert 0.1 < found["mean"] < found["clean"]


def test_overfitting_is_judged_on_as_many_images_that_were_learned_from(chain: Chain) -> None:
    found = chain.evaluation.metrics["overfitting"]
    assert found["images"] == 900
    assert found["gap"] == pytest.approx(found["training_accuracy"] - chain.evaluation.metrics["accuracy"])
    assert found["verdict"] in ("none", "slight"), "after two epochs"
    assert set(found) == {"verdict", "images", "training_accuracy", "gap", "noise", "begins"}


def test_some_of_a_sorted_file_are_of_every_class() -> None:
    some = making.digits(100)
    ordered = some[np.argsort(some.known_labels, kind="stable")]
    assert np.bincount(spread(ordered, 20).known_labels).tolist() == [2] * 10
    assert len(spread(ordered, 1000)) == 100


def measured(some: digits.Digits, wrong: dict[int, tuple[int, float]]) -> Evaluation:
    """Of a model that is sure of the truth but for `wrong`: row → (answer, its probability)."""
    truth = some.known_labels
    probabilities = np.full((len(truth), 10), 0.001, np.float32)
    probabilities[np.arange(len(truth)), truth] = 0.991
    for row, (answer, sure) in wrong.items():
        probabilities[row] = (1 - sure) / 9
        probabilities[row, answer] = sure
    return measure(
        some.images,
        Answers.to(some, probabilities),
        [],
        read=lambda images: np.full((len(images), 10), 0.1, np.float32),
        training=Score(40, 1.0, (0.91, 1.0)),
        robustness=Robustness(40, 1.0, {"blur": 0.9}, {"blur": some.images[0]}),
    )


def test_the_worst_mistake_is_the_surest_one() -> None:
    some = making.digits(40)
    truth = some.known_labels
    wrong = {3: ((truth[3] + 1) % 10, 0.5), 8: ((truth[8] + 1) % 10, 0.99), 21: ((truth[21] + 2) % 10, 0.7)}
    found = measured(some, wrong)
    assert [mistake.id for mistake in found.mistakes] == [9, 22, 4]
    assert found.mistakes[0].probability_predicted == pytest.approx(0.99, abs=1e-3)
    assert found.mistaken == 3
    assert found.validation.accuracy == 37 / 40
    np.testing.assert_array_equal(found.mistakes[0].image, some.images[8])


def test_the_most_confused_pair_comes_first_with_its_images() -> None:
    some = making.digits(60)
    fours = np.flatnonzero(some.known_labels == 4)[:3]
    found = measured(some, {**dict.fromkeys(fours, (9, 0.9)), 0: (7, 0.9)})
    first = found.pairs[0]
    assert (first.truth, first.predicted, first.count) == (4, 9, 3)
    np.testing.assert_array_equal(first.examples, some.images[fours])
    assert found.confusion[4, 9] == 3


def test_a_class_without_images_has_no_recall() -> None:
    some = making.digits(40)
    some = some[some.known_labels != 5]
    found = measured(some, {})
    assert (found.per_class[5].recall, found.per_class[5].support) == (None, 0)
    assert found.per_class[4].recall == 1


def test_predictions_are_on_digits_that_were_not_learned_from(chain: Chain) -> None:
    learned = set(digits.fingerprints(digits.read(chain.prepared.path / "train.parquet").images).tolist())
    judged = digits.fingerprints(digits.read(chain.prepared.path / "validation.parquet").images).tolist()
    assert not learned & set(judged)
