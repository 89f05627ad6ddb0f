"""Prefect's embedded server, for runs without a standing one, ended with the run however that ends."""

import contextlib
import logging
import subprocess
import threading
import time
from collections.abc import Iterator

log = logging.getLogger(__name__)


@contextlib.contextmanager
def embedded_server() -> Iterator[None]:
    """Start the server that flows of this process talk to, unless the settings name another; end it with the block."""
    from prefect.server.api.server import SubprocessASGIServer
    from prefect.settings import PREFECT_API_URL

    if PREFECT_API_URL.value():
        yield
        return
    log.info("starting Prefect's embedded server, which takes some seconds")
    server = SubprocessASGIServer()
    starting = threading.Thread(target=server.start)
    starting.start()
    while server.server_process is None and starting.is_alive():
        time.sleep(0.01)
    with _ended_with_us(server.server_process):
        starting.join()
        try:
            yield
        finally:
            server.stop()


@contextlib.contextmanager
def _ended_with_us(process: subprocess.Popen[bytes] | None) -> Iterator[None]:
    """See to it that a killed run leaves no server behind.

    The watcher waits for the end of its input, which comes when this process is gone, even by SIGKILL.
    """
    if process is None:  # it could not be started, which the flow will say
        yield
        return
    command = f"cat; kill {process.pid}"
    with subprocess.Popen(["sh", "-c", command], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as watcher:
        try:
            yield
        finally:
            watcher.terminate()
