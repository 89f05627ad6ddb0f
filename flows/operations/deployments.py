"""What runs by itself: the deployments of prefect.yaml, with their work pool and its queues, brought to a server.

Prefect is imported only where it is used: `digits up` sets its variables first, and Prefect looks at them once.
"""

import asyncio
import contextlib
import importlib
import inspect
import os
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.operations.checks import check_names, check_training
from flows.operations.health import AS_IN, NO_ANSWER, answers, await_answer
from tasks import settings
from tasks.errors import DigitsError, StoreError, UsageError
from tasks.registry import package_of
from tasks.store import Store

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment
    from prefect.schedules import Schedule

FILE = Path(__file__).resolve().parent.parent.parent / "prefect.yaml"
POOL = "digits"
QUEUES = {"training": 1, "scoring": None}  # runs at the same time
LEARNING = "train/corrections"  # the deployment that a published review starts
TAG = "digitflow"  # of those that are ours to remove
KEYS = ("name", "entrypoint", "description", "tags", "parameters", "schedules", "concurrency_limit", "work_pool")
OTHER_KEYS = ("paused", "version", "enforce_parameter_schema")


@dataclass(frozen=True)
class Deployed:
    """What holds on a server. next_runs: of each deployment. webhook: the address, with its secrets; None without."""

    next_runs: dict[str, datetime | None]
    webhook: str | None
    lost_after: float


def read(with_pool: bool) -> "list[RunnerDeployment]":
    """Read the deployments of prefect.yaml: for its work pool, or for a process that runs them itself.

    They have Prefect's own form, read by `Flow.to_deployment` and `prefect.schedules`. Not by `prefect deploy --all`,
    which goes on past what it cannot read, checks no recipe, data or queue, and cannot do without a pool.
    Raises: UsageError if there is no such file, or something in it is not as it has to be.
    """
    import yaml

    if not FILE.exists():
        raise UsageError("there are no deployments", file=str(FILE), remedy="run it from a clone of the project")
    try:
        entries = yaml.safe_load(FILE.read_text(encoding="utf-8"))["deployments"]
        deployments = [_deployment(dict(entry), with_pool) for entry in entries]
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            "the file cannot be read", file=FILE.name, expected="a list `deployments`", received=str(error)
        ) from error
    names = [deployment.full_name for deployment in deployments]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UsageError(f"two deployments are called {min(twice)}", file=FILE.name, remedy="rename one of them")
    return deployments


def _deployment(entry: dict[str, Any], with_pool: bool) -> "RunnerDeployment":
    """Return a deployment whose every name has been looked up. Raises: UsageError."""
    from prefect.client.schemas.objects import ConcurrencyLimitConfig
    from prefect.exceptions import PrefectException
    from prefect.types.entrypoint import EntrypointType
    from pydantic import ValidationError

    try:
        check_names(entry, KEYS + OTHER_KEYS, "key")
        module, _, name = entry.pop("entrypoint").rpartition(".")
        flow = getattr(importlib.import_module(module), name)
        parameters = entry.get("parameters") or {}
        schedules = entry.pop("schedules", None) or []
        for schedule in [{}, *schedules]:
            _check_parameters(flow, {**parameters, **(schedule.get("parameters") or {})})
        if isinstance(limit := entry.get("concurrency_limit"), dict):
            entry["concurrency_limit"] = ConcurrencyLimitConfig.model_validate(limit)
        pool = entry.pop("work_pool", {})
        check_names(pool, ("name", "work_queue_name", "job_variables"), "key of work_pool")
        check_names([pool.pop("name", POOL)], (POOL,), "work pool")
        check_names([pool["work_queue_name"]], QUEUES, "work queue")
        return flow.to_deployment(
            schedules=[_schedule(dict(schedule)) for schedule in schedules],
            tags=[*entry.pop("tags", []), TAG],
            entrypoint_type=EntrypointType.MODULE_PATH,
            **({"work_pool_name": POOL, **pool} if with_pool else {}),
            **entry,
        )
    except ValidationError as error:
        reason = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
    except KeyError as error:
        reason = f"it lacks {error}"
    except (DigitsError, PrefectException, ImportError, TypeError, ValueError, AttributeError) as error:
        reason = str(error)
    raise UsageError(f"deployment {entry.get('name')}: {reason}", file=FILE.name)


def _check_parameters(flow: Any, parameters: dict[str, Any]) -> None:
    """Check the parameters of a flow, and that there is what they name: data, recipes, a model. Raises: UsageError."""
    check_names(parameters, inspect.signature(flow.fn).parameters, "parameter")
    flow.validate_parameters(parameters)
    names = [parameters["recipe"]] if "recipe" in parameters else parameters.get("names")
    check_training(parameters.get("data", "sample"), names, parameters.get("changes"))
    for name in ("model", "beside"):
        if parameters.get(name) not in (None, "champion"):
            package_of(Store(settings.load().artifacts), parameters[name])


def _schedule(entry: dict[str, Any]) -> "Schedule":
    from prefect import schedules

    kinds: dict[str, Any] = {"cron": schedules.Cron, "interval": schedules.Interval, "rrule": schedules.RRule}
    check_names(
        entry, (*kinds, "timezone", "active", "parameters", "slug", "anchor_date", "day_or"), "key of a schedule"
    )
    (kind,) = [kind for kind in kinds if kind in entry] or ["cron"]
    if entry.get("timezone"):
        check_names([entry["timezone"]], zoneinfo.available_timezones(), "time zone")
    # Prefect counts from the moment of deploying: who deploys more often than it runs would have it never run.
    anchor = {"anchor_date": datetime(2020, 1, 1, tzinfo=UTC)} if kind == "interval" else {}
    return kinds[kind](entry.pop(kind), **{**anchor, **entry})


def deploy(webhook: str | None, lost_after: float | None) -> "Deployed":
    """Bring work pool, deployments and automations up to date, on the server that PREFECT_API_URL names.

    webhook, lost_after: as `automations.apply` takes them.
    Raises: UsageError without deployments or with a wrong password; StoreError if no server answers.
    """
    deployments = read(with_pool=True)
    api, auth = os.environ["PREFECT_API_URL"], os.environ.get("PREFECT_API_AUTH_STRING")
    if not answers(api, auth):
        print(f"waiting for {api}", flush=True)
        if not await_answer(api, auth):
            raise StoreError(NO_ANSWER, file=api, remedy=f"start it, or mend PREFECT_API_URL, {AS_IN}")
    pauses = [longest_pause(deployment) for deployment in deployments]
    webhook, lost_after = asyncio.run(_bring(deployments, pauses, webhook, lost_after))
    return Deployed({deployment.full_name: next_run(deployment) for deployment in deployments}, webhook, lost_after)


def next_run(deployment: "RunnerDeployment") -> datetime | None:
    """Return when a deployment runs next, in the time zone of its schedule; None where no schedule is active."""
    return min((dates[0] for dates in _next_dates(deployment)), default=None)


def longest_pause(deployment: "RunnerDeployment") -> timedelta | None:
    """Return the longest time between two runs of its most frequent schedule; None where no schedule is active."""
    pauses = [max(after - before for before, after in pairwise(dates)) for dates in _next_dates(deployment)]
    return min(pauses, default=None)


def _next_dates(deployment: "RunnerDeployment") -> list[list[datetime]]:
    """Return the next dates of each active schedule, enough of them to cover a week of working days."""
    from prefect.server.schemas.schedules import SCHEDULE_TYPES
    from pydantic import TypeAdapter

    dates = []
    for created in deployment.schedules or []:
        if created.schedule and created.active and not deployment.paused:
            schedule: Any = TypeAdapter(SCHEDULE_TYPES).validate_python(created.schedule.model_dump())
            dates.append(asyncio.run(schedule.get_dates(10)))
    return dates


async def _bring(
    deployments: "list[RunnerDeployment]",
    pauses: list[timedelta | None],
    webhook: str | None,
    lost_after: float | None,
) -> tuple[str | None, float]:
    """Make the work pool with its queues, deployments and automations; return what `automations.apply` returns.

    pauses: the longest between two runs of each deployment; None for one that does not run by itself.
    Deployments of ours that are not in prefect.yaml any more are removed; those that people have made stay.
    """
    from prefect import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
    from prefect.client.schemas.sorting import DeploymentSort
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
        kept = {await deployment.aapply(): deployment for deployment in deployments}
        scheduled = {
            identity: automations.Scheduled(deployment.full_name, pause)
            for (identity, deployment), pause in zip(kept.items(), pauses, strict=True)
            if pause
        }
        switched_on = (key for key, deployment in kept.items() if not deployment.paused)
        learning = next((key for key in switched_on if kept[key].full_name == LEARNING), None)
        settled = await automations.apply(client, scheduled, webhook, lost_after, learning)
        ours = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
        # Prefect's own defaults for these two are refused by its server.
        present = await client.read_deployments(deployment_filter=ours, limit=200, sort=DeploymentSort.NAME_ASC)
        for deployment in present:
            if deployment.id not in kept:
                await client.delete_deployment(deployment.id)
    return settled
