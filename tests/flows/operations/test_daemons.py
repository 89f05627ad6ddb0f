"""Processes that outlive the command that started them, and how they are ended."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.operations import daemons, server
from flows.operations.daemons import Daemon, alive
from tasks.errors import StoreError
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


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere: the worker cannot be started; received No such file"):
        Daemon(tmp_path, "worker").start([str(tmp_path / "nowhere")])


def test_down_ends_the_worker_before_the_server_and_names_what_ran(tmp_path: Path) -> None:
    operations = server.Operations(Settings(home=tmp_path))
    for daemon in (operations.server, operations.worker):
        daemon.start(["sleep", "600"])
    assert server.down(operations) == ["worker", "server"]
    assert server.down(operations) == []
