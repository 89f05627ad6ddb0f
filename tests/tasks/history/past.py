"""Days of scoring that never were: scores and reviews by their manifests alone, as old as a test wants them."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from tasks.judging.drift import AGGREGATES
from tasks.judging.statistics import measure_accuracy
from tasks.reviewing.publishing import ReviewMetrics
from tasks.scoring.scores import Beside, DriftMetrics, ScoresMetrics
from tasks.store import Artifact, Manifest, Store
from tasks.store.manifest import write_manifest

FIRST = datetime(2026, 1, 1, 12, tzinfo=UTC)
PACKAGE = "package/0123456789ab"


def scored(
    store: Store,
    day: float,
    rows: int = 1000,
    review: int = 30,
    shift: float = 0.0,
    *,
    package: str = PACKAGE,
    inputs: Sequence[str] = (),
    labels: tuple[int, int] = (0, 0),
    drifted: bool = False,
    waited: float | None = None,
    number: int = 0,
    beside: Beside | None = None,
) -> Artifact:
    """Scores of so many days after FIRST. shift: of every aggregate. labels: right ones, and all. waited: seconds."""
    right, labelled = labels
    metrics = ScoresMetrics(
        rows=rows,
        quarantined=0,
        class_counts=[rows // 10] * 10,
        review=review,
        expected=None,
        pictures=False,
        learned=0,
        drift=DriftMetrics(
            "drifted" if drifted else "none", [], {}, {aggregate.name: shift for aggregate in AGGREGATES}
        ),
        accuracy=measure_accuracy(np.arange(labelled) < right) if labelled else None,
        confusion=None,
        passed_on=rows // 20,
        beside=beside,
    )
    created = FIRST + timedelta(days=day)
    source = {"arrived": (created - timedelta(seconds=waited)).isoformat()} if waited is not None else {}
    return _published(store, "scores", created, metrics, [package, *inputs], source, number)


def reviewed(
    store: Store,
    scores: Artifact | None,
    *,
    read: int,
    changed: int,
    audited: int = 0,
    right: int = 0,
    number: int = 0,
    beside: Beside | None = None,
) -> Artifact:
    """A review of scores, or of drawn digits, of which there are none."""
    accuracy = measure_accuracy(np.arange(audited) < right) if audited else None
    metrics = ReviewMetrics(1000, 30, read, changed, 0, 0, {"ada": read}, None, accuracy, None, beside)
    scored_at = datetime.fromisoformat(scores.manifest().created) if scores else FIRST
    inputs = [scores.name] if scores else []
    return _published(store, "review", scored_at + timedelta(hours=1 + number), metrics, inputs, {}, number)


def _published(
    store: Store, kind: str, created: datetime, metrics: Any, inputs: list[str], source: dict[str, Any], number: int
) -> Artifact:
    name = hashlib.sha256(f"{kind} {created} {inputs} {number}".encode()).hexdigest()[:12]
    folder = store.root / kind / name
    folder.mkdir(parents=True)
    manifest = Manifest(
        kind=kind,
        id=name,
        code="0",
        parameters={"review_below": 0.95},
        inputs=inputs,
        files={},
        metrics=asdict(metrics),
        seconds={"wall": 1.0},
        created=created.isoformat(timespec="seconds"),
        versions={},
        commit=None,
        flow_run=None,
        source=source,
    )
    write_manifest(folder, manifest)
    os.utime(folder, (created.timestamp(),) * 2)  # when it was last used
    return Artifact.at(folder)
