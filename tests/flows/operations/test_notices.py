"""Notices for people, and that the same is not repeated every night."""

from dataclasses import replace
from pathlib import Path

import pytest

from flows.operations import notices
from tasks import registry
from tasks.registry import Decision
from tasks.store import Artifact, Store

REFUSED = Decision(
    "package/b", "package/a", promoted=False, because="worse", evidence={}, decided="2026-11-21T02:00:00Z"
)


@pytest.fixture
def emitted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The events that are emitted from now on."""
    events: list[str] = []
    monkeypatch.setattr(notices, "emit_event", lambda event, resource, payload: events.append(event))
    return events


def test_notice_is_given_of_a_refusal_that_is_new(store: Store, emitted: list[str]) -> None:
    store.root.mkdir()
    registry.record(store, REFUSED)
    notices.of_promotion(store, REFUSED)
    assert emitted == [notices.REFUSED_PROMOTION]
    # Decided the same again, so not recorded.
    notices.of_promotion(store, replace(REFUSED, decided="2026-11-22T02:00:00Z"))
    notices.of_promotion(store, replace(REFUSED, promoted=True))
    assert len(emitted) == 1


@pytest.mark.parametrize(
    ("verdict", "quarantined", "events"),
    [
        ("none", 0, []),
        ("drifted", 0, [notices.DRIFT]),
        ("none", 1, []),
        ("none", 2, [notices.QUARANTINE]),
    ],
)
def test_notice_is_given_of_drift_and_of_too_many_rows_set_aside(
    tmp_path: Path,
    emitted: list[str],
    monkeypatch: pytest.MonkeyPatch,
    verdict: str,
    quarantined: int,
    events: list[str],
) -> None:
    metrics = {
        "rows": 1000 - quarantined,
        "quarantined": quarantined,
        "class_counts": [100] * 10,
        "review": 0,
        "expected": {"reviewed": 0.0, "wrong": 0.0, "wrong_at_most": 0.0},
        "drift": {"verdict": verdict, "reasons": ["ink"], "psi": {}},
        "accuracy": None,
        "confusion": None,
    }
    monkeypatch.setattr(Artifact, "metrics", metrics)
    notices.of_scores(Artifact("scores", "a", tmp_path), "forms.csv", max_quarantined=0.001)
    assert emitted == events
