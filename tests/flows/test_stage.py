"""The page of a run about its stages: whether there was work, and how far it is."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.server.events.schemas.automations import EventTrigger as ServerTrigger
from prefect.server.events.schemas.events import ReceivedEvent

from flows.operations.automations import _stalled
from tasks import progress
from tasks.stage import PROGRESS, PROGRESS_EVENT_EVERY, _ProgressArtifact, run_all, stage
from tasks.store import Artifact, Draft, Store
from tests.flows.operating import eventually


def worked(store: Store, number: int) -> Artifact:
    def build(draft: Draft) -> dict[str, Any]:
        listener = progress._listener.get()
        listener(0.25)
        listener(1.0)
        return {"number": number}

    return store.make("sum", build, code="tasks.store", parameters={"number": number}, inputs=[])


work = stage(worked)


@flow(persist_result=False)
def twice(root: Path, number: int, workers: int) -> list[Artifact]:
    store = Store(root)
    return run_all(work, [(store, number), (store, number + 1)], workers=workers)


def runs(server: str) -> list[tuple[str, str | None]]:
    """Return state and message of every task run of `worked`, the last one first."""
    with get_client(sync_client=True) as client:
        task_runs = client.request("POST", "/task_runs/filter", json={"sort": "EXPECTED_START_TIME_DESC"}).json()
    return [(run["state"]["name"], run["state"]["message"]) for run in task_runs if run["name"].startswith("worked")]


def test_a_stage_whose_artifact_exists_returns_it_and_its_state_is_called_reused(
    tmp_path: Path, prefect_server: str
) -> None:
    first = twice(tmp_path, 1, 1)
    for workers in (1, 2):
        again = twice(tmp_path, 1, workers)
        assert again == first
        assert all(artifact.reused for artifact in again)
    states = [("Reused", f"{artifact.name} was there") for artifact in first]
    assert sorted(runs(prefect_server)[:4]) == sorted(2 * states)


def test_each_run_of_a_stage_has_one_progress_artifact_that_ends_at_100_percent(
    tmp_path: Path, prefect_server: str
) -> None:
    twice(tmp_path, 7, 1)
    with get_client(sync_client=True) as client:
        filters = {"artifacts": {"key": {"any_": ["worked"]}}}
        artifacts = client.request("POST", "/artifacts/filter", json=filters).json()
    assert [(artifact["type"], artifact["data"]) for artifact in artifacts[-2:]] == [("progress", 100.0)] * 2
    assert all(artifact["task_run_id"] for artifact in artifacts)


def test_a_run_that_gets_on_is_heard_of_by_what_would_end_it(
    tmp_path: Path, prefect_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_ProgressArtifact, "emitted", -PROGRESS_EVENT_EVERY)
    twice(tmp_path, 11, 1)
    ours = {"prefect.resource.role": ["flow"], "prefect.resource.name": ["twice"]}
    wanted = {"filter": {"event": {"name": [PROGRESS]}, "related": {"labels": ours}}}
    with get_client(sync_client=True) as client:
        assert eventually(lambda: client.request("POST", "/events/filter", json=wanted).json()["events"])
        event = client.request("POST", "/events/filter", json=wanted).json()["events"][0]
    received = ReceivedEvent.model_validate(event)
    for flow_name, is_meant in (("twice", True), ("score", False)):
        trigger = _stalled(flow_name, timedelta(hours=2)).trigger.model_dump()
        assert ServerTrigger.model_validate(trigger).covers(received) == is_meant
    assert PROGRESS in trigger["expect"]
