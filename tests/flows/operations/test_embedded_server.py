"""Nothing that a run has started outlives it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.operations.embedded_server import running_server
from tasks.errors import StoreError

ROOT = Path(__file__).parents[3]
PROGRAM = """
import os, signal, subprocess, sys
from flows.operations.embedded_server import end_with_this_process
server = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL)
end_with_this_process(server.pid)
print(server.pid, flush=True)
if sys.argv[1] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text() if Path("/proc").exists() else True


@pytest.mark.parametrize("end", ["killed", "orderly"])
def test_running_server_ends_with_its_run_however_that_ends(end: str) -> None:
    command = [sys.executable, "-c", PROGRAM, end]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, timeout=30)
    assert run.returncode == (-signal.SIGKILL if end == "killed" else 0)
    server = int(run.stdout)
    for _ in range(100):
        if not alive(server):
            break
        time.sleep(0.05)
    assert not alive(server)


def test_a_standing_server_is_used_where_one_is_named(prefect_server: str) -> None:
    from prefect.server.api.server import SubprocessASGIServer

    running = dict(SubprocessASGIServer._instances)
    with running_server():
        assert running == SubprocessASGIServer._instances


def test_workers_are_handed_the_address_of_the_running_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would else start one of its own, which a kill leaves behind."""
    from prefect.server.api import server
    from prefect.settings import PREFECT_API_URL, get_current_settings, temporary_settings

    class Started:
        server_process = None
        api_url = "http://127.0.0.1:1/api"

        def start(self) -> None:
            pass

    monkeypatch.setattr(server, "SubprocessASGIServer", Started)
    with temporary_settings(restore_defaults={PREFECT_API_URL}), running_server():
        handed = get_current_settings().to_environment_variables(exclude_unset=True)
        assert handed["PREFECT_API_URL"] == Started.api_url


def test_a_server_that_does_not_start_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.server.api import server
    from prefect.settings import PREFECT_API_URL, temporary_settings

    class Starting:
        server_process = None

        def start(self) -> None:
            raise RuntimeError("Timed out")

    monkeypatch.setattr(server, "SubprocessASGIServer", Starting)
    with (
        temporary_settings(restore_defaults={PREFECT_API_URL}),
        pytest.raises(StoreError, match="does not start; received Timed out; to go on, try again"),
        running_server(),
    ):
        pass
