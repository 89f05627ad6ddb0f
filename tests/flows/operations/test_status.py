"""`digits status` and `digits inbox` where no server is up: what they say, and whether a person is needed."""

import contextlib
import json
from pathlib import Path

import pytest

from flows.operations import status
from flows.operations.daemons import Daemon
from flows.operations.server import Operations
from flows.operations.status import Finding, look
from tasks.errors import UsageError
from tasks.scoring import inbox
from tasks.scoring.inbox import Inbox
from tasks.settings import Settings
from tests.command import digits
from tests.flows.operating import eventually


def findings_of(config: Settings) -> dict[str, Finding]:
    return {finding.name: finding for finding in look(config)}


def test_an_empty_home_needs_nobody_and_nothing_is_made_there(here: Settings) -> None:
    findings = findings_of(here)
    assert list(findings) == ["server", "worker", "supervisor", "inbox", "reviews", "champion", "disk"]
    assert findings["server"].says == "not started; `digits up` starts it"
    assert findings["champion"].says == "none yet; `digits run` makes one"
    assert [finding for finding in findings.values() if finding.remedy] == []
    assert list(here.home.iterdir()) == []


def test_a_daemon_that_has_ended_by_itself_needs_a_person(here: Settings) -> None:
    worker = Daemon(here.home / ".prefect" / "operations", "worker")
    worker.start(["sh", "-c", "echo out of memory"])
    assert eventually(lambda: not worker.runs())
    finding = findings_of(here)["worker"]
    assert finding.says == "has ended by itself; its last words: out of memory"
    assert finding.remedy == f"`digits up` starts it again; see {worker.log}"


def test_a_refused_file_a_damaged_champion_and_a_full_disk_need_a_person(
    here: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = here.data / "failed"
    failed.mkdir(parents=True)
    (failed / "a.csv").write_text("no digits")
    (failed / "a.csv.reason.txt").write_text("a.csv: why\n")
    here.artifacts.mkdir()
    (here.artifacts / "champion.json").write_text("{")
    monkeypatch.setattr(status, "LEAST_FREE", 2**80)
    findings = findings_of(here)
    assert findings["inbox"].details == {"waiting": 0, "working": 0, "failed": 1}
    needy = [name for name, finding in findings.items() if finding.remedy]
    assert needy == ["inbox", "champion", "disk"]


def test_what_cannot_be_looked_at_hides_nothing_else(here: Settings) -> None:
    here.data.mkdir()
    (here.data / "inbox").write_text("a file, not a folder")
    findings = findings_of(here)
    assert findings["inbox"].says.startswith("cannot be looked at: ")
    assert findings["inbox"].remedy
    assert "disk" in findings


def test_a_server_that_answers_badly_hides_nothing_else(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    operations = Operations(here)
    operations.server.start(["sleep", "600"], **operations.server_options)
    monkeypatch.setattr(status, "running", lambda config: operations)
    monkeypatch.setattr("prefect.get_client", lambda sync_client: contextlib.nullcontext())
    monkeypatch.setattr(status, "_deployments", lambda client: [][0])
    findings = findings_of(here)
    operations.server.end()
    assert findings["deployments"].says == "the server's answer is of no use: IndexError('list index out of range')"
    assert findings["deployments"].remedy
    assert "disk" in findings


def test_the_command_ends_with_1_where_a_person_is_needed_and_lists_the_reason(tmp_path: Path) -> None:
    well = digits("status", home=tmp_path)
    assert (well.returncode, well.stdout.splitlines()[-1].strip()) == (0, "nothing needs a person")
    failed = tmp_path / "data" / "failed"
    failed.mkdir(parents=True)
    (failed / "a.csv").write_text("no digits")
    (failed / "a.csv.reason.txt").write_text("a.csv: why\n")
    run = digits("status", "--json", home=tmp_path)
    answer = json.loads(run.stdout)
    assert (run.returncode, answer["well"], answer["findings"][3]["details"]["failed"]) == (1, False, 1)
    quiet = digits("status", "--quiet", home=tmp_path)
    assert (quiet.returncode, [line.split()[0] for line in quiet.stdout.splitlines()]) == (1, ["inbox", "→"])
    assert digits("inbox", home=tmp_path).stdout == "failed    a.csv  a.csv: why\n"
    no_server = digits("logs", home=tmp_path)
    assert (no_server.returncode, no_server.stderr.count("\n")) == (5, 1)
    assert no_server.stderr.startswith("digits: no server is up; to go on, start it by `digits up`")


@pytest.mark.parametrize("name", ["b.csv", "../inbox/a.csv", "a.csv.reason.txt.gone"])
def test_only_what_was_refused_is_put_back(tmp_path: Path, name: str) -> None:
    folders = Inbox(tmp_path)
    inbox.make_folders(folders)
    (folders.failed / "a.csv").write_text("x")
    with pytest.raises(UsageError, match=r"there is no such refused file.*a\.csv"):
        inbox.retry(folders, name)


def test_a_file_is_not_put_back_over_one_that_waits(tmp_path: Path) -> None:
    folders = Inbox(tmp_path)
    inbox.make_folders(folders)
    (folders.failed / "a.csv").write_text("refused")
    (folders.inbox / "a.csv").write_text("waits")
    with pytest.raises(UsageError, match="a file of this name waits already"):
        inbox.retry(folders, "a.csv")
    (folders.inbox / "a.csv").unlink()
    inbox.retry(folders, "a.csv")
    assert (folders.inbox / "a.csv").read_text() == "refused"
