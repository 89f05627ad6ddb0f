"""A slow change is told, and a steady year is not."""

import numpy as np
import pytest

from tasks.judging import change

DAYS = 365


def shares(random: np.random.Generator, rows: int, share: np.ndarray, extra: float) -> change.Chart:
    """A chart of days of about so many rows. extra: variance between days, as a multiple of that of chance."""
    sizes = np.maximum(20, random.lognormal(np.log(rows), 0.7, len(share))).astype(int)
    base = np.arcsin(np.sqrt(share)) + random.normal(0, np.sqrt(extra / (4 * rows)), len(share))
    counts = random.binomial(sizes, np.sin(np.clip(base, 0, 1)) ** 2)
    chart = change.follow(*change.of_share(counts, sizes))
    assert chart is not None
    return chart


@pytest.mark.parametrize("extra", [0, 1, 10])
@pytest.mark.parametrize("rows", [30, 1000, 30_000])
def test_in_a_steady_year_nine_measures_give_at_most_one_false_alarm(rows: int, extra: float) -> None:
    random, years = np.random.default_rng(0), 15
    charts = [shares(random, rows, np.full(DAYS, 0.04), extra) for _ in range(9 * years)]
    assert sum(len(chart.outside) > 0 for chart in charts) <= years


def test_a_slow_rise_is_told_that_no_single_day_shows() -> None:
    """By a hundredth of itself a day: within chance of the day before, and of most days of the first weeks."""
    random = np.random.default_rng(0)
    share = 0.04 * (1 + 0.01 * np.maximum(0, np.arange(DAYS) - 100))
    told = [shares(random, 1000, share, 1).outside for _ in range(20)]
    assert all(len(outside) and 100 < outside[0] < 170 for outside in told)


def test_a_fall_is_told_as_well_and_shares_are_read_off_the_chart() -> None:
    share = np.where(np.arange(100) < 50, 0.05, 0.03)
    chart = shares(np.random.default_rng(0), 2000, share, 0)
    assert 50 <= chart.outside[0] < 60
    assert change.as_share(np.array([chart.usual, chart.smoothed[-1]])) == pytest.approx([0.05, 0.03], abs=0.003)


def test_four_weeks_are_needed_and_belong_to_no_average() -> None:
    values, variances = np.ones(change.FIRST_PERIOD + 1), np.ones(change.FIRST_PERIOD + 1)
    assert change.follow(values[1:], variances[1:]) is None
    chart = change.follow(values, variances)
    assert chart is not None
    assert np.isnan(chart.smoothed).tolist() == [True] * change.FIRST_PERIOD + [False]


def test_a_day_of_few_rows_says_little() -> None:
    values = np.zeros(60)
    values[40] = 5
    variances = np.full(60, 0.01)
    chart = change.follow(values, variances)
    assert chart is not None
    assert len(chart.outside)
    variances[40] = 100
    chart = change.follow(values, variances)
    assert chart is not None
    assert not len(chart.outside)
