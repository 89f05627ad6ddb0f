"""The server of a run: the standing one that is named, or Prefect's embedded one, which ends with the run."""

import atexit
import contextlib
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

from flows.operations.health import AS_IN, NO_ANSWER, answers, await_answer
from tasks.errors import StoreError

log = logging.getLogger(__name__)


@contextlib.contextmanager
def running_server() -> Iterator[None]:
    """Have a server for the flows of this process and its workers: the one that the settings name, or one of our own.

    Ours ends when the process exits, after the last lines of the log have reached it.
    Raises: StoreError if the one that the settings name does not answer, or ours does not start; UsageError if it wants
    another password.
    """
    from prefect.settings import (
        PREFECT_API_AUTH_STRING,
        PREFECT_API_URL,
        PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
        temporary_settings,
    )

    if api := PREFECT_API_URL.value():
        secret = PREFECT_API_AUTH_STRING.value()
        if not answers(api, secret.get_secret_value() if secret else None):
            raise StoreError(NO_ANSWER, file=api, remedy=f"start it, or unset PREFECT_API_URL, {AS_IN}")
        yield
        return
    log.info("starting Prefect's embedded server, which takes some seconds")
    address = f"http://127.0.0.1:{_free_port()}"
    server = _start(address)
    longest = PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS.value()
    if not await_answer(f"{address}/api", None, starting=lambda: server.poll() is None, longest=longest):
        raise StoreError(
            "Prefect's embedded server does not start",
            received="no answer" if server.poll() is None else f"its end, with code {server.returncode}",
            remedy="try again, perhaps with PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS=600",
        )
    # Workers, who are handed the settings, would else each start a server of their own.
    with temporary_settings({PREFECT_API_URL: f"{address}/api"}):
        yield


def _start(address: str) -> "subprocess.Popen[bytes]":
    """Start a server at an address of this machine that ends with this process, and runs no schedules."""
    from prefect.settings import get_current_settings

    environment = {
        **os.environ,
        **get_current_settings().to_environment_variables(exclude_unset=True),
        "PREFECT__SERVER_EPHEMERAL": "1",
        "PREFECT_UI_ENABLED": "0",
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": address.rpartition(":")[2],
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": address,
    }
    server = subprocess.Popen([sys.executable, "-m", "flows.operations.prefect_server"], env=environment)
    end_with_this_process(server.pid)
    # At the exit, and not before: until then the last lines of the log are on their way to it.
    atexit.register(_end, server)
    return server


def _end(server: "subprocess.Popen[bytes]") -> None:
    server.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(timeout=5)
        return
    server.kill()
    server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def end_with_this_process(pid: int) -> None:
    """See to it that another process ends when this one does, even by SIGKILL.

    A watcher waits for the end of its input, which comes when nobody holds the other end of the pipe any more.
    """
    command = ["sh", "-c", f"cat; kill {pid} 2>/dev/null"]
    # Out of the terminal's reach: Ctrl-C must not end the watcher before its work.
    watcher = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
    _watchers.append(watcher)


_watchers: list[subprocess.Popen[bytes]] = []  # a pipe closes when nothing refers to it
