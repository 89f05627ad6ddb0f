"""`digits serve`: the deployments without a work pool, from a terminal, and nothing left when it is interrupted."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from flows.operations.daemons import Daemon, alive
from tests.command import PROGRAM, environment
from tests.flows.conftest import give_database
from tests.flows.operating import PATIENCE, eventually, free_port

pytestmark = pytest.mark.operations


def test_the_deployments_are_served_until_ctrl_c(tmp_path: Path, database: Path) -> None:
    give_database(tmp_path, database)
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    command = [sys.executable, "-c", PROGRAM, "serve", "--port", str(port)]
    log = (tmp_path / "log").open("w")
    # As at a terminal, also where these tests run in the background, which ignores Ctrl-C.
    served = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=log,
        stderr=log,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        start_new_session=True,
    )

    def deployed() -> bool:
        try:
            names = ("train/nightly", "score/inbox", "compare/weekly")
            responses = [httpx.get(f"{api}/deployments/name/{name}") for name in names]
        except httpx.HTTPError:
            return False
        return all(response.is_success and response.json()["work_pool_name"] is None for response in responses)

    try:
        assert eventually(deployed), (tmp_path / "log").read_text()
        family = Daemon(tmp_path / ".prefect" / "operations", "server").family()
        os.killpg(served.pid, signal.SIGINT)  # as a terminal does
        served.wait(timeout=PATIENCE)
        assert family
        assert eventually(lambda: not alive(family))
    finally:
        served.kill()
