"""Nothing that a run has started outlives it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from flows.operations import embedded_server
from flows.operations.embedded_server import running_server
from tasks.errors import StoreError
from tests.flows.conftest import give_database

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


OWN = """
import httpx, sys
from tasks.settings import load
load()
from flows.operations.embedded_server import running_server
from prefect.settings import PREFECT_API_URL, get_current_settings
with running_server():
    api = PREFECT_API_URL.value()
    handed = get_current_settings().to_environment_variables(exclude_unset=True)
    rebound = httpx.get(f"{api}/admin/version", headers={"Host": "elsewhere.example"})
    print(api, handed["PREFECT_API_URL"], httpx.get(f"{api}/admin/version").status_code, rebound.status_code)
"""


def test_a_server_of_its_own_answers_workers_and_no_page_from_elsewhere_and_ends_with_it(
    tmp_path: Path, database: Path
) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_API_URL")}
    environment |= {"DIGITS_HOME": str(give_database(tmp_path, database)), "PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, "-c", OWN], capture_output=True, text=True, env=environment, timeout=200)
    assert run.returncode == 0, run.stderr
    api, handed, called_by_name, rebound = run.stdout.split()
    assert (handed, called_by_name, rebound) == (api, "200", "400")
    with pytest.raises(httpx.ConnectError):
        httpx.get(api)


def test_a_standing_server_is_used_where_one_is_named(prefect_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_server, "_start", lambda address: pytest.fail("a second one"))
    with running_server():
        pass


def test_a_server_that_does_not_start_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    monkeypatch.setattr(embedded_server, "_start", lambda address: subprocess.Popen(["false"]))
    with (
        temporary_settings(restore_defaults={PREFECT_API_URL}),
        pytest.raises(StoreError, match="does not start; received its end, with code 1; to go on, try again"),
        running_server(),
    ):
        pass
