"""Runs on the server: starting those of a deployment, and what they have logged."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

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

    for offset in range(0, SEARCHED, PAGE):
        runs = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=PAGE, offset=offset)
        for run in runs:
            if (name is None and run.start_time) or (
                name and (run.name.startswith(name) or str(run.id).startswith(name))
            ):
                return run
    raise UsageError("there is no such run", received=name, remedy="see the runs in Prefect's UI, or `digits status`")
