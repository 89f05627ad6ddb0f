"""Runs on the server: starting those of a deployment, giving back what nobody begins, and what they have logged."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tasks.errors import StoreError, UsageError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

PAGE = 200  # of what the server gives at once
SEARCHED = 1_000  # runs, the newest, among which one is looked for


def start(deployment: str) -> str:
    """Start a run of the deployment of this name, `flow/deployment`; return the run's name. Raises: StoreError."""
    from prefect import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        try:
            found = client.read_deployment_by_name(deployment)
        except ObjectNotFound as error:
            raise StoreError(f"there is no deployment {deployment}", remedy="bring it there by `digits up`") from error
        return client.create_flow_run_from_deployment(found.id).name


def give_back(pool: str) -> None:
    """Have runs that a worker of a pool has taken and not begun be taken again. Call it where no worker is at work."""
    from prefect import get_client
    from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter
    from prefect.states import Scheduled

    of_pool = WorkPoolFilter.model_validate({"name": {"any_": [pool]}})
    taken = FlowRunFilter.model_validate({"state": {"type": {"any_": ["PENDING"]}}})
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=taken, work_pool_filter=of_pool):
            client.set_flow_run_state(run.id, Scheduled(message="The worker that had taken it is gone."))


def begun(client: "SyncPrefectClient", **selection: Any) -> "list[FlowRun]":
    """Return runs that have begun, or crashed before, the newest PAGE. selection: as of Prefect's `read_flow_runs`.

    Those that were cancelled since another run was at work are none.
    """
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.client.schemas.sorting import FlowRunSort

    has_started = FlowRunFilter.model_validate({"start_time": {"is_null_": False}})
    newest_first = FlowRunSort.START_TIME_DESC
    runs = client.read_flow_runs(flow_run_filter=has_started, sort=newest_first, limit=PAGE, **selection)
    return [run for run in runs if run.run_count or (run.state and not run.state.is_cancelled())]


def failed_alike(message: str) -> bool:
    """Tell, in a run of a deployment, whether the run before it failed with the same words, or more of them."""
    from prefect import get_client
    from prefect.client.schemas.filters import DeploymentFilter
    from prefect.runtime import deployment

    if not deployment.id:
        return False
    this = DeploymentFilter.model_validate({"id": {"any_": [deployment.id]}})
    with get_client(sync_client=True) as client:
        states = [run.state for run in begun(client, deployment_filter=this)[1:2]]
    return any(state and state.is_failed() and message in (state.message or "") for state in states)


def lines_of(name: str | None) -> Iterator[str]:
    """Yield what a run has logged, a line each, behind one that says which run it is.

    name: of the run, or its id, or the beginning of one of these; None for the newest run that has begun.
    Raises: UsageError if no run is called so.
    """
    from prefect import get_client
    from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
    from prefect.client.schemas.sorting import LogSort

    with get_client(sync_client=True) as client:
        run = _run_of(client, name)
        yield f"{run.name}, {run.id}: {run.state_name}"
        of_run = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]))
        offset = 0
        while lines := client.read_logs(of_run, limit=PAGE, offset=offset, sort=LogSort.TIMESTAMP_ASC):
            yield from (f"{line.timestamp:%Y-%m-%d %H:%M:%S}  {line.message}" for line in lines)
            offset += len(lines)
        if run.state and run.state.message:
            yield f"state: {run.state.message}"


def _run_of(client: "SyncPrefectClient", name: str | None) -> "FlowRun":
    """Return the run that is called so. Raises: UsageError."""
    from prefect.client.schemas.sorting import FlowRunSort

    newest_first = FlowRunSort.START_TIME_DESC
    for offset in range(0, SEARCHED, PAGE):
        if name:
            runs = client.read_flow_runs(sort=newest_first, limit=PAGE, offset=offset)
        else:
            runs = begun(client, offset=offset)
        for run in runs:
            if not name or run.name.startswith(name) or str(run.id).startswith(name):
                return run
    raise UsageError("there is no such run", received=name, remedy="see the runs in Prefect's UI, or `digits status`")
