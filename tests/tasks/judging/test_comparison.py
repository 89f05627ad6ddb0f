import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from tasks.judging.comparison import Failure, pairs, rows
from tests.tasks.reports.comparing import IMAGES, comparison, fit, right, seeds


def test_recipes_are_sorted_by_their_mean_accuracy() -> None:
    board = rows(comparison(*seeds("uneven", right(), right(*range(60))), *seeds("even", right(1), right(2))))
    assert [row.recipe for row in board] == ["even", "uneven"]
    assert [row.validation.accuracy for row in board] == pytest.approx([0.995, 0.85])


def test_of_equally_accurate_recipes_the_cheaper_comes_first() -> None:
    board = rows(comparison(fit("dear", right(1), cpu=9), fit("cheap", right(2), cpu=8)))
    assert [row.recipe for row in board] == ["cheap", "dear"]


def test_one_seed_has_wilsons_interval_and_no_deviation() -> None:
    row = rows(comparison())[0]
    expected = binomtest(IMAGES - 2, IMAGES).proportion_ci(method="wilson")
    assert row.validation.interval == pytest.approx((expected.low, expected.high))
    assert row.deviation is None


def test_several_seeds_are_a_line_of_means_and_their_spread() -> None:
    fits = [
        fit("a", right(*range(2)), seed=1, cpu=10, loss=0.1, best_epoch=2, test=(9, 10), notes=["shared", "own"]),
        fit("a", right(*range(4)), seed=2, cpu=20, loss=0.3, best_epoch=3, test=(7, 10), notes=["shared"]),
    ]
    (row,) = rows(comparison(*fits, failures=[Failure("a", 3, "it diverged")]))
    assert (row.validation.accuracy, row.cpu, row.loss, row.test) == pytest.approx((0.985, 15, 0.2, 0.8))
    assert row.deviation == pytest.approx(math.sqrt(0.5) * 0.01)
    assert row.notes == ["shared", "seed 1: own", "seed 3 failed: it diverged"]


def test_int8_has_no_size_if_it_was_refused_for_one_seed() -> None:
    fits = [fit("a", right(), seed=1), fit("a", right(), seed=2, int8_bytes=None)]
    assert rows(comparison(*fits))[0].int8_bytes is None


def test_every_pair_is_tested_once_with_the_first_seeds_and_corrected() -> None:
    again = fit("good", right(), seed=43)
    tested = pairs(rows(comparison(*comparison().fits, again)))
    assert [(pair.better, pair.worse) for pair in tested] == [("best", "good"), ("best", "weak"), ("good", "weak")]
    assert [(pair.paired.only_first, pair.paired.only_second) for pair in tested] == [(4, 0), (20, 2), (20, 6)]
    p = [2 * binomtest(few, both, alternative="less").pvalue for few, both in ((0, 4), (2, 22), (6, 26))]
    assert [pair.paired.p for pair in tested] == pytest.approx(p)
    assert [pair.adjusted for pair in tested] == pytest.approx([p[0], 3 * p[1], 2 * p[2]])
    assert [pair.apart for pair in tested] == [False, True, True]


def test_fit_of_other_images_is_refused() -> None:
    with pytest.raises(ValueError, match="model/a was judged by 7 images, not by 200"):
        comparison(fit("a", np.ones(7, bool)))


def test_comparison_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        replace(comparison(), fits=(), failures=())
