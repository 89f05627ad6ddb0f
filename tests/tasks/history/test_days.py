"""Lines are added up by day, and what changes slowly is said."""

import numpy as np
import pytest

from tasks.errors import StoreError
from tasks.history import days, ledger
from tasks.store import Store
from tests.tasks.history import past


def test_a_day_adds_up_what_one_package_answered(store: Store) -> None:
    first = past.scored(store, 0, rows=1000, review=30, shift=0.1, labels=(95, 100), waited=10)
    past.scored(store, 0.1, rows=3000, review=50, shift=0.5, drifted=True, waited=30)
    past.scored(store, 0.2, rows=500, package="package/bbbbbbbbbbbb")
    past.scored(store, 0.3, rows=77, inputs=["prepared/aaaaaaaaaaaa"])
    past.reviewed(store, first, read=10, changed=1)
    past.reviewed(store, first, read=30, changed=4, audited=20, right=19, number=1)
    day, other = days.history(store).days
    assert (day.date, day.package, day.files, day.rows, day.review) == ("2026-01-01", past.PACKAGE, 2, 4000, 80)
    assert (day.read_first, day.passed_on, day.drifted) == (4000, 200, 1)
    assert day.shifts["ink"] == pytest.approx(0.4)
    assert (day.labelled, day.right, day.latency) == (100, 95, 20)
    assert (day.read, day.changed, day.audited, day.audited_right) == (30, 4, 20, 19)
    assert (other.package, other.rows, other.latency) == ("package/bbbbbbbbbbbb", 500, None)


def year(store: Store, share: np.ndarray, shift: np.ndarray, change_at: int | None = None) -> None:
    random = np.random.default_rng(2)
    for day, (likely, moved) in enumerate(zip(share, shift, strict=True)):
        rows = int(random.lognormal(7, 0.5))
        package = past.PACKAGE if change_at is None or day < change_at else "package/bbbbbbbbbbbb"
        past.scored(
            store, day, rows, random.binomial(rows, likely), moved + random.normal(0, rows**-0.5), package=package
        )


def test_a_slow_drift_is_said_with_its_day_and_a_steady_time_is_not(store: Store) -> None:
    share = 0.04 * (1 + 0.01 * np.maximum(0, np.arange(150) - 60))
    year(store, share, np.zeros(150))
    history = days.history(store)
    (slow,) = history.changes
    assert (slow.measure, slow.until) == ("review share", None)
    assert "2026-03-03" < slow.since < "2026-04-15"
    assert str(slow).startswith("the share to review has risen from 3.94\u00a0% to 7.17\u00a0%")
    ink = next(measure for measure in history.measures if measure.name == "ink")
    assert ink.low[-1] is not None
    assert ink.low[27] is None


def test_a_change_that_came_twice_is_said_twice(store: Store) -> None:
    for day in range(120):
        past.scored(store, day, review=30, shift=0.0 if day < 40 or 45 <= day < 100 else 1.0)
    told = [slow for slow in days.history(store).changes if slow.measure == "ink"]
    assert [slow.until is None for slow in told] == [False, True]
    first, second = told
    assert first.since == "2026-02-10"
    assert first.until is not None
    assert first.until < "2026-04-01" < second.since


def test_another_package_begins_anew(store: Store) -> None:
    year(store, np.where(np.arange(100) < 50, 0.02, 0.08), np.zeros(100), change_at=50)
    history = days.history(store)
    assert history.changes == []
    review = history.measures[0]
    assert (review.smoothed[49] is None, review.smoothed[60] is None, review.smoothed[99] is None) == (
        False,
        True,
        False,
    )
    assert review.usual[99] == pytest.approx(0.08, abs=0.01)


def test_a_change_is_news_to_the_scores_that_make_it(store: Store) -> None:
    year(store, np.where(np.arange(60) < 40, 0.02, 0.06), np.zeros(60))
    (slow,) = days.history(store).changes
    by_day = [line.name for line in ledger.read(store)]
    assert days.news(store, by_day[40:])[1] == [slow]
    assert days.news(store, by_day[-1:])[1] == []


def test_without_scores_there_is_no_history(store: Store) -> None:
    with pytest.raises(StoreError, match=r"nothing has been scored yet; to go on, score digits by `digits score`"):
        days.history(store)
