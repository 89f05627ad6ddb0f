"""The server of a run: the standing one that is named, or Prefect's embedded one, which ends with the run."""

import contextlib
import logging
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from flows.operations.health import NO_ANSWER, answers
from tasks.errors import StoreError

log = logging.getLogger(__name__)


@contextlib.contextmanager
def running_server() -> Iterator[None]:
    """Have a server for the flows of this process and its workers: the one that the settings name, or one of our own.

    Prefect itself ends it when the process exits, after the last lines of the log have reached it.
    Raises: StoreError if the one that the settings name does not answer, or ours does not start; UsageError if it wants
    another password.
    """
    from prefect.server.api.server import SubprocessASGIServer
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    if api := PREFECT_API_URL.value():
        secret = PREFECT_API_AUTH_STRING.value()
        if not answers(api, secret.get_secret_value() if secret else None):
            raise StoreError(NO_ANSWER, file=api, remedy="start it, or unset PREFECT_API_URL")
        yield
        return
    log.info("starting Prefect's embedded server, which takes some seconds")
    server = SubprocessASGIServer()
    # It returns when the server answers; until then, too, a kill must not leave it behind.
    with ThreadPoolExecutor(1) as starter:
        starting = starter.submit(server.start)
        while server.server_process is None and not starting.done():
            time.sleep(0.01)
        if server.server_process:
            end_with_this_process(server.server_process.pid)
        try:
            starting.result()
        except RuntimeError as error:
            raise StoreError(
                "Prefect's embedded server does not start",
                received=str(error),
                remedy="try again, perhaps with PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS=600",
            ) from error
    # Workers, who are handed the settings, would else each start a server of their own.
    with temporary_settings({PREFECT_API_URL: server.api_url}):
        yield


def end_with_this_process(pid: int) -> None:
    """See to it that another process ends when this one does, even by SIGKILL.

    A watcher waits for the end of its input, which comes when nobody holds the other end of the pipe any more.
    """
    command = ["sh", "-c", f"cat; kill {pid} 2>/dev/null"]
    # Out of the terminal's reach: Ctrl-C must not end the watcher before its work.
    watcher = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
    _watchers.append(watcher)


_watchers: list[subprocess.Popen[bytes]] = []  # a pipe closes when nothing refers to it
