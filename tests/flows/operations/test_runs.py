"""Runs of a deployment on a real server: those that nobody begins any more, and what is found among many."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy, State
from prefect.states import Completed, Failed, Pending, Running, Scheduled

from flows.operations import runs, status
from flows.operations.automations import _notifying, webhook_address


@pytest.fixture
def client(prefect_server: str) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def pool(client: SyncPrefectClient) -> str:
    name = f"pool-{uuid4()}"
    client.request("POST", "/work_pools/", json=WorkPoolCreate(name=name, type="process").model_dump(mode="json"))
    return name


@pytest.fixture
def deployment(client: SyncPrefectClient, pool: str) -> UUID:
    """A deployment of which one run at a time may be at work."""
    flow_id = client.create_flow_from_name("score")
    limit = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
    return client.create_deployment(
        flow_id,
        pool,
        work_pool_name=pool,
        concurrency_limit=limit.limit,
        concurrency_options=limit.model_dump(include={"collision_strategy"}),
    )


def started(client: SyncPrefectClient, deployment: UUID, *states: State, due: datetime | None = None) -> UUID:
    """A run that has had these states."""
    run = client.create_flow_run_from_deployment(deployment, state=Scheduled(scheduled_time=due))
    for state in states:
        client.set_flow_run_state(run.id, state)
    return run.id


def test_a_run_that_was_taken_and_not_begun_goes_back_and_lets_others_begin(
    client: SyncPrefectClient, deployment: UUID, pool: str
) -> None:
    ended = started(client, deployment, Pending(), Running(), Completed())
    taken = started(client, deployment, Pending())
    refused = started(client, deployment)
    assert client.set_flow_run_state(refused, Pending()).state.is_cancelled()
    assert [run.id for run in runs.begun(client) if run.deployment_id == deployment] == [ended]
    runs.give_back(pool)
    assert [client.read_flow_run(run).state_name for run in (taken, ended)] == ["Scheduled", "Completed"]
    assert client.set_flow_run_state(started(client, deployment), Pending()).state.is_pending()
    assert next(runs.lines_of(str(refused))).endswith(f", {refused}: Cancelled")  # who asks for it by name may see why
    runs.give_back("another pool")


def test_the_last_run_is_found_behind_many_that_are_late(client: SyncPrefectClient, deployment: UUID) -> None:
    due = datetime.now(UTC) - timedelta(hours=5)
    last = started(client, deployment, Pending(), Running(), Completed(), due=due - timedelta(minutes=5))
    for number in range(60):
        client.create_flow_run_from_deployment(
            deployment, state=Scheduled(scheduled_time=due + timedelta(minutes=5 * number))
        )
    finding = status._of_deployment(client, client.read_deployment(deployment))
    assert finding.details["last"]["id"] == str(last)
    assert finding.says.endswith(": Completed; a run is 5 hours late"), finding.says


def test_a_failure_like_the_one_before_is_known(
    client: SyncPrefectClient, deployment: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = "StoreError: no space is left"
    assert not runs.failed_alike(message)
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", str(deployment))
    started(client, deployment, Pending(), Running())
    assert not runs.failed_alike(message)
    crowded = started(client, deployment, Pending(), Running())
    started(client, deployment, Pending())  # is cancelled
    client.set_flow_run_state(crowded, Failed(message=f"an exception: {message}"))
    started(client, deployment, Running())
    assert runs.failed_alike(message)
    assert not runs.failed_alike("StoreError: there is no champion")
    assert not runs.failed_alike("StoreError: no space is left Also: there is no champion")


def test_a_webhook_whose_block_somebody_has_removed_is_none(client: SyncPrefectClient) -> None:
    *_, notice = _notifying(uuid4())
    automation = client.request("POST", "/automations/", json=notice.model_dump(mode="json")).json()
    assert webhook_address(client) is None
    client.request("DELETE", "/automations/{id}", path_params={"id": automation["id"]})
