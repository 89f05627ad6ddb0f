"""The figures are those of the answers, and the pictures show what the figures name."""

import numpy as np
import pytest

from tasks.data import digits
from tasks.data.digits import Digits
from tasks.data.metrics import PreparedMetrics
from tasks.evaluate import illustrate, measure, spread
from tasks.judging import answers
from tasks.judging.answers import Answers
from tasks.judging.evaluation import EXAMPLES, ConfusedPair, Evaluation, Pictures
from tasks.judging.robustness import CHANGES
from tasks.training import resuming
from tests import making
from tests.conftest import Chain


def test_metrics_are_those_of_the_validation_part(chain: Chain) -> None:
    figures = chain.evaluation.measured(Evaluation)
    assert figures.images == chain.prepared.measured(PreparedMetrics).validation
    last = resuming.read_history(chain.model.path / "history.csv")[-1]
    assert figures.accuracy == pytest.approx(last["val_accuracy"], abs=1e-6)
    assert figures.mistakes == round(figures.images * (1 - figures.accuracy))
    assert figures.interval[0] < figures.accuracy < figures.interval[1]
    assert tuple(np.array(figures.confusion).sum(axis=1)) == figures.classes["validation"]
    assert figures.judged == chain.model.name
    assert not figures.refitted


def test_labels_of_the_test_part_are_reported_on_once(chain: Chain) -> None:
    test = chain.evaluation.measured(Evaluation).test
    assert test is not None
    assert test.images == 500


def test_the_images_of_each_digit_are_counted_in_every_part(chain: Chain) -> None:
    classes = chain.evaluation.measured(Evaluation).classes
    sizes = {part: sum(counts) for part, counts in classes.items()}
    assert sizes == {part: chain.prepared.metrics[part] for part in ("train", "validation", "test")}


def test_a_fresh_evaluation_of_a_model_says_the_same(chain: Chain) -> None:
    from tasks.evaluate import evaluate

    again = evaluate(chain.store, chain.model, chain.prepared, fresh=True)
    assert again.metrics == chain.evaluation.metrics
    assert again.manifest().files == chain.evaluation.manifest().files


def test_the_answers_to_every_validation_image_are_kept(chain: Chain) -> None:
    kept = answers.read(chain.evaluation.path / "answers.parquet")
    judging = digits.read(chain.prepared.path / "validation.parquet")
    np.testing.assert_array_equal(kept.ids, judging.ids)
    np.testing.assert_array_equal(kept.truth, judging.known_labels)
    assert kept.right.mean() == chain.evaluation.measured(Evaluation).accuracy


def test_accuracy_under_every_change_stands_beside_the_one_without(chain: Chain) -> None:
    figures = chain.evaluation.measured(Evaluation)
    robustness = figures.robustness
    assert robustness.images == figures.images
    assert robustness.clean == figures.accuracy, "on the same images, as there are fewer than 2,000"
    assert list(robustness.changes) == list(CHANGES)
    assert 0.1 < robustness.mean < robustness.clean


def test_overfitting_is_judged_on_as_many_images_that_were_learned_from(chain: Chain) -> None:
    figures = chain.evaluation.measured(Evaluation)
    overfitting = figures.overfitting
    assert overfitting.images == figures.images
    assert overfitting.gap == pytest.approx(overfitting.training_accuracy - figures.accuracy)
    assert overfitting.verdict in ("none", "slight"), "after two epochs"


def test_the_pictures_are_those_that_the_figures_name(chain: Chain) -> None:
    figures = chain.evaluation.measured(Evaluation)
    pictures = Pictures.read(chain.evaluation.path / "pictures.npz")
    judging = digits.read(chain.prepared.path / "validation.parquet")
    for mistake, image in zip(figures.worst, pictures.worst, strict=True):
        row = int(np.flatnonzero(judging.ids == mistake.id)[0])
        np.testing.assert_array_equal(image, judging.images[row])
        assert judging.known_labels[row] == mistake.truth
    assert pictures.reasons.shape == pictures.worst.shape
    assert len(pictures.suspects) == len(figures.suspects)
    assert len(pictures.pairs) == sum(min(pair.count, EXAMPLES) for pair in figures.pairs)
    assert len(pictures.changes) == len(figures.robustness.changes)


def test_some_of_each_digit_and_their_mean_are_kept_of_the_training_part(chain: Chain) -> None:
    pictures = Pictures.read(chain.evaluation.path / "pictures.npz")
    learned = digits.read(chain.prepared.path / "train.parquet")
    for label in range(10):
        images = learned.images[learned.known_labels == label]
        np.testing.assert_allclose(pictures.means[label], images.mean(axis=0), atol=0.51)
        kept = digits.fingerprints(pictures.examples[label])
        assert len(set(kept)) == EXAMPLES
        assert np.isin(kept, digits.fingerprints(images)).all()


def test_some_of_a_sorted_file_are_of_every_class() -> None:
    some = making.digits(100)
    ordered = some[np.argsort(some.known_labels, kind="stable")]
    assert np.bincount(spread(ordered, 20).known_labels).tolist() == [2] * 10
    assert len(spread(ordered, 1000)) == 100


def measured(some: Digits, wrong: dict[int, tuple[int, float]]) -> tuple[Evaluation, Pictures]:
    """Of a model that is sure of the truth but for `wrong`: row → (answer, its probability)."""
    truth = some.known_labels
    probabilities = np.full((len(truth), 10), 0.001, np.float32)
    probabilities[np.arange(len(truth)), truth] = 0.991
    for row, (answer, sure) in wrong.items():
        probabilities[row] = (1 - sure) / 9
        probabilities[row, answer] = sure
    answered = Answers.to(some, probabilities)

    def model(images: np.ndarray) -> np.ndarray:
        return np.full((len(images), 10), 0.1, np.float32)

    training = making.digits(40, start=1000)
    figures = measure(model, answered, some, training, None, [], refitted=False, name="model/0a1b")
    return figures, illustrate(model, figures, answered, some, training)


def test_the_worst_mistake_is_the_surest_one() -> None:
    some = making.digits(40)
    truth = some.known_labels
    wrong = {3: ((truth[3] + 1) % 10, 0.5), 8: ((truth[8] + 1) % 10, 0.99), 21: ((truth[21] + 2) % 10, 0.7)}
    figures, pictures = measured(some, wrong)
    assert [mistake.id for mistake in figures.worst] == [9, 22, 4]
    assert figures.worst[0].probability_predicted == pytest.approx(0.99, abs=1e-3)
    assert figures.mistakes == 3
    assert figures.accuracy == 37 / 40
    np.testing.assert_array_equal(pictures.worst, some.images[[8, 21, 3]])


def test_the_most_confused_pair_comes_first_with_its_images() -> None:
    some = making.digits(60)
    fours = np.flatnonzero(some.known_labels == 4)[:3]
    figures, pictures = measured(some, {**dict.fromkeys(fours, (9, 0.9)), 0: (7, 0.9)})
    assert figures.pairs[0] == ConfusedPair(4, 9, 3)
    np.testing.assert_array_equal(pictures.pairs[:3], some.images[fours])
    assert figures.confusion[4][9] == 3


def test_a_model_without_a_mistake_has_no_pictures_of_any() -> None:
    figures, pictures = measured(making.digits(40), {})
    assert (figures.mistakes, figures.worst, figures.pairs) == (0, (), ())
    assert pictures.worst.shape == pictures.reasons.shape == pictures.pairs.shape == (0, 28, 28)


def test_a_class_without_images_has_no_recall() -> None:
    some = making.digits(40)
    some = some[some.known_labels != 5]
    figures, _ = measured(some, {})
    assert (figures.per_class[5].recall, figures.per_class[5].support) == (None, 0)
    assert figures.per_class[4].recall == 1


def test_predictions_are_on_digits_that_were_not_learned_from(chain: Chain) -> None:
    learned = set(digits.fingerprints(digits.read(chain.prepared.path / "train.parquet").images).tolist())
    judged = digits.fingerprints(digits.read(chain.prepared.path / "validation.parquet").images).tolist()
    assert not learned & set(judged)
