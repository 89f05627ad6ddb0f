"""The server of a run: the standing one that is named, or Prefect's embedded one, which ends with the run."""

import contextlib
import logging
import os
import subprocess
import threading
import time
from collections.abc import Iterator

from pydantic import SecretStr

from tasks.errors import StoreError, UsageError

NO_ANSWER = "the server does not answer"

log = logging.getLogger(__name__)


@contextlib.contextmanager
def a_server() -> Iterator[None]:
    """A server for the flows of this process and of its workers: the one that the settings name, or one of its own.

    Prefect itself ends it when the process exits, after the last lines of the log have reached it.
    Raises: StoreError if the one that the settings name does not answer, UsageError if it wants another password.
    """
    from prefect.server.api.server import SubprocessASGIServer
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    if named := PREFECT_API_URL.value():
        if answer(named, PREFECT_API_AUTH_STRING.value()) is None:
            raise StoreError(NO_ANSWER, file=named, remedy="start it, or unset PREFECT_API_URL")
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


def answer(api: str, auth: str | SecretStr | None) -> int | None:
    """The status that a server answers with when it is asked for its version; None if it does not answer.

    auth: user:password. Raises: UsageError if it asks for another one.
    """
    import httpx

    given = auth.get_secret_value() if isinstance(auth, SecretStr) else auth
    user, _, password = (given or ":").partition(":")
    try:
        status = httpx.get(f"{api}/admin/version", auth=(user, password), timeout=10).status_code
    except httpx.HTTPError:
        return None
    # Prefect Cloud asks for a key, which its client knows of.
    if status == httpx.codes.UNAUTHORIZED and not os.environ.get("PREFECT_API_KEY"):
        raise UsageError(
            "the server asks for another password", file=api, remedy="give it: PREFECT_API_AUTH_STRING=user:password"
        )
    return status


def end_with_this_process(pid: int) -> None:
    """See to it that another process ends when this one does, even by SIGKILL.

    A watcher waits for the end of its input, which comes when nobody holds the other end of the pipe any more.
    """
    command = ["sh", "-c", f"cat; kill {pid} 2>/dev/null"]
    # Out of the terminal's reach: Ctrl-C must not end the watcher before its work.
    watcher = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
    _watchers.append(watcher)


_watchers: list[subprocess.Popen[bytes]] = []  # a pipe closes when nothing refers to it
