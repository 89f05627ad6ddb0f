"""Processes that outlive the command that started them: how they are found again, and ended."""

import contextlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from flows.operations import daemons, server
from flows.operations.daemons import Daemon, alive
from tasks.errors import StoreError, UsageError
from tasks.settings import Settings
from tests.flows.operating import eventually

PARENT = "import subprocess; print('started', flush=True); subprocess.run(['sleep', '600'])"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A process that waits for a child of its own."""
    daemon = Daemon(tmp_path / "operations", "parent")
    daemon.start([sys.executable, "-c", PARENT], address="here")
    assert eventually(lambda: len(daemon.family()) == 2)
    yield daemon
    daemon.end()


def test_a_daemon_ends_with_all_that_it_has_started(daemon: Daemon) -> None:
    family = daemon.family()
    assert daemon.saved_options() == {"address": "here"}
    assert daemon.last_words() == "started"
    assert daemon.end()
    assert alive(family) == []
    assert not daemon.record.exists()
    assert (daemon.runs(), daemon.saved_options(), daemon.end()) == (False, {}, False)
    daemon.record.mkdir()  # as good as one that belongs to somebody else
    with pytest.raises(
        StoreError, match=r"the parent cannot be ended; .*; to go on, end it as the user who has started"
    ):
        daemon.end()
    daemon.record.rmdir()


def test_one_that_does_not_end_by_itself_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemons, "GRACE", 0.5)
    daemon = Daemon(tmp_path, "stubborn")
    daemon.start(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"])
    assert eventually(lambda: daemon.last_words() == "ready")
    family = daemon.family()
    assert daemon.end()
    assert eventually(lambda: alive(family) == [])


def test_another_process_with_the_same_pid_is_left_alone(tmp_path: Path) -> None:
    other = subprocess.Popen(["sleep", "600"])
    daemon = Daemon(tmp_path, "other")
    daemon.record.write_text(json.dumps({"pid": other.pid, "started": 1.5, "options": {}}))
    try:
        assert not daemon.end()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_one_whose_record_cannot_be_written_does_not_stay(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, "nameless")
    daemon.record.mkdir()
    before = set(psutil.Process().children())
    with pytest.raises(StoreError, match="the nameless cannot be started; received Is a directory"):
        daemon.start(["sleep", "600"])
    assert eventually(lambda: not set(alive(psutil.Process().children())) - before)


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere: the worker cannot be started; received No such file"):
        Daemon(tmp_path, "worker").start([str(tmp_path / "nowhere")])


@pytest.mark.parametrize(
    ("port", "auth", "message"),
    [
        (4300, "somebody:secret", "the server that is up has another port; received http://127.0.0.1:4200; to go on,"),
        (4200, None, "the server that is up asks for a password; to go on, give it: DIGITS_AUTH=user:password"),
        (4200, "somebody:", "this is no user and password; expected user:password"),
    ],
)
def test_up_refuses_other_options_than_those_of_the_server_that_is_up(
    tmp_path: Path, port: int, auth: str | None, message: str
) -> None:
    home = Settings(home=tmp_path)
    running = server.Operations(home, auth="somebody:secret")
    running.server.start(["sleep", "600"], **running.server_options)
    try:
        with pytest.raises(UsageError, match=message):
            server.up(server.Operations(home, port, auth), None, None)
    finally:
        server.down(running)


def test_up_waits_while_the_supervisor_looks_and_refuses_where_another_is_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    operations = server.Operations(Settings(home=tmp_path), auth="no password")
    with contextlib.ExitStack() as look:
        look.enter_context(server.only_one(operations))
        threading.Timer(0.5, look.close).start()
        with pytest.raises(UsageError, match="this is no user and password"):
            server.up(operations, None, None)
    monkeypatch.setattr(server, "PATIENCE", 0.1)
    with server.only_one(operations), pytest.raises(UsageError, match="another `digits up`, or the supervisor, is at"):
        server.up(operations, None, None)


def test_up_refuses_a_port_that_something_else_has(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} cannot be used; received Address already in use"):
            server.up(server.Operations(Settings(home=tmp_path), port), None, None)


def test_serve_refuses_where_a_worker_runs_the_deployments(tmp_path: Path) -> None:
    operations = server.Operations(Settings(home=tmp_path))
    operations.worker.start(["sleep", "600"])
    try:
        with pytest.raises(UsageError, match="a worker runs these deployments already"):
            server.serve(operations)
    finally:
        server.down(operations)


def test_down_ends_the_worker_before_the_server_and_names_what_ran(tmp_path: Path) -> None:
    operations = server.Operations(Settings(home=tmp_path))
    for daemon in (operations.server, operations.worker):
        daemon.start(["sleep", "600"])
    assert server.down(operations) == ["worker", "server"]
    assert server.down(operations) == []
