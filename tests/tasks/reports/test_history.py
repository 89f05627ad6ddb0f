"""The page of the history, as a browser and as Prefect's UI have it."""

import pytest

from tasks.history import days
from tasks.reports import history
from tasks.store import Store
from tests.tasks.history import past
from tests.tasks.reports.pages import assert_links_lead_somewhere, assert_loads_nothing, words


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> history.History:
    store = Store(tmp_path_factory.mktemp("history") / "artifacts")
    for day in range(40):
        scores = past.scored(
            store, day, review=30 if day < 30 else 90, labels=(99, 100), waited=5 * day, drifted=day == 3
        )
    past.reviewed(store, scores, read=30, changed=4, audited=20, right=19)
    return days.history(store)


def test_the_page_has_a_chart_of_each_thing_and_says_what_changed(shown: history.History) -> None:
    page = history.render(shown)
    text = words(page)
    assert_loads_nothing(page)
    assert_links_lead_somewhere(page)
    assert "1 slow change in 40 days of scoring." in text
    assert "A slow change: the share to review has risen from 3.04 % to 8.35 %, beyond chance since 2026-01-31." in text
    assert "Of 20 answers that the model was sure of, read for an audit, 1 was wrong." in text
    for title in (
        "Rows",
        "Seconds from arrival to result",
        "Review share",
        "Passed on",
        "Right where labels came",
        "Slant",
    ):
        assert f'aria-label="{title} over 40 days; the last is ' in page


def test_what_nobody_knows_has_neither_chart_nor_column(store: Store) -> None:
    past.scored(store, 0)
    short = days.history(store)
    page = history.render(short)
    assert "Wrong in audits" not in page
    assert "Whether anything changes slowly is told after 28 days with scores of the same package." in words(page)
    assert "| Day | Files | Rows | To review | Passed on | Package |\n|" in history.markdown(short)


def test_markdown_has_the_last_thirty_days_newest_first(shown: history.History) -> None:
    lines = history.markdown(shown).splitlines()
    rows = [line for line in lines if line.startswith("| 2026")]
    assert (len(rows), rows[0].split()[1], rows[-1].split()[1]) == (30, "2026-02-09", "2026-01-11")
    assert "| 4 of 30 | 1 of 20 |" in rows[0]


def test_days_before_a_date_are_left_out_with_changes_that_had_ended(shown: history.History) -> None:
    late = shown.since("2026-02-05")
    assert late.days[0].date == "2026-02-05"
    assert all(len(measure.values) == len(late.days) == 5 for measure in late.measures)
    assert late.changes == shown.changes
