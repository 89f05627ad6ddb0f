"""What a run's page shows of a stage: whether there was work, and how far it is."""

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.orchestration import get_client

from tasks import progress
from tasks.stage import run_all, stage
from tasks.store import Artifact, Draft, Store


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
    """State and message of every task run of `worked`, the last one first."""
    with get_client(sync_client=True) as client:
        found = client.request("POST", "/task_runs/filter", json={"sort": "EXPECTED_START_TIME_DESC"}).json()
    return [(run["state"]["name"], run["state"]["message"]) for run in found if run["name"].startswith("worked")]


def test_a_stage_whose_artifact_is_there_is_called_reused_and_gives_it_all_the_same(
    tmp_path: Path, prefect_server: str
) -> None:
    made = twice(tmp_path, 1, 1)
    for workers in (1, 2):
        found = twice(tmp_path, 1, workers)
        assert [one.name for one in found] == [one.name for one in made]
        assert all(one.reused for one in found)
    said = [("Reused", f"{one.name} was there") for one in made]
    assert sorted(runs(prefect_server)[:4]) == sorted(2 * said)


def test_how_far_a_stage_is_stands_in_one_progress_artifact_of_its_run(tmp_path: Path, prefect_server: str) -> None:
    twice(tmp_path, 7, 1)
    with get_client(sync_client=True) as client:
        shown = client.request("POST", "/artifacts/filter", json={"artifacts": {"key": {"any_": ["worked"]}}}).json()
    assert [(one["type"], one["data"]) for one in shown[-2:]] == [("progress", 100.0)] * 2
    assert all(one["task_run_id"] for one in shown)
