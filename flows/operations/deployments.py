"""What runs by itself: the deployments of prefect.yaml, with their work pool and its queues, brought to a server.

Prefect is imported only where it is used: `digits up` sets its variables first, and Prefect looks at them once.
"""

import asyncio
import contextlib
import importlib
import inspect
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.operations.health import NO_ANSWER, answers, await_answer
from tasks.errors import StoreError, UsageError

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

FILE = Path(__file__).resolve().parent.parent.parent / "prefect.yaml"
POOL = "digits"
QUEUES = {"training": 1, "scoring": None}  # runs at the same time
TAG = "digitflow"  # of those that are ours to remove


def read(with_pool: bool) -> "list[RunnerDeployment]":
    """Read the deployments of prefect.yaml: for its work pool, or for a process that runs them itself.

    Raises: UsageError if there is no such file, or something in it is not as it has to be.
    """
    import yaml
    from prefect.exceptions import PrefectException

    if not FILE.exists():
        raise UsageError("there are no deployments", file=str(FILE), remedy="run it from a clone of the project")
    entry: Any = None
    try:
        deployments = []
        for entry in yaml.safe_load(FILE.read_text(encoding="utf-8"))["deployments"]:
            deployments.append(_deployment(entry, with_pool))
        return deployments
    except (yaml.YAMLError, PrefectException, ImportError, LookupError, TypeError, ValueError, AttributeError) as error:
        name = f"deployment {entry.get('name')}: " if isinstance(entry, dict) else ""
        missing = "nothing of this name: " if isinstance(error, KeyError) else ""
        raise UsageError(
            f"{name}the deployments cannot be used",
            file=FILE.name,
            received=f"{missing}{error}",
            remedy="mend the file",
        ) from error


def _deployment(entry: dict[str, Any], with_pool: bool) -> "RunnerDeployment":
    from prefect.client.schemas.objects import ConcurrencyLimitConfig
    from prefect.types.entrypoint import EntrypointType

    module, _, name = entry["entrypoint"].rpartition(".")
    flow = getattr(importlib.import_module(module), name)
    parameters = entry.get("parameters") or {}
    inspect.signature(flow.fn).bind_partial(**parameters)
    flow.validate_parameters(parameters)
    return flow.to_deployment(
        entry["name"],
        schedules=[_schedule(schedule) for schedule in entry["schedules"]],
        concurrency_limit=ConcurrencyLimitConfig.model_validate(entry["concurrency_limit"]),
        parameters=parameters,
        description=entry["description"],
        tags=[*entry["tags"], TAG],
        work_pool_name=entry["work_pool"]["name"] if with_pool else None,
        work_queue_name=entry["work_pool"]["work_queue_name"] if with_pool else None,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


def _schedule(entry: dict[str, Any]) -> Any:
    from prefect.schedules import Cron, Interval

    return Interval(entry["interval"]) if "interval" in entry else Cron(entry["cron"], timezone=entry["timezone"])


def deploy(webhook: str | None, lost_after: float) -> None:
    """Bring work pool, deployments and automations up to date, on the server that PREFECT_API_URL names.

    webhook, lost_after: as `automations.apply` takes them.
    Raises: UsageError without deployments or with a wrong password; StoreError if no server answers.
    """
    deployments = read(with_pool=True)
    api, auth = os.environ["PREFECT_API_URL"], os.environ.get("PREFECT_API_AUTH_STRING")
    if not answers(api, auth):
        print(f"waiting for {api}", flush=True)
        if not await_answer(api, auth):
            raise StoreError(NO_ANSWER, file=api, remedy="start it, or mend PREFECT_API_URL")
    asyncio.run(_configure(webhook, lost_after))
    for deployment in deployments:
        deployment.apply()
    asyncio.run(_remove_others({deployment.name for deployment in deployments}))


async def _configure(webhook: str | None, lost_after: float) -> None:
    """Make the work pool with its queues, and the automations."""
    from prefect import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists
    from prefect.workers.process import ProcessWorker

    from flows.operations import automations

    async with get_client() as client:
        template = ProcessWorker.get_default_base_job_template()
        with contextlib.suppress(ObjectAlreadyExists):
            await client.create_work_pool(WorkPoolCreate(name=POOL, type="process", base_job_template=template))
        for name, limit in QUEUES.items():
            with contextlib.suppress(ObjectAlreadyExists):
                await client.create_work_queue(name, concurrency_limit=limit, work_pool_name=POOL)
        await automations.apply(client, webhook, lost_after)


async def _remove_others(names: set[str]) -> None:
    """Remove deployments of ours that are not in prefect.yaml any more; those that people have made stay."""
    from prefect import get_client
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
    from prefect.client.schemas.sorting import DeploymentSort

    ours = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
    async with get_client() as client:
        # Prefect's own defaults for these two are refused by its server.
        for deployment in await client.read_deployments(
            deployment_filter=ours, limit=200, sort=DeploymentSort.NAME_ASC
        ):
            if deployment.name not in names:
                await client.delete_deployment(deployment.id)
