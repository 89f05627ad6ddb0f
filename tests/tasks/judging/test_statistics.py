import numpy as np
import pytest
from scipy.stats import binomtest, ttest_1samp

from tasks.judging.statistics import Paired, accuracy_of, holm, mcnemar, measure_accuracy, p_by_group, p_first_higher
from tests.tasks.reports.comparing import IMAGES, WEAK, right


def test_the_interval_is_as_published() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), 857-872, table I: 81 of 263.
    found = accuracy_of(81, 263)
    assert (found.images, found.accuracy) == (263, 81 / 263)
    assert found.interval == pytest.approx(measure_accuracy(np.arange(263) < 81).interval)
    assert (found.images, found.accuracy) == (263, pytest.approx(81 / 263))
    assert found.interval == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))


def test_the_interval_ends_where_the_scale_does() -> None:
    assert measure_accuracy(np.ones(3, bool)).interval[1] == 1
    assert measure_accuracy(np.zeros(3, bool)).interval[0] == 0


@pytest.mark.parametrize("wrong", [[], [3], list(range(20)), list(range(IMAGES))])
def test_interval_of_one_model_is_wilsons(wrong: list[int]) -> None:
    expected = binomtest(IMAGES - len(wrong), IMAGES).proportion_ci(method="wilson")
    assert measure_accuracy(right(*wrong)).interval == pytest.approx((expected.low, expected.high))


def test_interval_of_models_that_answer_alike_is_that_of_one() -> None:
    one = right(*WEAK)
    assert measure_accuracy(np.stack([one, one, one])).interval == pytest.approx(measure_accuracy(one).interval)


def test_interval_of_models_that_fail_apart_counts_every_answer_for_itself_but_never_more() -> None:
    expected = binomtest(2 * IMAGES - 40, 2 * IMAGES).proportion_ci(method="wilson")
    apart = np.stack([right(*range(20)), right(*range(20, 40))])
    assert measure_accuracy(apart).interval == pytest.approx((expected.low, expected.high))


def test_mcnemar_is_as_computed_by_hand() -> None:
    # 6 images apart, split 5 to 1: p = 2 (1 + 6) / 2^6
    paired = mcnemar(right(0, 10, 11), right(1, 2, 3, 4, 5, 10, 11))
    assert paired == Paired(only_first=5, only_second=1)
    assert paired.p == pytest.approx(14 / 64)


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [(0, 0, 1.0), (0, 5, 1 / 32), (5, 0, 1.0), (5, 5, 638 / 1024)],
)
def test_that_the_first_is_worse_is_tested_to_one_side(only_first: int, only_second: int, p: float) -> None:
    assert Paired(only_first, only_second).p_first_worse == pytest.approx(p)


def test_models_with_the_same_answers_are_not_told_apart() -> None:
    assert mcnemar(right(1), right(1)) == Paired(0, 0)
    assert Paired(0, 0).p == 1


def test_holm_multiplies_the_smallest_most_and_keeps_the_order() -> None:
    assert holm([0.03, 0.01, 0.04]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_each_group_is_tested_for_itself_and_corrected_for_their_number() -> None:
    group = np.arange(IMAGES) % 2
    # All of group 0: 5 that only the second reads right, p = 1/32, twice as much for two groups.
    found = p_by_group(right(0, 2, 4, 6, 8), right(), group)
    assert found == {0: pytest.approx(2 / 32), 1: 1.0}


def test_a_higher_mean_is_told_from_chance_to_one_side() -> None:
    rng = np.random.default_rng(0)
    second = rng.exponential(1, 200)
    higher = second + rng.normal(0.3, 1, 200)
    assert p_first_higher(higher, second) < 0.01
    assert p_first_higher(second, higher) > 0.99
    assert p_first_higher(higher, second) == pytest.approx(
        ttest_1samp(higher - second, 0, alternative="greater").pvalue
    )


def test_values_that_are_the_same_are_no_higher() -> None:
    assert p_first_higher(np.ones(5), np.ones(5)) == 1
