import json
from dataclasses import asdict

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy.stats import binomtest

from tasks.judging.calibration import COOLEST, HOTTEST, Calibration, measure, reliability, temperature
from tasks.judging.statistics import softmax

SURE = 4.0  # logit of the answer, the others being 0


def answers(images: int, at: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits of a model whose confidence is right at the given temperature, and the truth."""
    random = np.random.default_rng(seed)
    logits = random.normal(scale=3, size=(images, 10)).astype(np.float32)
    probabilities = softmax(logits / at)
    truth = (probabilities.cumsum(axis=1) < random.random((images, 1))).sum(axis=1).clip(max=9)
    return logits, truth.astype(np.uint8)


def certain(logits: list[float], right: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    """Each image answered with class 0, by such a logit; the truth is 0 where it is right and else 1."""
    return np.outer(logits, np.eye(10)[0]).astype(np.float32), np.where(right, 0, 1).astype(np.uint8)


@pytest.mark.parametrize("at", [0.5, 1.0, 3.0])
def test_the_temperature_that_the_truth_was_drawn_at_is_found(at: float) -> None:
    assert temperature(*answers(5000, at)) == pytest.approx(at, rel=0.05)


def test_logarithms_of_probabilities_do_as_well_as_logits() -> None:
    logits, truth = answers(500, 2.0)
    assert temperature(np.log(softmax(logits)), truth) == pytest.approx(temperature(logits, truth), rel=1e-3)


def test_a_model_that_is_always_right_is_not_trusted_without_limit() -> None:
    logits, truth = certain([SURE] * 200, [True] * 200)
    found = measure(logits, truth)
    assert COOLEST < found.temperature < 1
    assert found.after.bins[0].confidence == pytest.approx(200 / 201, abs=1e-3)


def test_a_model_that_is_always_wrong_is_not_trusted_at_all() -> None:
    logits, truth = certain([SURE] * 200, [False] * 200)
    assert temperature(logits, truth) == pytest.approx(HOTTEST, rel=0.01)


@pytest.mark.parametrize("images", [1, 2, 20])
def test_few_images_of_one_class_are_enough_for_a_figure(images: int) -> None:
    logits, truth = certain([SURE] * images, [True] * images)
    found = measure(logits, truth)
    assert COOLEST <= found.temperature <= HOTTEST
    assert found.at(0).reviewed == 0
    assert found.at(0).wrong_at_most == pytest.approx(1 - 0.05 ** (1 / images))


def test_calibration_makes_the_error_small_and_leaves_the_answers_as_they_were() -> None:
    found = measure(*answers(5000, 3.0))
    assert found.error_before > 0.1
    assert found.after.error < 0.03


def test_the_calibration_error_is_as_computed_by_hand() -> None:
    # 15 bins of two images each: ten at 0.9, of which all are right, and five at 0.6, of which none is.
    confidence = np.repeat([0.9, 0.6], [20, 10])
    found = reliability(confidence, confidence > 0.8)
    assert [one.images for one in found.bins] == [2] * 15
    assert found.error == pytest.approx((20 * 0.1 + 10 * 0.6) / 30)
    assert found.bins[0].confidence < found.bins[-1].confidence


def test_the_bound_is_that_of_clopper_and_pearson() -> None:
    logits, truth = answers(1000)
    found = measure(logits, truth)
    right = logits.argmax(axis=1) == truth
    expected = binomtest(int((~right).sum()), 1000, alternative="less").proportion_ci(0.95, method="exact")
    assert found.at(0).wrong == pytest.approx((~right).mean())
    assert found.at(0).wrong_at_most == pytest.approx(expected.high)


def test_at_any_threshold_no_less_is_reviewed_and_no_less_is_wrong_than_is_said() -> None:
    logits, truth = answers(1000, 0.7)
    found = measure(logits, truth)
    confidence = softmax(logits / found.temperature).max(axis=1).astype(float)
    wrong = logits.argmax(axis=1) != truth
    for threshold in np.linspace(0.2, 0.99, 80):
        expected, left = found.at(threshold), confidence >= threshold
        bound = binomtest(int(wrong[left].sum()), int(left.sum()), alternative="less").proportion_ci(0.95)
        assert (~left).mean() <= expected.reviewed <= 1.1 * (~left).mean() + 1e-9
        assert wrong[left].mean() <= expected.wrong
        assert bound.high <= expected.wrong_at_most + 1e-9


def test_where_nothing_is_left_nothing_is_known() -> None:
    expected = measure(*answers(100)).at(1.1)
    assert (expected.reviewed, expected.wrong, expected.wrong_at_most) == (1, 0, 1)


def test_a_calibration_comes_back_from_json_as_it_was_and_stays_small() -> None:
    found = measure(*answers(3000, 4.0))
    written = json.dumps(asdict(found))
    assert TypeAdapter(Calibration).validate_python(json.loads(written)) == found
    assert len(written) < 20_000
