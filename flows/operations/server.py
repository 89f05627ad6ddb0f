"""What `digits up` starts on this machine, and what ends it: Prefect's server with its UI, a worker, a supervisor.

Prefect is imported only when its variables are set, since it looks at them once.
"""

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flows.operations import deployments, runs
from flows.operations.daemons import Daemon
from flows.operations.embedded_server import end_with_this_process
from flows.operations.health import NO_ANSWER, answers, await_answer
from tasks.errors import StoreError, UsageError
from tasks.scoring.inbox import Inbox, make_folders
from tasks.settings import Settings
from tasks.store.locks import try_lock

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

HOST = "127.0.0.1"
KEEP_RUNS = 90  # days
PATIENCE = 20.0  # seconds; the supervisor is at it every few seconds, for a moment
PREFECT = (sys.executable, "-m", "prefect")


@dataclass(frozen=True)
class Operations:
    """The server and the worker of a home, as they are to be.

    port: of the server, on 127.0.0.1. auth: user:password that it asks for. keep_runs: days after whose end Prefect's
    database forgets a run.
    """

    settings: Settings
    port: int = 4200
    auth: str | None = None
    keep_runs: int = KEEP_RUNS

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def server(self) -> Daemon:
        return Daemon(self.settings.home / ".prefect" / "operations", "server")

    @property
    def worker(self) -> Daemon:
        return Daemon(self.server.folder, "worker")

    @property
    def supervisor(self) -> Daemon:
        return Daemon(self.server.folder, "supervisor")

    @property
    def server_options(self) -> dict[str, str]:
        """The options in which a server that is up must agree with what is asked for; not the password itself."""
        password = "yes" if self.auth else "no"
        return {"address": self.address, "password": password, "keep_runs": str(self.keep_runs)}

    def environment_overrides(self) -> dict[str, str]:
        """Return the variables that we set for server, worker and runs; the same stand in docs/systemd."""
        overrides = {
            "DIGITS_HOME": str(self.settings.home),
            "PREFECT_API_URL": f"{self.address}/api",
            "PREFECT_SERVER_API_HOST": HOST,
            "PREFECT_SERVER_API_PORT": str(self.port),
            # Else any page that is open in the browser could have this server do things.
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"{self.address},http://localhost:{self.port}",
            "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
            # Else its database grows for ever; the runs' artifacts stay.
            "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
            "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(self.keep_runs * 24 * 3600),
        }
        if self.auth:
            overrides |= {"PREFECT_SERVER_API_AUTH_STRING": self.auth, "PREFECT_API_AUTH_STRING": self.auth}
        return overrides


def kept_runs(config: Settings) -> int:
    """Return for how many days the server that is up keeps runs, or would if none is."""
    return int(Operations(config).server.saved_options().get("keep_runs", KEEP_RUNS))


def running(config: Settings) -> Operations:
    """Return the operations of the server that is up, and let Prefect's client know of it.

    Raises: StoreError if none is up; UsageError if it asks for another password.
    """
    server = Operations(config).server
    options = server.saved_options()
    if not options:
        raise StoreError(
            "no server is up", remedy=f"start it by `digits up`; the logs of the last one: {server.folder}"
        )
    auth = os.environ.get("DIGITS_AUTH") or os.environ.get("PREFECT_API_AUTH_STRING")
    operations = Operations(config, int(options["address"].rpartition(":")[2]), auth)
    if not answers(f"{operations.address}/api", operations.auth):
        raise StoreError(NO_ANSWER, file=str(server.log), received=server.last_words())
    os.environ.update(operations.environment_overrides())
    return operations


def up(operations: Operations, webhook: str | None, lost_after: float | None) -> deployments.Deployed:
    """Start what does not run yet, and bring work pool, deployments and automations up to date.

    webhook, lost_after: as `automations.apply` takes them.
    Raises: UsageError if something else has the port, or the server that runs is another one; StoreError.
    """
    with only_one(operations, PATIENCE) as locked:
        if not locked:
            raise UsageError("another `digits up`, or the supervisor, is at work", remedy="try again in a minute")
        _prepare(operations, with_pool=True)
        start_server(operations)
        deployed = deployments.deploy(webhook, lost_after)
        if not operations.worker.runs():
            runs.give_back(deployments.POOL)
        start_worker(operations)
        _start_supervisor(operations, deployed.webhook)
        return deployed


@contextlib.contextmanager
def only_one(operations: Operations, patience: float = 0) -> Iterator[bool]:
    """Try to keep others from starting anything meanwhile; yield whether nobody else is at it. Raises: StoreError.

    patience: seconds to wait for others.
    """
    operations.server.folder.mkdir(parents=True, exist_ok=True)
    with try_lock(operations.server.folder / "lock", patience) as is_free:
        yield is_free


def down(operations: Operations) -> list[str]:
    """End what `up` has started, the worker with its runs before the server; return the names of what ran."""
    operations.supervisor.end(with_children=False)  # which would start them again
    return [daemon.name for daemon in (operations.worker, operations.server) if daemon.end()]


def serve(operations: Operations) -> None:
    """Run the deployments from this process until it is interrupted, one run at a time.

    Raises: UsageError, StoreError as `up`, where no PREFECT_API_URL names a server.
    """
    if operations.worker.runs():
        raise UsageError("a worker runs these deployments already", remedy="end it by `digits down`")
    if "PREFECT_API_URL" in os.environ:
        served = deployments.read(with_pool=False)
    else:
        served = _prepare(operations, with_pool=False)
        start_server(operations, with_this_process=True)
    import prefect

    print(f"serving     {os.environ['PREFECT_API_URL'].removesuffix('/api')}", flush=True)
    prefect.serve(*served, limit=1, print_starting_message=False)


def _prepare(operations: Operations, with_pool: bool) -> "list[RunnerDeployment]":
    """Set Prefect's variables and read the deployments, so that a mistake is told before anything is started.

    Raises: UsageError.
    """
    if operations.auth is not None and not all(operations.auth.partition(":")):
        raise UsageError("this is no user and password", expected="user:password", received="something else")
    if options := operations.server.saved_options():
        _check_same(operations, options)
    else:
        _check_port(operations.port)
    os.environ.update(operations.environment_overrides())
    make_folders(Inbox(operations.settings.data))
    return deployments.read(with_pool)


def _check_same(operations: Operations, options: dict[str, str]) -> None:
    """Check that the server that is up is the one that is asked for. Raises: UsageError."""
    if options["address"] != operations.address:
        raise UsageError(
            "the server that is up has another port", received=options["address"], remedy="end it by `digits down`"
        )
    if options.get("keep_runs", str(KEEP_RUNS)) != str(operations.keep_runs):
        raise UsageError(
            f"the server that is up keeps runs for {kept_runs(operations.settings):,} days",
            remedy="end it by `digits down`, and start it again",
        )
    if options["password"] == "yes" and not operations.auth:
        raise UsageError("the server that is up asks for a password", remedy="give it: DIGITS_AUTH=user:password")
    if options["password"] == "no" and operations.auth:
        raise UsageError(
            "the server that is up asks for no password", remedy="end it by `digits down`, and start it again"
        )


def _check_port(port: int) -> None:
    """Check that the port is ours to take. Raises: UsageError."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UsageError(
                f"port {port} cannot be used", received=error.strerror, remedy="name another by --port"
            ) from error


def start_server(operations: Operations, with_this_process: bool = False) -> None:
    """Start the server unless it runs, and wait until it answers. with_this_process: end it with this process.

    Raises: UsageError if it asks for another password, StoreError if it does not answer.
    """
    server = operations.server
    if not server.runs():
        # Not by the option --host, which does without the settings' check that nobody else gets in.
        command = [sys.executable, "-m", "flows.operations.prefect_server"]
        pid = server.start(command, **operations.server_options)
        if with_this_process:
            end_with_this_process(pid)
    if not await_answer(f"{operations.address}/api", operations.auth, starting=server.runs):
        raise StoreError(
            NO_ANSWER,
            file=str(server.log),
            received=server.last_words(),
            remedy="see its log, and end it by `digits down`",
        )


def start_worker(operations: Operations) -> None:
    """Start the worker unless it runs. Raises: StoreError if it does not stay."""
    worker = operations.worker
    if not worker.runs():
        command = [*PREFECT, "worker", "start", "--pool", deployments.POOL, "--type", "process"]
        worker.start([*command, "--name", socket.gethostname()])
    if not worker.runs():
        raise StoreError("the worker has ended", file=str(worker.log), received=worker.last_words())


def _start_supervisor(operations: Operations, webhook: str | None) -> None:
    """Start the process that keeps server and worker up; one that runs knows of another webhook, perhaps, and ends."""
    operations.supervisor.end(with_children=False)
    # By a variable: others can read a command's words.
    os.environ["DIGITS_WEBHOOK"] = webhook or ""
    command = [sys.executable, "-m", "flows.operations.supervisor", str(operations.port), str(operations.keep_runs)]
    operations.supervisor.start(command)
