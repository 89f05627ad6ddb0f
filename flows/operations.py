"""What `make up` starts on this machine, and what ends it: Prefect's server with its UI, a work pool, a worker.

It imports Prefect only when its environment is set, since Prefect looks at its variables once.
"""

import asyncio
import contextlib
import importlib
import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.daemons import Daemon
from tasks.errors import StoreError, UsageError
from tasks.settings import Settings

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent.parent
DEPLOYMENTS = ROOT / "prefect.yaml"
HOST = "127.0.0.1"
POOL = "digits"
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
    _look_at(operations)
    start_server(operations)
    os.environ.update(operations.environment())
    deploy(operations)
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
    for deployment in _deployments(pool=True):
        deployment.apply()


def down(operations: Operations) -> list[str]:
    """End what `up` has started, the worker with its runs first; the names of what ran."""
    return [daemon.name for daemon in (operations.worker, operations.server) if daemon.end()]


def serve(operations: Operations) -> None:
    """Run the deployments from this process until it is interrupted, one run at a time.

    Raises: UsageError, StoreError as `up`, where no PREFECT_API_URL names a server.
    """
    if "PREFECT_API_URL" not in os.environ:
        _look_at(operations)
        start_server(operations, with_this_process=True)
        os.environ.update(operations.environment())
    import prefect

    prefect.serve(*_deployments(pool=False), limit=1, print_starting_message=False)


def start_server(operations: Operations, with_this_process: bool = False) -> None:
    """The server, which answers when this returns; the one that runs, where it does.

    with_this_process: end it with this process.
    Raises: StoreError if it does not answer.
    """
    if not operations.server.runs():
        # Not by the option --host, which does without the settings' check that nobody else gets in.
        command = [sys.executable, "-m", "prefect", "server", "start"]
        pid = operations.server.start(command, operations.environment(), address=operations.address)
        if with_this_process:
            from flows.embedded_server import end_with_this_process

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
        "the server does not answer",
        file=str(operations.server.log),
        received=operations.server.last_words(),
        remedy="see its log, and end it by `digits down`",
    )


def _await_server(api: str, auth: str | None) -> None:
    """The same of a server that somebody else has started, and may have started just now."""
    until = time.monotonic() + HEALTHY
    if not _answers(api, auth):
        log.info("waiting for the server at %s", api)
    while not _answers(api, auth):
        if time.monotonic() > until:
            raise StoreError("the server does not answer", file=api, remedy="start it, or mend PREFECT_API_URL")
        time.sleep(0.5)


def _answers(api: str, auth: str | None) -> bool:
    import httpx

    user, _, password = (auth or ":").partition(":")
    try:
        answer = httpx.get(f"{api}/admin/version", auth=(user, password), timeout=10)
    except httpx.HTTPError:
        return False
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise UsageError("the server asks for another password", file=api, remedy="give it, or end it by `digits down`")
    return answer.is_success


async def _configure(operations: Operations) -> None:
    """The work pool with its queues, and the automations."""
    from prefect import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists
    from prefect.workers.process import ProcessWorker

    from flows import automations

    async with get_client() as client:
        template = ProcessWorker.get_default_base_job_template()
        with contextlib.suppress(ObjectAlreadyExists):
            await client.create_work_pool(WorkPoolCreate(name=POOL, type="process", base_job_template=template))
        for name, limit in QUEUES.items():
            with contextlib.suppress(ObjectAlreadyExists):
                await client.create_work_queue(name, concurrency_limit=limit, work_pool_name=POOL)
        await automations.apply(client, operations.webhook, operations.lost_after)


def _deployments(pool: bool) -> "Iterator[RunnerDeployment]":
    """The deployments of prefect.yaml. pool: for its work pool, and not for a process that runs them itself."""
    import yaml  # type: ignore[import-untyped]
    from prefect.client.schemas.objects import ConcurrencyLimitConfig
    from prefect.schedules import Cron, Interval
    from prefect.types.entrypoint import EntrypointType

    def schedule(given: dict[str, Any]) -> Any:
        return Interval(given["interval"]) if "interval" in given else Cron(given["cron"], timezone=given["timezone"])

    for entry in yaml.safe_load(DEPLOYMENTS.read_text(encoding="utf-8"))["deployments"]:
        module, _, name = entry["entrypoint"].rpartition(".")
        yield getattr(importlib.import_module(module), name).to_deployment(
            entry["name"],
            schedules=[schedule(one) for one in entry["schedules"]],
            concurrency_limit=ConcurrencyLimitConfig.model_validate(entry["concurrency_limit"]),
            parameters=entry.get("parameters"),
            description=entry["description"],
            tags=entry["tags"],
            work_pool_name=entry["work_pool"]["name"] if pool else None,
            work_queue_name=entry["work_pool"]["work_queue_name"] if pool else None,
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
