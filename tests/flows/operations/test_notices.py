"""Notices for people, and that the same is not repeated every night."""

from dataclasses import replace

import pytest

from flows.operations import notices
from tasks import registry
from tasks.registry import Decision
from tasks.store import Store

REFUSED = Decision(
    "package/b", "package/a", promoted=False, because="worse", evidence={}, decided="2026-11-21T02:00:00Z"
)


@pytest.fixture
def emitted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The messages of the events that are emitted from now on."""
    events: list[str] = []
    monkeypatch.setattr(notices, "emit_event", lambda event, resource, payload: events.append(payload["message"]))
    return events


def test_notice_is_given_of_a_refusal_that_is_new(store: Store, emitted: list[str]) -> None:
    store.root.mkdir()
    registry.record(store, REFUSED)
    notices.of_promotion(store, REFUSED)
    assert emitted == ["package/b was not promoted: worse"]
    # Decided the same again, so not recorded.
    notices.of_promotion(store, replace(REFUSED, decided="2026-11-22T02:00:00Z"))
    notices.of_promotion(store, replace(REFUSED, promoted=True))
    assert len(emitted) == 1


@pytest.mark.parametrize(
    ("verdict", "quarantined", "sentences"),
    [
        ("none", 0, []),
        ("drifted", 0, ["forms.csv has drifted: ink."]),
        ("none", 1, []),
        ("none", 2, ["Of forms.csv 2 of 1,000 rows were set aside."]),
    ],
)
def test_notice_is_given_of_drift_and_of_too_many_rows_set_aside(
    store: Store, verdict: str, quarantined: int, sentences: list[str]
) -> None:
    metrics = {
        "rows": 1000 - quarantined,
        "quarantined": quarantined,
        "class_counts": [100] * 10,
        "review": 0,
        "pictures": False,
        "learned": 0,
        "expected": {"reviewed": 0.0, "wrong": 0.0, "wrong_at_most": 0.0},
        "drift": {"verdict": verdict, "reasons": ["ink"], "psi": {}},
        "accuracy": None,
        "confusion": None,
    }
    scores = store.make("scores", lambda draft: metrics, code="tasks.data.digits", parameters={})
    assert notices.concerns(scores, "forms.csv", max_quarantined=0.001) == sentences


def test_one_notice_is_given_of_a_run_of_the_inbox_and_none_where_there_is_nothing(emitted: list[str]) -> None:
    notices.of_inbox([])
    notices.of_inbox(["Refused.", "Drifted."])
    assert emitted == ["inbox: Refused. Drifted."]
