"""What `make up` starts on this machine, and what ends it: Prefect's server with its UI, a work pool, a worker.

It imports Prefect only when its environment is set, since Prefect looks at its variables once.
"""

import asyncio
import contextlib
import importlib
import inspect
import os
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.operations.daemons import Daemon
from flows.operations.embedded_server import NO_ANSWER, answer, end_with_this_process
from tasks.errors import StoreError, UsageError
from tasks.settings import Settings
from tasks.store.locks import try_lock

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOYMENTS = ROOT / "prefect.yaml"
HOST = "127.0.0.1"
POOL = "digits"
OURS = "digitflow"  # tag of the deployments that are ours to remove
QUEUES = {"training": 1, "scoring": None}  # runs at the same time
HEALTHY = 120.0  # seconds that a server has to answer, with a database to set up


@dataclass(frozen=True)
class Operations:
    """port: of the server, on 127.0.0.1. auth: user:password that it asks for. webhook: called with what people are to
    know. lost_after: seconds without a heartbeat after which a run is taken for dead; heartbeats come every 30 s.
    """

    settings: Settings
    port: int = 4200
    auth: str | None = None
    webhook: str | None = None
    lost_after: float = 90.0

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def password(self) -> str:
        """Whether the server asks for one, in a word."""
        return "a" if self.auth else "no"

    @property
    def server(self) -> Daemon:
        return Daemon(self.settings.home / ".prefect" / "operations", "server")

    @property
    def worker(self) -> Daemon:
        return Daemon(self.server.folder, "worker")

    def environment(self) -> dict[str, str]:
        """Of server, worker and runs."""
        return dict(os.environ) | self.told()

    def told(self) -> dict[str, str]:
        """What server, worker and runs are told; the same stands in docs/systemd."""
        told = {
            "DIGITS_HOME": str(self.settings.home),
            "PREFECT_API_URL": f"{self.address}/api",
            "PREFECT_SERVER_API_HOST": HOST,
            "PREFECT_SERVER_API_PORT": str(self.port),
            # Else any page that is open in the browser could have this server do things.
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"{self.address},http://localhost:{self.port}",
            "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        }
        if self.auth:
            told |= {"PREFECT_SERVER_API_AUTH_STRING": self.auth, "PREFECT_API_AUTH_STRING": self.auth}
        return told


def up(operations: Operations) -> None:
    """Start what does not run yet, and bring work pool, deployments and automations up to date.

    Raises: UsageError if something else has the port, or the server that runs is another one; StoreError.
    """
    with _alone(operations):
        _look_at(operations)
        os.environ.update(operations.environment())
        deployments(pool=True)  # a mistake in them is told before anything is started
        start_server(operations)
        deploy(operations)
        _start_worker(operations)


def _start_worker(operations: Operations) -> None:
    if not operations.worker.runs():
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process"]
        operations.worker.start([*command, "--name", socket.gethostname()], operations.environment())
    if not operations.worker.runs():
        raise StoreError(
            "the worker has ended", file=str(operations.worker.log), received=operations.worker.last_words()
        )


def deploy(operations: Operations) -> None:
    """Bring work pool, deployments and automations up to date, on the server that PREFECT_API_URL names.

    Raises: UsageError without deployments or with a wrong password; StoreError if no server answers.
    """
    _look_for_deployments()
    _await_server(os.environ["PREFECT_API_URL"], os.environ.get("PREFECT_API_AUTH_STRING"))
    asyncio.run(_configure(operations))
    wanted = deployments(pool=True)
    for deployment in wanted:
        deployment.apply()
    asyncio.run(_remove_others({deployment.name for deployment in wanted}))


def down(operations: Operations) -> list[str]:
    """End what `up` has started, the worker with its runs first; the names of what ran."""
    return [daemon.name for daemon in (operations.worker, operations.server) if daemon.end()]


def serve(operations: Operations) -> None:
    """Run the deployments from this process until it is interrupted, one run at a time.

    Raises: UsageError, StoreError as `up`, where no PREFECT_API_URL names a server.
    """
    if operations.worker.runs():
        raise UsageError("a worker runs these deployments already", remedy="end it by `digits down`")
    own = "PREFECT_API_URL" not in os.environ
    if own:
        _look_at(operations)
        os.environ.update(operations.environment())
    served = deployments(pool=False)
    if own:
        start_server(operations, with_this_process=True)
    import prefect

    print(f"serving     {os.environ['PREFECT_API_URL'].removesuffix('/api')}", flush=True)
    prefect.serve(*served, limit=1, print_starting_message=False)


def start_server(operations: Operations, with_this_process: bool = False) -> None:
    """The server, which answers when this returns; the one that runs, where it does.

    with_this_process: end it with this process.
    Raises: StoreError if it does not answer.
    """
    if not operations.server.runs():
        # Not by the option --host, which does without the settings' check that nobody else gets in.
        command = [sys.executable, "-m", "prefect", "server", "start"]
        kept = {"address": operations.address, "password": operations.password}
        pid = operations.server.start(command, operations.environment(), **kept)
        if with_this_process:
            end_with_this_process(pid)
    _await_health(operations)


def _look_at(operations: Operations) -> None:
    """Whether there is what `up` needs. Raises: UsageError."""
    _look_for_deployments()
    if operations.auth is not None and not all(operations.auth.partition(":")):
        raise UsageError("this is no user and password", expected="user:password", received="something else")
    if said := operations.server.said():
        if said["address"] != operations.address:
            raise UsageError(
                "the server that is up has another port", received=said["address"], remedy="end it by `digits down`"
            )
        if said["password"] != operations.password:
            raise UsageError(
                "the server that is up is not as asked for",
                expected=f"{operations.password} password",
                received=f"{said['password']} password",
                remedy="end it by `digits down`",
            )
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, operations.port))
        except OSError as error:
            raise UsageError(
                f"port {operations.port} cannot be used", received=error.strerror, remedy="name another by --port"
            ) from error


def _look_for_deployments() -> None:
    if not DEPLOYMENTS.exists():
        raise UsageError("there are no deployments", file=str(DEPLOYMENTS), remedy="run it from a clone of the project")


def _await_health(operations: Operations) -> None:
    """Raises: UsageError if it asks for another password, StoreError if it does not answer."""
    until = time.monotonic() + HEALTHY
    while time.monotonic() < until and operations.server.runs():
        if _answers(f"{operations.address}/api", operations.auth):
            return
        time.sleep(0.2)
    raise StoreError(
        NO_ANSWER,
        file=str(operations.server.log),
        received=operations.server.last_words(),
        remedy="see its log, and end it by `digits down`",
    )


def _await_server(api: str, auth: str | None) -> None:
    """The same of a server that somebody else has started, and may have started just now."""
    until = time.monotonic() + HEALTHY
    if not _answers(api, auth):
        print(f"waiting for {api}", flush=True)
    while not _answers(api, auth):
        if time.monotonic() > until:
            raise StoreError(NO_ANSWER, file=api, remedy="start it, or mend PREFECT_API_URL")
        time.sleep(0.5)


def _answers(api: str, auth: str | None) -> bool:
    return (answer(api, auth) or 500) < 300


@contextlib.contextmanager
def _alone(operations: Operations) -> Iterator[None]:
    """No other `up` is at work meanwhile. Raises: UsageError."""
    operations.server.folder.mkdir(parents=True, exist_ok=True)
    with try_lock(operations.server.folder / "lock") as ours:
        if not ours:
            raise UsageError("another `digits up` is at work", remedy="wait until it has ended")
        yield


async def _configure(operations: Operations) -> None:
    """The work pool with its queues, and the automations."""
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
        await automations.apply(client, operations.webhook, operations.lost_after)


async def _remove_others(names: set[str]) -> None:
    """Deployments of ours that are not in prefect.yaml any more; those that people have made stay."""
    from prefect import get_client
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
    from prefect.client.schemas.sorting import DeploymentSort

    ours = DeploymentFilter(tags=DeploymentFilterTags(all_=[OURS]))
    async with get_client() as client:
        # Prefect's own defaults for these two are refused by its server.
        found = await client.read_deployments(deployment_filter=ours, limit=200, sort=DeploymentSort.NAME_ASC)
        for deployment in found:
            if deployment.name not in names:
                await client.delete_deployment(deployment.id)


def deployments(pool: bool) -> "list[RunnerDeployment]":
    """The deployments of prefect.yaml. pool: for its work pool, and not for a process that runs them itself.

    Raises: UsageError if something in the file is not as it has to be.
    """
    import yaml  # type: ignore[import-untyped]
    from prefect.exceptions import PrefectException

    entry: Any = None
    try:
        found = []
        for entry in yaml.safe_load(DEPLOYMENTS.read_text(encoding="utf-8"))["deployments"]:
            found.append(_deployment(entry, pool))
        return found
    except (yaml.YAMLError, PrefectException, ImportError, LookupError, TypeError, ValueError, AttributeError) as error:
        name = f"deployment {entry.get('name')}: " if isinstance(entry, dict) else ""
        missing = "nothing of this name: " if isinstance(error, KeyError) else ""
        raise UsageError(
            f"{name}the deployments cannot be used",
            file=DEPLOYMENTS.name,
            received=" ".join(f"{missing}{error}".split()),
            remedy="mend the file",
        ) from error


def _deployment(entry: dict[str, Any], pool: bool) -> "RunnerDeployment":
    from prefect.client.schemas.objects import ConcurrencyLimitConfig
    from prefect.schedules import Cron, Interval
    from prefect.types.entrypoint import EntrypointType

    def schedule(given: dict[str, Any]) -> Any:
        return Interval(given["interval"]) if "interval" in given else Cron(given["cron"], timezone=given["timezone"])

    module, _, name = entry["entrypoint"].rpartition(".")
    flow = getattr(importlib.import_module(module), name)
    parameters = entry.get("parameters") or {}
    inspect.signature(flow.fn).bind_partial(**parameters)
    flow.validate_parameters(parameters)
    return flow.to_deployment(
        entry["name"],
        schedules=[schedule(one) for one in entry["schedules"]],
        concurrency_limit=ConcurrencyLimitConfig.model_validate(entry["concurrency_limit"]),
        parameters=parameters,
        description=entry["description"],
        tags=[*entry["tags"], OURS],
        work_pool_name=entry["work_pool"]["name"] if pool else None,
        work_queue_name=entry["work_pool"]["work_queue_name"] if pool else None,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
