"""What people are told of, and that it is not the same every night."""

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
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(notices, "emit_event", lambda event, resource, payload: said.append(event))
    return said


def test_a_refusal_is_told_when_it_is_new(store: Store, told: list[str]) -> None:
    store.root.mkdir()
    registry.record(store, REFUSED)
    notices.of_promotion(store, REFUSED)
    assert told == [notices.REFUSED_PROMOTION]
    notices.of_promotion(
        store, replace(REFUSED, decided="2026-11-22T02:00:00Z")
    )  # decided the same again, not recorded
    notices.of_promotion(store, replace(REFUSED, promoted=True))
    assert len(told) == 1


@pytest.mark.parametrize(
    ("verdict", "quarantined", "events"),
    [
        ("none", 0, []),
        ("drifted", 0, [notices.DRIFT]),
        ("none", 1, []),
        ("none", 2, [notices.QUARANTINE]),
    ],
)
def test_scores_are_told_of_when_they_drift_or_too_many_rows_are_set_aside(
    tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch, verdict: str, quarantined: int, events: list[str]
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
    assert told == events
