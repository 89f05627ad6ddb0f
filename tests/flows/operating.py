"""What is up in the tests of operations: a server with a password, a worker, and a webhook."""

import json
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
PATIENCE = 300  # seconds, after which what a test waits for will not come any more
# What the server and the worker would do every minute or so.
QUICK = {
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    "PREFECT_EVENTS_PROACTIVE_GRANULARITY": "PT2S",
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5",
    # Else it keeps quiet about a locked database.
    "PREFECT_SERVER_LOG_RETRYABLE_ERRORS": "true",
}


@dataclass(frozen=True)
class Operated:
    """A home where `digits up` has been called. messages: what the webhook was called with."""

    home: Path
    port: int
    webhook: str
    messages: list[dict[str, Any]]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def outgoing(self) -> Path:
        """The file in which attempts to reach other machines are written down."""
        return self.home.parent / f"{self.home.name}-outgoing"

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a `digits` command in this home."""
        variables = {"DIGITS_AUTH": AUTH, "OUTGOING": str(self.outgoing)}
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments],
            cwd=self.home,
            env=environment(self.home) | QUICK | variables,
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
        )

    def up(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Call `digits up`; what the options do not say it keeps. The inbox is then scored only when a test says so."""
        run = self.command("up", "--port", str(self.port), *options)
        if run.returncode == 0:
            inbox = self.deployment("score/inbox")
            for schedule in inbox["schedules"]:
                path = f"/deployments/{inbox['id']}/schedules/{schedule['id']}"
                self.ask("PATCH", path, json={"active": False})
            # One that a worker has taken meanwhile would take a test's files, or its place.
            at_work = {"state": {"type": {"any_": ["PENDING", "RUNNING"]}}}
            of_inbox = {"id": {"any_": [inbox["id"]]}}
            assert eventually(
                lambda: (
                    not [
                        run
                        for run in self.read("flow_runs", deployments=of_inbox, flow_runs=at_work)
                        if run["auto_scheduled"]
                    ]
                )
            )
        return run

    def daemon(self, name: str) -> Daemon:
        return Daemon(self.home / ".prefect" / "operations", name)

    def kill(self, name: str) -> None:
        """Kill a daemon and all that it has started."""
        for process in self.daemon(name).family():
            process.kill()

    def api(self) -> httpx.Client:
        """Return a client as it has to be: with the password, and a token against forged requests."""
        client_id, (user, _, password) = str(uuid.uuid4()), AUTH.partition(":")
        api = f"{self.address}/api"
        answer = httpx.get(f"{api}/csrf-token", params={"client": client_id}, auth=(user, password), timeout=PATIENCE)
        token = answer.json()["token"]
        headers = {"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": client_id}
        return httpx.Client(base_url=api, auth=(user, password), headers=headers, timeout=PATIENCE)

    def ask(self, method: str, path: str, **request: Any) -> Any:
        """Return what the API answers. With SQLite it is sometimes too busy, and every client of it asks again."""
        with self.api() as api:
            for _ in range(20):
                response = api.request(method, path, **request)
                if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    break
                time.sleep(0.5)
        assert response.is_success, response.text
        return response.json() if response.content else None

    def shorten(self, automation: str, seconds: int) -> None:
        """Let one of our automations wait for so many seconds, where it would wait for minutes."""
        (present,) = self.read("automations", automations={"name": {"any_": [f"digitflow: {automation}"]}})
        present["trigger"]["within"] = seconds
        changed = {key: value for key, value in present.items() if key not in ("id", "created", "updated", "account")}
        self.ask("PUT", f"/automations/{present['id']}", json=changed)

    def texts(self, word: str) -> list[str]:
        """Return the messages of the webhook that contain a word."""
        return [message["text"] for message in self.messages if word in message["text"]]

    def deployment(self, name: str) -> dict[str, Any]:
        deployment: dict[str, Any] = self.ask("GET", f"/deployments/name/{name}")
        return deployment

    def start(self, name: str, **parameters: Any) -> str:
        """Start a run of a deployment, and return its id."""
        path = f"/deployments/{self.deployment(name)['id']}/create_flow_run"
        return str(self.ask("POST", path, json={"state": {"type": "SCHEDULED"}, "parameters": parameters})["id"])

    def score_inbox(self, **parameters: Any) -> str:
        """Start a run of the inbox and return its id once it has begun.

        One that comes while the schedule's own is at work is cancelled, and started again here.
        """
        runs: list[str] = []

        def began() -> bool:
            runs.append(self.start("score/inbox", **parameters))
            assert eventually(lambda: self.state(runs[-1])["type"] not in ("SCHEDULED", "PENDING"))
            return self.state(runs[-1])["type"] != "CANCELLED"

        assert eventually(began)
        return runs[-1]

    def state(self, run: str) -> dict[str, Any]:
        state: dict[str, Any] = self.ask("GET", f"/flow_runs/{run}")["state"]
        return state

    def final_state(self, run: str) -> dict[str, Any]:
        """Wait for a run to end, and return its state."""
        finals = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        assert eventually(lambda: self.state(run)["type"] in finals), self.daemon("worker").log.read_text()
        return self.state(run)

    def log_of(self, run: str) -> str:
        """Return what a run has logged, for a test that fails."""
        lines = self.read("logs", logs={"flow_run_id": {"any_": [run]}}, sort="TIMESTAMP_ASC")
        return "\n".join(line["message"] for line in lines)

    def read(self, kind: str, **filters: Any) -> list[dict[str, Any]]:
        """Return the server's objects of a kind that fit the filters."""
        objects: list[dict[str, Any]] = self.ask("POST", f"/{kind}/filter", json=filters)
        return objects

    def files(self, folder: str) -> list[str]:
        """Return the names of the files in a folder of the inbox's, without what is to be reviewed of a result."""
        path = self.home / "data" / folder
        names = sorted(file.name for file in path.iterdir()) if path.exists() else []
        return [name for name in names if not name.startswith(".") and ".review." not in name]


def eventually(condition: Callable[[], Any]) -> bool:
    """Wait until a condition holds; return whether it does."""
    deadline = time.monotonic() + PATIENCE
    while not (holds := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(holds)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Serve a webhook on this machine; yield its address and the list of what it has been called with."""
    messages: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            refuses = messages[-1]["text"] == "digitflow: refuse this"
            self.send_response(501 if refuses else 204)
            self.end_headers()
            self.wfile.write(f"Cannot POST {self.path}".encode() if refuses else b"")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook", messages
    finally:
        server.shutdown()
