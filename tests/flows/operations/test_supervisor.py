"""What has died is started again, what keeps dying is given up and told, what was ended stays so."""

from pathlib import Path

import pytest

from flows.operations import supervisor
from flows.operations.daemons import Daemon, alive
from flows.operations.supervisor import Supervised, call_webhook, supervise
from tasks.errors import FetchError
from tests.flows.operating import eventually, webhook


class Kept:
    """A daemon under supervision, and what was told."""

    def __init__(self, folder: Path, *command: str) -> None:
        self.daemon = Daemon(folder, "kept")
        self.supervised = Supervised(self.daemon, self._start)
        self._command = command
        self.sentences: list[str] = []
        self.supervised.start()

    def _start(self) -> None:
        self.daemon.start(self._command)

    def look(self) -> None:
        supervise([self.supervised], self.sentences.append)


def test_one_that_was_killed_is_started_again_with_another_pid(tmp_path: Path) -> None:
    kept = Kept(tmp_path, "sleep", "600")
    (process,) = kept.daemon.family()
    kept.look()
    assert kept.daemon.family() == [process]
    process.kill()
    assert eventually(lambda: not kept.daemon.runs())
    kept.look()
    (again,) = kept.daemon.family()
    assert again.pid != process.pid
    assert kept.sentences == []
    kept.daemon.end()
    kept.look()
    assert (kept.daemon.runs(), alive([again])) == (False, [])


def test_one_that_keeps_dying_is_given_up_and_told_once(tmp_path: Path) -> None:
    kept = Kept(tmp_path, "sh", "-c", "echo no memory")
    for _ in range(2 * supervisor.DEATHS):
        assert eventually(lambda: not kept.daemon.runs())
        kept.look()
    assert kept.sentences == ["the kept has died 6 times and is not started again; its last words: no memory"]
    assert kept.daemon.log.read_text() == "no memory\n" * (1 + supervisor.DEATHS)


def test_deaths_of_long_ago_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "WITHIN", 0.0)
    kept = Kept(tmp_path, "true")
    for _ in range(2 * supervisor.DEATHS):
        assert eventually(lambda: not kept.daemon.runs())
        kept.look()
    assert kept.sentences == []


def test_a_long_log_is_put_aside_while_it_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LONGEST_LOG", 5)
    go = tmp_path / "go"
    command = f"echo before; while [ ! -e {go} ]; do sleep 0.05; done; echo after; exec sleep 600"
    kept = Kept(tmp_path, "sh", "-c", command)
    assert eventually(lambda: kept.daemon.last_words() == "before")
    kept.look()
    go.touch()
    assert eventually(lambda: kept.daemon.log.read_text() == "after\n")
    assert (tmp_path / "kept.log.1").read_text() == "before\n"
    kept.daemon.end()


def test_the_webhook_is_told_and_one_that_is_gone_or_refuses_is_named_by_its_host_alone() -> None:
    with webhook() as (address, messages):
        assert call_webhook(address, "the worker has died") == 204
        with pytest.raises(
            FetchError, match=r"^127\.0\.0\.1: the webhook refuses the message; received 501 Not Implemented; "
        ) as refused:
            call_webhook(address, "refuse this")
    assert "/hook" not in str(refused.value)
    assert messages[0] == {"text": "digitflow: the worker has died", "event": "digitflow.supervisor"}
    with pytest.raises(FetchError, match=r"^127\.0\.0\.1: the webhook does not answer; ") as caught:
        call_webhook(address, "the worker has died")
    assert "hook" not in str(caught.value).replace("webhook", "")
