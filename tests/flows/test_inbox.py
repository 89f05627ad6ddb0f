"""The flow of the inbox, against a real server: ten files of which three are bad, and a kill in the middle."""

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx
import pytest

from flows.backfill import answer_again
from flows.inbox import Outcome, outcome_table, refusals, score_inbox, settle, slow_changes
from tasks.errors import DataError, StoreError
from tasks.history import days
from tasks.scoring.inbox import Claim, Inbox, claims
from tasks.scoring.scores import Options, ScoresMetrics
from tasks.store import Artifact, Store
from tests import making
from tests.command import digits, environment
from tests.conftest import Chain
from tests.tasks.history import past

PROGRAM = """
import os, signal, sys
from tasks.scoring.inbox import Claim

deliver, delivered = Claim.deliver, []

def dying(claim, scores):
    delivered.append(claim.name)
    if len(delivered) == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    deliver(claim, scores)

Claim.deliver = dying
from flows.inbox import score_inbox
print(score_inbox(quiet=0, beside=sys.argv[2] or None, return_state=True))
"""


def run(home: Path, server: str, killed_at: int = 0, beside: str = "") -> subprocess.CompletedProcess[str]:
    """One run of the flow, killed before its so-manyth result is delivered. beside: id of a second package."""
    command = [sys.executable, "-c", PROGRAM, str(killed_at), beside]
    return subprocess.run(command, cwd=home, env=environment(home, server), capture_output=True, text=True)


def fill(home: Path) -> None:
    """Ten files, b2, b5 and b8 of them bad."""
    folder = home / "data" / "inbox"
    folder.mkdir(parents=True)
    for number in range(10):
        if number in (2, 5, 8):
            (folder / f"b{number}.csv").write_text("this is\nno digit\n")
        else:
            making.write_csv(folder / f"g{number}.csv", making.unlabelled(making.digits(30, start=30 * number)))


def lying(home: Path, folder: str) -> list[str]:
    """The names in a folder of the inbox's, without what is to be reviewed of a result."""
    names = sorted(path.name for path in (home / "data" / folder).iterdir())
    return [name for name in names if not name.startswith(".") and ".review." not in name]


def scores_of(home: Path) -> list[str]:
    return [artifact.name for artifact in Store(home / "artifacts").all() if artifact.kind == "scores"]


def read(server: str, table: str, **filters: Any) -> list[dict[str, Any]]:
    answer = httpx.post(f"{server}/{table}/filter", json=filters)
    answer.raise_for_status()
    rows: list[dict[str, Any]] = answer.json()
    return rows


def outcomes(server: str) -> str:
    """The newest page about the files in an inbox."""
    pages = read(server, "artifacts", artifacts={"key": {"any_": ["scores"]}}, sort="CREATED_DESC")
    newest, *_ = [page["data"] for page in pages if page["description"] == "What came of the files in the inbox"]
    return str(newest)


def test_ten_files_of_which_three_are_bad_are_each_settled_once_in_spite_of_a_kill(
    home: Path, prefect_server: str
) -> None:
    fill(home)
    killed = run(home, prefect_server, killed_at=4)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(lying(home, "outbox")) == 3
    assert len(lying(home, "working")) == 1
    resumed = run(home, prefect_server)
    assert resumed.returncode == 0, resumed.stderr
    good = [f"g{number}.csv" for number in (0, 1, 3, 4, 6, 7, 9)]
    assert (lying(home, "outbox"), lying(home, "done")) == (good, good)
    bad = [name for number in (2, 5, 8) for name in (f"b{number}.csv", f"b{number}.csv.reason.txt")]
    assert lying(home, "failed") == bad
    assert (lying(home, "inbox"), lying(home, "working")) == ([], [])
    reason = (home / "data" / "failed" / "b2.csv.reason.txt").read_text()
    assert reason.startswith("b2.csv: ")
    assert reason.count("\n") == 1
    for name in good:
        lines = (home / "data" / "outbox" / name).read_text().splitlines()
        assert (lines[0], len(lines)) == ("ImageId,Label", 31)
    assert len(scores_of(home)) == 7


def test_a_run_shows_what_came_of_the_files_and_says_so_where_there_are_none(
    home: Path, prefect_server: str, chain: Chain
) -> None:
    fill(home)
    shutil.copytree(chain.store.root / chain.cascade.name, home / "artifacts" / chain.cascade.name)
    first = run(home, prefect_server, beside=chain.cascade.id)
    metrics = Store(home / "artifacts").get(scores_of(home)[0]).measured(ScoresMetrics)
    assert metrics.beside is not None
    assert metrics.beside.package == chain.cascade.name
    assert first.stdout.startswith("Files refused("), first.stderr
    lines = outcomes(prefect_server).splitlines()
    assert len(lines) == 4 + 10
    assert all(any(f"`{name}`" in line and "| outbox/g" in line for line in lines) for name in scores_of(home))
    assert len([line for line in lines if "| failed: b" in line]) == 3
    assert len([line for line in lines if f"; {chain.cascade.name} answers " in line]) == 7
    pages = read(prefect_server, "artifacts", artifacts={"key": {"any_": ["history"]}}, sort="CREATED_DESC")
    (page, *_) = [page for page in pages if "- 210 rows of 7 files were answered from " in page["data"]]
    assert re.search(
        r"\| \d\d\d\d-\d\d-\d\d \| 7 \| 210 \| .* \| [\d.]+\u00a0s \|", page["data"]
    )  # its latency is known
    again = run(home, prefect_server)
    assert again.stdout.startswith("Nothing new("), again.stderr


def test_a_folder_has_its_own_options_and_where_they_are_bad_the_other_files_do_not_wait(
    home: Path, prefect_server: str
) -> None:
    folder = home / "data" / "inbox" / "urgent"
    folder.mkdir(parents=True)
    for path in (folder / "a.csv", folder.parent / "b.csv"):
        making.write_csv(path, making.unlabelled(making.digits(30)))
    (folder / "options.yaml").write_text("probability: true\n")
    refused = run(home, prefect_server)
    assert "options.yaml: the options of the folder cannot be read; expected lines NAME: VALUE" in refused.stdout
    assert lying(home, "outbox") == ["b.csv", "urgent"]
    (folder / "options.yaml").write_text("probabilities: true\n")
    mended = run(home, prefect_server)
    assert mended.returncode == 0, mended.stderr
    lines = (home / "data" / "outbox" / "urgent" / "a.csv").read_text().splitlines()
    assert lines[0].startswith("ImageId,Label,Probability0")
    page = outcomes(prefect_server)
    assert "| urgent/a.csv | 30 |" in page
    assert f"| `{Store(home / 'artifacts').all()[-1].manifest().inputs[0]}` | outbox/urgent/a.csv |" in page


def test_what_is_done_is_answered_again_by_another_model_once_beside_the_old_answers(
    home: Path, prefect_server: str, chain: Chain
) -> None:
    fill(home)
    run(home, prefect_server)
    shutil.copytree(chain.store.root / chain.cascade.name, home / "artifacts" / chain.cascade.name)
    (home / "data" / "done" / "x.csv").write_text("this is\nno digit\n")
    old = {name: (home / "data" / "outbox" / name).read_bytes() for name in lying(home, "outbox")}
    call = ("backfill", "--since", "2026-01-01", "--model", chain.cascade.id)
    first = digits(*call, home=home, server=prefect_server)
    assert first.returncode == 0, first.stderr
    lines = first.stdout.splitlines()
    assert sorted(line.split()[0] for line in lines) == sorted([*old, "x.csv"])
    assert [line for line in lines if line.startswith("x.csv  0  refused: ")]
    assert all("  30  " in line for line in lines if not line.startswith("x.csv"))
    results = {name: (home / "data" / "outbox" / name).stat().st_mtime_ns for name in lying(home, "outbox")}
    assert set(results) == {*old, *(f"{name[:-4]}.{chain.cascade.id}.csv" for name in old)}
    assert all((home / "data" / "outbox" / name).read_bytes() == content for name, content in old.items())
    (page,) = read(prefect_server, "artifacts/latest", artifacts={"key": {"any_": ["backfill"]}})
    assert page["data"].startswith(f"8 files with 210 rows again by `{chain.cascade.name}`: ")
    assert digits(*call, home=home, server=prefect_server).stdout == first.stdout
    for folder in ("inbox", "done"):  # whose options cannot be read
        (home / "data" / folder / "a").mkdir()
    (home / "data" / "inbox" / "a" / "options.yaml").write_text("probability: true\n")
    (home / "data" / "done" / "a" / "a.csv").touch()
    z = home / "data" / "done" / "z.csv"
    making.write_csv(z, making.unlabelled(making.digits(30)))
    z.write_text(z.read_text() + "no digit\n")
    left = digits(*call, "--on-bad-row", "quarantine", home=home, server=prefect_server)
    assert (left.returncode, "options.yaml: the options of the folder cannot be read" in left.stderr) == (5, True)
    (home / "data" / "outbox" / f"z.{chain.cascade.id}.csv").unlink()
    assert {name: (home / "data" / "outbox" / name).stat().st_mtime_ns for name in lying(home, "outbox")} == results
    (day,) = days.history(Store(home / "artifacts")).days
    assert day.rows == 210


def test_a_name_that_a_terminal_would_obey_is_written_out_where_a_backfill_leaves_its_file(
    tmp_path: Path, chain: Chain, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    error = StoreError("no space is left", file="\x1b[31m.csv")
    monkeypatch.setattr("flows.backfill.inbox.options_of", Mock(side_effect=error))
    claim = Claim(Inbox(tmp_path), "\x1b[31m.csv")
    assert answer_again(Store(tmp_path), chain.package, claim, Options()) == error
    assert r"\x1b[31m.csv: left to a later run: \x1b[31m.csv: no space is left" in caplog.text


def test_without_a_champion_nothing_is_taken_out_of_the_inbox(
    home: Path, prefect_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(home)
    (home / "artifacts" / "champion.json").unlink()
    refused = run(home, prefect_server)
    assert "StoreError: there is no champion yet" in refused.stdout
    assert len(lying(home, "inbox")) == 10
    monkeypatch.setenv("DIGITS_HOME", str(home))
    (home / "data" / "inbox" / "a").mkdir()
    shutil.copy(home / "data" / "inbox" / "g0.csv", home / "data" / "inbox" / "a")
    champion = re.escape("StoreError: there is no champion yet; to go on, ")
    monkeypatch.setattr("flows.inbox.failed_alike", lambda message: re.fullmatch(f"{champion}[^;]*", message))
    again = score_inbox(quiet=0, return_state=True)
    assert (again.is_failed(), again.name) == (True, "As before")  # and nobody is called every five minutes
    shutil.copytree(home / "data" / "inbox" / "a", home / "data" / "inbox" / "b")
    (home / "data" / "inbox" / "b" / "options.yaml").write_text("probability: true\n")
    worse = score_inbox(quiet=0, return_state=True)
    assert (worse.is_failed(), worse.name) == (True, "Failed")
    assert re.search(f"{champion}.* Also: .*options.yaml: the options of the folder", worse.message or "")
    shutil.rmtree(home / "data" / "inbox")
    assert run(home, prefect_server).stdout.startswith("Nothing new(")


def test_a_slow_change_is_told_by_the_run_that_makes_it_and_by_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.operations.pages.of_history", lambda history: None)
    store = Store(tmp_path / "artifacts")
    claim = Claim(Inbox(tmp_path), "a.csv")
    told = {}
    for day in range(40):
        scores = past.scored(store, day, review=30 if day < 35 else 90)
        if sentences := slow_changes(store, [Outcome(claim, scores=scores)]):
            told[day] = sentences
    assert list(told) == [36]
    assert told[36][0].startswith("A slow change: the share to review has risen from ")
    assert slow_changes(store, [Outcome(claim, reason="bad")]) == []


def test_refusals_are_told_in_sentences_with_the_reason_of_the_first(tmp_path: Path) -> None:
    outcomes = [Outcome(Claim(Inbox(tmp_path), f"{number}.csv"), reason=f"{number}.csv: bad") for number in range(12)]
    assert refusals([]) == []
    assert refusals(outcomes[:1]) == ["Refused, and moved to failed/: 1 of 1 file: 0.csv.", "The reason: 0.csv: bad."]
    assert refusals(outcomes)[0].endswith(
        ": 12 of 12 files: " + ", ".join(f"{n}.csv" for n in range(10)) + " and 2 more."
    )
    assert refusals(outcomes)[1] == "The first reason: 0.csv: bad."


def test_a_reason_speaks_of_the_deployment_and_a_page_shows_it_as_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> Artifact:
        raise DataError("a <b>", remedy="mend it, or set such rows aside by --on-bad-row quarantine")

    monkeypatch.setattr("flows.inbox.score_file_stage", refuse)
    folders = Inbox(tmp_path)
    folders.inbox.mkdir()
    (folders.inbox / "a.csv").touch()
    claim = next(claims(folders, quiet=0))
    outcome = settle(Store(tmp_path), Artifact("package", "a", tmp_path), claim, Options(), 1)
    parameter = "by the deployment's parameter options: on_bad_row: quarantine"
    assert outcome.reason == f"a <b>; to go on, mend it, or set such rows aside {parameter}"
    assert (folders.failed / "a.csv.reason.txt").read_text() == f"{outcome.reason}\n"
    assert "failed: a &lt;b\\>; to go on" in outcome_table([outcome])
