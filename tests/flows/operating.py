"""What is up in the tests of operations: a server with a password, a worker, and somebody who wants to be told."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from flows.operations.daemons import Daemon
from tests.command import PROGRAM, environment

AUTH = "somebody:a-long-password"
LOST_AFTER = 36  # seconds; heartbeats come every 30
# What the server and the worker would do every minute or so.
QUICK = {
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    "PREFECT_EVENTS_PROACTIVE_GRANULARITY": "PT2S",
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5",
}


@dataclass(frozen=True)
class Operated:
    """A home where `digits up` has been called. told: what the webhook was called with."""

    home: Path
    port: int
    webhook: str
    told: list[dict[str, Any]]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def outgoing(self) -> Path:
        """Where tries to reach other machines are written down."""
        return self.home.parent / f"{self.home.name}-outgoing"

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A `digits` command in this home."""
        told = {"DIGITS_AUTH": AUTH, "DIGITS_WEBHOOK": self.webhook}
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments],
            cwd=self.home,
            env=environment(self.home) | QUICK | told | {"OUTGOING": str(self.outgoing)},
            capture_output=True,
            text=True,
            timeout=120,
        )

    def up(self) -> subprocess.CompletedProcess[str]:
        return self.command("up", "--port", str(self.port), "--lost-after", str(LOST_AFTER))

    def daemon(self, name: str) -> Daemon:
        return Daemon(self.home / ".prefect" / "operations", name)

    def kill(self, name: str) -> None:
        """SIGKILL for a daemon and whatever it has started."""
        for process in self.daemon(name).family():
            os.kill(process.pid, signal.SIGKILL)

    def api(self) -> httpx.Client:
        """As a client has to be: with the password, and a token against forged requests."""
        me, (user, _, password) = str(uuid.uuid4()), AUTH.partition(":")
        api = f"{self.address}/api"
        token = httpx.get(f"{api}/csrf-token", params={"client": me}, auth=(user, password)).json()["token"]
        headers = {"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": me}
        client = httpx.Client(base_url=api, auth=(user, password), headers=headers, timeout=30)
        return client

    def ask(self, method: str, path: str, **given: Any) -> Any:
        """What the API answers. With SQLite it is sometimes too busy, and every client of it asks again."""
        with self.api() as api:
            answers = (api.request(method, path, **given) for _ in range(20))
            answer = next(one for one in answers if one.status_code != 503 or time.sleep(0.5))
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def deployment(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"/deployments/name/{name}")
        return found

    def start(self, name: str, **parameters: Any) -> str:
        """A run of a deployment; its id."""
        path = f"/deployments/{self.deployment(name)['id']}/create_flow_run"
        return str(self.ask("POST", path, json={"state": {"type": "SCHEDULED"}, "parameters": parameters})["id"])

    def state(self, run: str) -> dict[str, Any]:
        state: dict[str, Any] = self.ask("GET", f"/flow_runs/{run}")["state"]
        return state

    def ended(self, run: str, seconds: float = 60) -> dict[str, Any]:
        """The state that a run ends in."""
        finals = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        assert within(seconds, lambda: self.state(run)["type"] in finals), self.daemon("worker").log.read_text()
        return self.state(run)

    def read(self, what: str, **filters: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("POST", f"/{what}/filter", json=filters)
        return found

    def lying(self, folder: str) -> list[str]:
        path = self.home / "data" / folder
        return sorted(one.name for one in path.iterdir() if not one.name.startswith(".")) if path.exists() else []


def within(seconds: float, happened: Callable[[], Any]) -> bool:
    until = time.monotonic() + seconds
    while not happened() and time.monotonic() < until:
        time.sleep(0.05)
    return bool(happened())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a local HTTP server, and what it has been called with."""
    told: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook", told
    finally:
        server.shutdown()
