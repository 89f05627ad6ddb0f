"""What is measured is what scikit-learn and the pictures say; the report shows it."""

import json

import numpy as np
import pytest

from tasks import digits
from tasks.evaluate import measure, score
from tests import making
from tests.conftest import Chain


def test_metrics_are_those_of_the_validation_part(chain: Chain) -> None:
    found = chain.evaluation.metrics
    assert found["images"] == 900
    assert found["accuracy"] == pytest.approx(chain.model.metrics["last_val_accuracy"], abs=1e-6)
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


def answers(truth: np.ndarray, wrong: dict[int, tuple[int, float]]) -> np.ndarray:
    """Probabilities, sure of the truth but for `wrong`: row → (answer, its probability)."""
    probabilities = np.full((len(truth), 10), 0.001, np.float32)
    probabilities[np.arange(len(truth)), truth] = 0.991
    for row, (answer, sure) in wrong.items():
        probabilities[row] = (1 - sure) / 9
        probabilities[row, answer] = sure
    return probabilities


def test_the_worst_mistake_is_the_surest_one() -> None:
    some = making.digits(40)
    truth = some.known_labels
    wrong = {3: ((truth[3] + 1) % 10, 0.5), 8: ((truth[8] + 1) % 10, 0.99), 21: ((truth[21] + 2) % 10, 0.7)}
    found = measure(some, answers(truth, wrong), [])
    assert [mistake.id for mistake in found.mistakes] == [9, 22, 4]
    assert found.mistakes[0].probability_predicted == pytest.approx(0.99, abs=1e-3)
    assert found.mistaken == 3
    assert found.validation.accuracy == 37 / 40
    np.testing.assert_array_equal(found.mistakes[0].image, some.images[8])


def test_the_most_confused_pair_comes_first_with_its_images() -> None:
    some = making.digits(60)
    fours = np.flatnonzero(some.known_labels == 4)[:3]
    found = measure(some, answers(some.known_labels, {**dict.fromkeys(fours, (9, 0.9)), 0: (7, 0.9)}), [])
    first = found.pairs[0]
    assert (first.truth, first.predicted, first.count) == (4, 9, 3)
    np.testing.assert_array_equal(first.examples, some.images[fours])
    assert found.confusion[4, 9] == 3


def test_a_class_without_images_has_no_recall() -> None:
    some = making.digits(40)
    some = some[some.known_labels != 5]
    found = measure(some, answers(some.known_labels, {}), [])
    assert (found.per_class[5].recall, found.per_class[5].support) == (None, 0)
    assert found.per_class[4].recall == 1


def test_the_interval_is_wilsons() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263.
    found = score(np.arange(263) < 81)
    assert found.interval == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))


def test_predictions_are_on_digits_that_were_not_learned_from(chain: Chain) -> None:
    learned = set(digits.fingerprints(digits.read(chain.prepared.path / "train.parquet").images).tolist())
    judged = digits.fingerprints(digits.read(chain.prepared.path / "validation.parquet").images).tolist()
    assert not learned & set(judged)
