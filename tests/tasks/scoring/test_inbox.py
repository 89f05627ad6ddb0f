"""Every file in the inbox is taken once, and what came of it appears once."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tasks.errors import DataError, StoreError
from tasks.scoring import inbox
from tasks.scoring.inbox import Claim, Inbox
from tasks.scoring.inputs import tables_to_score
from tasks.scoring.scores import Options, carry_out, plan
from tasks.settings import Settings
from tasks.store import Artifact, Store
from tests import making
from tests.conftest import Chain
from tests.tasks.reviewing.scored import scored

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folders(tmp_path: Path) -> Inbox:
    empty = Inbox(tmp_path)
    inbox.make_folders(empty)
    return empty


def answers_to(chain: Chain, folder: Path, options: Options) -> Artifact:
    path = making.write_csv(folder / "a.csv", making.unlabelled(making.digits(20)))
    tables = tables_to_score([str(path)], Settings(home=folder), folder)
    store = Store(chain.store.root)
    return carry_out(store, plan(store, chain.package, tables, options))


@pytest.fixture(scope="module")
def scores(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """Scores to deliver, of which nothing is to be reviewed."""
    return answers_to(chain, tmp_path_factory.mktemp("scores"), Options(review_below=0))


@pytest.fixture(scope="module")
def doubtful(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """Scores to deliver, of which all is to be reviewed."""
    return answers_to(chain, tmp_path_factory.mktemp("doubtful"), Options(review_below=1))


def put(folders: Inbox, *names: str) -> None:
    for name in names:
        (folders.inbox / name).write_bytes(os.fsencode(name))


def lying(folders: Inbox) -> dict[str, list[str]]:
    """The names in each folder that has any."""
    names = {
        folder.name: sorted(path.name for path in folder.iterdir() if path.name != inbox.LOCK)
        for folder in (folders.inbox, folders.working, folders.outbox, folders.done, folders.failed)
    }
    return {folder: listed for folder, listed in names.items() if listed}


def test_a_result_and_its_file_appear_under_one_name(folders: Inbox, scores: Artifact) -> None:
    put(folders, "a.csv", "forms.zip")
    for claim in inbox.claims(folders, quiet=0):
        assert claim.file
        assert claim.file.read_text() == claim.name
        claim.deliver(scores)
    assert lying(folders) == {"outbox": ["a.csv", "forms.zip.csv"], "done": ["a.csv", "forms.zip"]}
    assert (folders.outbox / "a.csv").read_bytes() == (scores.path / "submission.csv").read_bytes()


def test_what_to_review_and_how_lies_beside_the_result(folders: Inbox, doubtful: Artifact) -> None:
    put(folders, "forms.zip")
    for claim in inbox.claims(folders, quiet=0):
        claim.deliver(doubtful)
    assert lying(folders)["outbox"] == ["forms.zip.csv", "forms.zip.review.csv", "forms.zip.review.txt"]
    assert (folders.outbox / "forms.zip.review.csv").read_bytes() == (doubtful.path / "review.csv").read_bytes()
    assert (folders.outbox / "forms.zip.review.txt").read_text() == (
        "20 of 20 answers should be looked at by a person.\n"
        f"To look at them, and to correct them: digits review {doubtful.id}\n"
        "What is published there comes to forms.zip.reviewed.csv.\n"
    )


def test_a_file_that_is_called_as_what_to_review_of_another_overwrites_nothing(
    folders: Inbox, doubtful: Artifact
) -> None:
    put(folders, "a.csv", "a.review.csv", "a.reviewed.csv")
    runs = [inbox.claims(folders, quiet=0) for _ in range(3)]
    for claim in [next(run) for run in runs]:
        claim.deliver(doubtful)
    assert len(lying(folders)["outbox"]) == 9
    assert len(lying(folders)["done"]) == 3


def test_a_bad_file_gets_its_reason_beside_it(folders: Inbox) -> None:
    put(folders, "bad.csv")
    for claim in inbox.claims(folders, quiet=0):
        claim.refuse("bad.csv: it is bad")
    assert lying(folders) == {"failed": ["bad.csv", "bad.csv.reason.txt"]}
    assert (folders.failed / "bad.csv.reason.txt").read_text() == "bad.csv: it is bad\n"


def test_a_name_that_comes_again_overwrites_nothing(folders: Inbox, scores: Artifact) -> None:
    for _ in range(3):
        put(folders, "a.csv.gz")
        for claim in inbox.claims(folders, quiet=0):
            assert claim.file
            assert claim.file.name == "a.csv.gz"  # as messages and ids have it
            claim.deliver(scores)
    names = ["a-2.csv.gz", "a-3.csv.gz", "a.csv.gz"]
    assert lying(folders) == {"outbox": [f"{name}.csv" for name in names], "done": names}


def test_a_file_that_is_still_being_written_waits(folders: Inbox) -> None:
    put(folders, "new.csv", ".hidden.csv", "a.csv.part", "b.csv.TMP")
    (folders.inbox / "folder").mkdir()
    old = folders.inbox / "copied.csv"
    old.write_text("")
    os.utime(old, (0, 0))  # as `cp -p` leaves it
    assert inbox.waiting(folders, quiet=60) == []
    assert inbox.waiting(folders, quiet=0) == ["new.csv", "copied.csv"]


def test_two_runs_share_an_inbox(folders: Inbox, scores: Artifact) -> None:
    put(folders, "a.csv", "b.csv", "c.csv")
    first = inbox.claims(folders, quiet=0)
    held = next(first)
    names = []
    for claim in inbox.claims(folders, quiet=0):
        names.append(claim.name)
        claim.deliver(scores)
    held.deliver(scores)
    assert [claim.name for claim in first] == []
    assert sorted([held.name, *names]) == ["a.csv", "b.csv", "c.csv"]
    assert lying(folders) == {"outbox": ["a.csv", "b.csv", "c.csv"], "done": ["a.csv", "b.csv", "c.csv"]}


def test_a_file_that_was_put_off_is_taken_up_by_the_next_run_however_often(folders: Inbox) -> None:
    put(folders, "a.csv")
    for _ in range(inbox.CRASHES + 2):
        (claim,) = inbox.claims(folders, quiet=0)
        claim.put_off()
    assert lying(folders) == {"working": ["a.csv"]}


def test_a_file_at_which_run_after_run_ends_is_set_aside(folders: Inbox) -> None:
    put(folders, "a.csv")
    for _ in range(inbox.CRASHES):
        assert len(list(inbox.claims(folders, quiet=0))) == 1
    assert list(inbox.claims(folders, quiet=0)) == []
    assert lying(folders) == {"failed": ["a.csv", "a.csv.reason.txt"]}
    assert "a.csv: 3 runs have ended at this file" in (folders.failed / "a.csv.reason.txt").read_text()


# SIGKILL before a certain step; `pathlib` does all of them.
KILLED = """
import os, pathlib, shutil, signal, sys
from tasks.errors import DataError, StoreError
from tasks.scoring import inbox
from tasks.scoring.inbox import Inbox
from tasks.store import Artifact

root, scores, refuse, victim = sys.argv[1:]
steps = 0

def dying(real):
    def step(*arguments, **named):
        global steps
        if "working" in str(arguments[0]) or "inbox" in str(arguments[0]):
            steps += 1
            if steps == int(victim):
                os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **named)
    return step

pathlib.Path.rename = dying(pathlib.Path.rename)
pathlib.Path.mkdir = dying(pathlib.Path.mkdir)
shutil.rmtree = dying(shutil.rmtree)
for claim in inbox.claims(Inbox(pathlib.Path(root)), quiet=0):
    if refuse:
        claim.refuse("bad")
    else:
        claim.deliver(Artifact("scores", "x", pathlib.Path(scores)))
print(steps)
"""


@pytest.mark.parametrize("refuse", ["", "refuse"])
def test_a_crash_at_any_step_neither_loses_nor_doubles(folders: Inbox, doubtful: Artifact, refuse: str) -> None:
    scores = doubtful
    command = [sys.executable, "-c", KILLED, str(folders.root), str(scores.path), refuse]
    expected = {"outbox": ["a.csv", "a.review.csv", "a.review.txt"], "done": ["a.csv"]}
    if refuse:
        expected = {"failed": ["a.csv", "a.csv.reason.txt"]}
    victim, killed = 1, True
    while killed:
        put(folders, "a.csv")
        run = subprocess.run([*command, str(victim)], cwd=ROOT, capture_output=True, text=True)
        killed = run.returncode == -signal.SIGKILL
        assert killed or run.returncode == 0, run.stderr
        fetched = [path for path in folders.outbox.iterdir() if killed]
        for path in fetched:  # as somebody does who waits for it
            path.unlink()
        for claim in inbox.claims(folders, quiet=0):
            claim.refuse("bad") if refuse else claim.deliver(scores)
        outcome = lying(folders)
        if fetched:
            outcome["outbox"] = sorted([*outcome.get("outbox", []), *(path.name for path in fetched)])
        assert outcome == expected, victim
        for folder in (folders.outbox, folders.done, folders.failed):
            for path in folder.iterdir():
                path.unlink()
        victim += 1
    assert victim > 7


@pytest.fixture
def steps(folders: Inbox, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the file system is asked to do, in order: syncs, renames, and folders removed."""
    steps: list[str] = []
    fsync, rename, rmtree = os.fsync, Path.rename, shutil.rmtree

    def shown(path: Path) -> str:
        name = path.relative_to(folders.root).as_posix()
        return f"{path.parent.relative_to(folders.root)}/draft" if name.endswith(".draft") else name

    def synced(handle: int) -> None:
        fsync(handle)
        steps.append(f"sync {shown(Path(f'/proc/self/fd/{handle}').readlink())}")

    def renamed(source: Path, target: Path) -> Path:
        steps.append(f"{shown(source)} to {shown(target)}")
        return rename(source, target)

    def removed(folder: Path) -> None:
        steps.append(f"remove {shown(folder)}")
        rmtree(folder)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    monkeypatch.setattr(shutil, "rmtree", removed)
    return steps


def test_the_disk_knows_of_a_claim_before_the_file_leaves_the_inbox_for_good(folders: Inbox, steps: list[str]) -> None:
    put(folders, "a.csv")
    next(inbox.claims(folders, quiet=0))
    assert steps == ["sync working", "inbox/a.csv to working/a.csv/a.csv", "sync working/a.csv", "sync inbox"]


@pytest.mark.parametrize(
    ("refuse", "outcome", "file_goes_to", "outcome_goes_to"),
    [
        (False, ".result.csv", "done/a.csv", "outbox/a.csv"),
        (True, ".reason.txt", "failed/a.csv", "failed/a.csv.reason.txt"),
    ],
    ids=["delivered", "refused"],
)
def test_the_disk_knows_of_the_outcome_before_the_claim_is_removed(
    folders: Inbox,
    scores: Artifact,
    steps: list[str],
    refuse: bool,
    outcome: str,
    file_goes_to: str,
    outcome_goes_to: str,
) -> None:
    put(folders, "a.csv")
    claim = next(inbox.claims(folders, quiet=0))
    steps.clear()
    if refuse:
        claim.refuse("bad")
    else:
        claim.deliver(scores)
    assert steps == [
        "sync working/a.csv/draft",
        f"working/a.csv/draft to working/a.csv/{outcome}",
        "sync working/a.csv",
        f"working/a.csv/a.csv to {file_goes_to}",
        f"sync {Path(file_goes_to).parent}",
        "sync working/a.csv",
        f"working/a.csv/{outcome} to {outcome_goes_to}",
        f"sync {Path(outcome_goes_to).parent}",
        "sync working/a.csv",
        "remove working/a.csv",
    ]


def test_a_claim_knows_where_its_result_will_be(folders: Inbox) -> None:
    assert Claim(folders, "A.CSV").result == folders.outbox / "A.CSV"
    assert Claim(folders, "a.parquet").result == folders.outbox / "a.parquet.csv"


def test_two_files_at_once_whose_results_would_have_one_name_get_two(folders: Inbox, scores: Artifact) -> None:
    put(folders, "forms", "forms.csv")
    runs = [inbox.claims(folders, quiet=0) for _ in range(2)]
    for claim in [next(run) for run in runs]:
        claim.deliver(scores)
    assert lying(folders)["outbox"] == ["forms-2.csv", "forms.csv"]
    assert len(lying(folders)["done"]) == 2


@pytest.mark.parametrize("name", [os.fsdecode(b"Z\xe4hlung.csv"), f"{'ä' * 120}.csv", "x" * 250, f"x.{'y' * 250}"])
def test_a_name_that_is_no_text_or_too_long_stops_nobody(folders: Inbox, scores: Artifact, name: str) -> None:
    for outcome in ("refused", "delivered"):
        put(folders, name)
        for claim in inbox.claims(folders, quiet=0):
            if outcome == "refused":
                claim.refuse(f"{claim.name}: no digits")
            else:
                claim.deliver(scores)
    assert inbox.is_idle(folders, quiet=0)
    assert len(lying(folders)["failed"]) == 2
    assert len(lying(folders)["done"]) == len(lying(folders)["outbox"]) == 1


def test_links_and_pipes_are_refused_once_and_never_read(folders: Inbox, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret\n")
    (folders.inbox / "link.csv").symlink_to(secret)
    (folders.inbox / "dangling.csv").symlink_to(tmp_path / "nowhere")
    (folders.inbox / "folder.csv").symlink_to(tmp_path)
    os.mkfifo(folders.inbox / "pipe.csv")
    names = ["dangling.csv", "folder.csv", "link.csv", "pipe.csv"]
    assert sorted(inbox.waiting(folders, quiet=0)) == names
    for claim in inbox.claims(folders, quiet=0):
        with pytest.raises(DataError, match=r"this is not a file; expected a file; received a (link|pipe)") as error:
            claim.check_file()
        claim.refuse(str(error.value))
    assert lying(folders) == {"failed": sorted([*names, *(f"{name}.reason.txt" for name in names)])}
    assert secret.read_text() == "a secret\n"
    assert inbox.is_idle(folders, quiet=0)


def test_a_second_dangling_link_of_a_name_takes_another(folders: Inbox, tmp_path: Path) -> None:
    for _ in range(2):
        (folders.inbox / "a.csv").symlink_to(tmp_path / "nowhere")
        for claim in inbox.claims(folders, quiet=0):
            claim.refuse("a link")
    assert lying(folders)["failed"] == ["a-2.csv", "a-2.csv.reason.txt", "a.csv", "a.csv.reason.txt"]


@pytest.fixture
def urgent(folders: Inbox) -> Inbox:
    """A folder in the inbox."""
    (folders.inbox / "urgent").mkdir()
    first, whole = inbox.inboxes(folders.root)
    assert (first.name, whole.name) == ("urgent", "")
    inbox.make_folders(first)
    return first


def test_a_folder_in_the_inbox_has_its_own_outcomes_before_the_rest(
    folders: Inbox, urgent: Inbox, scores: Artifact
) -> None:
    put(folders, "a.csv")
    put(urgent, "a.csv", "b.csv", inbox.OPTIONS)
    assert inbox.contents(folders)["waiting"] == ["a.csv", "urgent/a.csv", "urgent/b.csv"]
    names = []
    for one in inbox.inboxes(folders.root):
        for claim in inbox.claims(one, quiet=0):
            names.append(claim.printable_name)
            claim.refuse("bad") if claim.name == "b.csv" else claim.deliver(scores)
    assert names == ["urgent/a.csv", "urgent/b.csv", "a.csv"]
    outcomes = [
        sorted(path.name for path in folder.iterdir()) for folder in (urgent.outbox, urgent.done, urgent.failed)
    ]
    assert outcomes == [["a.csv"], ["a.csv"], ["b.csv", "b.csv.reason.txt"]]
    assert inbox.contents(folders) == {"waiting": [], "working": [], "failed": ["urgent/b.csv"]}
    assert inbox.reason_of(folders, "urgent/b.csv") == "bad"
    inbox.retry(folders, "urgent/b.csv")
    assert inbox.waiting(urgent, quiet=0) == ["b.csv"]


def test_what_a_killed_run_has_left_of_a_folder_is_taken_up_though_the_folder_is_gone(
    folders: Inbox, urgent: Inbox
) -> None:
    put(urgent, "a.csv")
    next(inbox.claims(urgent, quiet=0))
    urgent.inbox.rmdir()
    assert inbox.contents(folders)["working"] == ["urgent/a.csv"]
    left = inbox.inboxes(folders.root)[0]
    assert not inbox.is_idle(left, quiet=0)
    assert [claim.name for claim in inbox.claims(left, quiet=0)] == ["a.csv"]


def test_the_reviewed_answers_of_a_folder_go_to_its_outbox(urgent: Inbox, store: Store) -> None:
    put(urgent, "a.csv")
    claim = next(inbox.claims(urgent, quiet=0))
    digits = making.digits(3)
    scores = scored(store, digits, digits.known_labels, np.ones(3), source=claim.file)
    assert inbox.reviewed_result(scores) == urgent.root / "outbox" / "urgent" / "a.reviewed.csv"
    assert inbox.where_now(scores) == [("a.csv", urgent.root / "done" / "urgent" / "a.csv")]


def test_a_link_in_the_inbox_is_no_folder_of_it(folders: Inbox, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folders.inbox / "link").symlink_to(tmp_path / "elsewhere")
    assert [one.name for one in inbox.inboxes(folders.root)] == [""]


def test_the_options_of_a_folder_stand_in_place_of_the_deployments(urgent: Inbox) -> None:
    given = Options(shard_rows=500)
    assert inbox.options_of(urgent, "champion", given) == ("champion", given)
    (urgent.inbox / inbox.OPTIONS).write_text("model: abcd\non_bad_row: quarantine\nreview_below: 0.9\n")
    named, options = inbox.options_of(urgent, "champion", given)
    assert (named, options) == ("abcd", Options(shard_rows=500, on_bad_row="quarantine", review_below=0.9))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("review: 0.9", "expected lines NAME: VALUE, with names from model, review_below, .*; received review;"),
        ("review_below: 2", "expected less than or equal to 1 as review_below; received 2.*its files wait until then"),
        ("on_bad_row: ignore", "expected 'stop' or 'quarantine' as on_bad_row; received 'ignore'"),
        ("[", "received while parsing"),
        ("5", "received 5"),
        ("[" * 5_000, "received maximum recursion depth exceeded"),
        ("review_below: &a [*a]", "received a list as review_below"),
        ("- &a [*a, *a]", "received a list"),
        ("'': 5", "expected lines NAME: VALUE"),
        ("!!python/object/apply:os.getcwd []", "could not determine a constructor"),
    ],
)
def test_options_that_are_none_are_refused_with_what_they_can_be(urgent: Inbox, content: str, message: str) -> None:
    (urgent.inbox / inbox.OPTIONS).write_text(content)
    with pytest.raises(StoreError, match=f"urgent/options.yaml: the options of the folder cannot be read.*{message}"):
        inbox.options_of(urgent, "champion", Options())


def test_options_are_read_from_no_link(urgent: Inbox, tmp_path: Path) -> None:
    (urgent.inbox / inbox.OPTIONS).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="expected a file"):
        inbox.options_of(urgent, "champion", Options())


def test_what_has_lain_for_long_is_removed_and_the_rest_stays(folders: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (folders.done, folders.failed, folders.outbox, folders.inbox):
        (folder / "old.csv").touch()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 86_400)
    inbox.remove_old(folders, days=2)
    assert len(lying(folders)) == 4
    inbox.remove_old(folders, days=0.9)
    assert lying(folders) == {"inbox": ["old.csv"], "outbox": ["old.csv"]}


def test_a_claim_knows_when_its_file_arrived(folders: Inbox) -> None:
    put(folders, "a.csv")
    arrived = (folders.inbox / "a.csv").stat().st_ctime
    assert next(inbox.claims(folders, quiet=0)).arrived == arrived
