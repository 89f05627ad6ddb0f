"""Prefect's embedded server, for runs without a standing one, ended with the run however that ends."""

import contextlib
import logging
import subprocess
import threading
import time
from collections.abc import Iterator

log = logging.getLogger(__name__)


@contextlib.contextmanager
def a_server() -> Iterator[None]:
    """A server for the flows of this process and of its workers: the one that the settings name, or one of its own.

    Prefect itself ends it when the process exits, after the last lines of the log have reached it.
    """
    from prefect.server.api.server import SubprocessASGIServer
    from prefect.settings import PREFECT_API_URL, temporary_settings

    if PREFECT_API_URL.value():
        yield
        return
    log.info("starting Prefect's embedded server, which takes some seconds")
    server = SubprocessASGIServer()
    # It returns when the server answers; until then, too, a kill must not leave it behind.
    starting = threading.Thread(target=server.start)
    starting.start()
    while server.server_process is None and starting.is_alive():
        time.sleep(0.01)
    if server.server_process:
        end_with_this_process(server.server_process.pid)
    starting.join()
    # Workers, who are handed the settings, would else each start a server of their own.
    with temporary_settings({PREFECT_API_URL: server.api_url}):
        yield


def end_with_this_process(pid: int) -> None:
    """See to it that another process ends when this one does, even by SIGKILL.

    A watcher waits for the end of its input, which comes when nobody holds the other end of the pipe any more.
    """
    command = ["sh", "-c", f"cat; kill {pid} 2>/dev/null"]
    _watchers.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL))


_watchers: list[subprocess.Popen[bytes]] = []  # a pipe closes when nothing refers to it
