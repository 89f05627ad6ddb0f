"""Folders where files are left to be scored: each is taken once, and its result or its reason appears once.

    inbox/NAME ──▶ working/NAME/NAME ──▶ done/NAME,   outbox/NAME.csv
                                   │                  outbox/NAME.review.csv and .txt, where a person should look
                                   └───▶ failed/NAME, failed/NAME.reason.txt

A file is claimed by renaming it into a folder of its own in `working/`, under a name that is free in all the others
(`test-2.csv` where there was a `test.csv` before). What comes of it is written into that folder, whole, and then the
input and the outcome are renamed to where they belong. The disk knows of each step before the next one is taken, and
the claim's folder goes last. So after a crash or a loss of power at any moment it is clear what is left to do, the next
run does it, and nothing appears twice, even where somebody has fetched a result in between.
"""

import contextlib
import json
import logging
import os
import shutil
import stat
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tasks.errors import DataError, StoreError, UsageError, meant
from tasks.scoring import outputs
from tasks.scoring.delivery import deliver
from tasks.scoring.scores import Options, ScoresMetrics
from tasks.scoring.writing import writing
from tasks.store import Artifact
from tasks.store.files import move, sync
from tasks.store.locks import try_lock
from tasks.store.typed import parsed
from tasks.words import counted, printable

log = logging.getLogger(__name__)

# Of files that programs are still writing: browsers, rsync, ftp clients and our own drafts.
UNFINISHED = (".part", ".partial", ".tmp", ".crdownload", ".filepart")
LONGEST = 200  # bytes of a name, for what is added to it to be no more than the 255 that file systems take
CRASHES = 3  # that a file may be the cause of

OPTIONS = "options.yaml"
MOST_OF_OPTIONS = 10_000  # bytes

# In a claim's folder; files whose names begin with a dot are never claimed.
RESULT, REASON, LOCK, TRIES, ARRIVED = ".result.csv", ".reason.txt", ".lock", ".tries", ".arrived"
REVIEW, HOW_TO_REVIEW = ".review.csv", ".review.txt"
REVIEWED = ".reviewed.csv"  # in the outbox alone: what a review comes to


class Inbox:
    """The folders below `root`, which have to be on one file system. name: of a folder in the inbox, for its own."""

    def __init__(self, root: Path, name: str = "") -> None:
        self.root = root
        self.name = name
        self.inbox = root / "inbox" / name
        # Beside the claims of the others, which have no dot.
        self.working = root / "working" / f".{name}" if name else root / "working"
        self.outbox = root / "outbox" / name
        self.done = root / "done" / name
        self.failed = root / "failed" / name


@dataclass(frozen=True)
class Claim:
    """A file that is taken out of the inbox. name: what it and its outcome are called from now on."""

    folders: Inbox
    name: str

    @property
    def printable_name(self) -> str:
        """Its name below the inbox."""
        return printable(f"{self.folders.name}/{self.name}".removeprefix("/"))

    @property
    def arrived(self) -> float | None:
        """When the file came into the inbox, in seconds since 1970; None where that is not known."""
        with contextlib.suppress(OSError, ValueError):
            return float((self.folder / ARRIVED).read_text())
        return None

    @property
    def folder(self) -> Path:
        return self.folders.working / self.name

    @property
    def file(self) -> Path | None:
        """The file, under the name that it came with; None once it has been moved on."""
        return next((path for path in self.folder.iterdir() if not path.name.startswith(".")), None)

    def check_file(self) -> None:
        """Check that it is a file: a link would have us read what it leads to, and a pipe wait. Raises: DataError."""
        if self.file and not stat.S_ISREG(self.file.lstat().st_mode):
            received = "a link" if self.file.is_symlink() else "a pipe or a device"
            raise DataError("this is not a file", file=self.printable_name, expected="a file", received=received)

    @property
    def result(self) -> Path:
        """Where its submission will be."""
        return self.folders.outbox / _result_name(self.name)

    def deliver(self, scores: Artifact) -> None:
        """Bring the submission to the outbox, with what to review, and the file to `done/`. Raises: StoreError."""
        metrics = scores.measured(ScoresMetrics)
        if metrics.review:
            deliver(scores, str(self.folder / REVIEW), outputs.REVIEW)
            with writing(self.folder / HOW_TO_REVIEW) as file:
                lines = (
                    f"{metrics.review:,} of {counted(metrics.rows, 'answer')} should be looked at by a person.",
                    f"To look at them, and to correct them: digits review {scores.id}",
                    f"What is published there comes to {printable(_beside(self.name, REVIEWED))}.",
                )
                file.write("".join(f"{line}\n" for line in lines).encode())
        deliver(scores, str(self.folder / RESULT))
        _settle(self)

    def refuse(self, reason: str) -> None:
        """Bring the file to `failed/`, and the reason beside it. Raises: StoreError."""
        with writing(self.folder / REASON) as file:
            file.write(f"{printable(reason)}\n".encode())
        _settle(self)

    def put_off(self) -> None:
        """Leave it to a later run, as often as it takes: it was not the file's fault."""
        (self.folder / TRIES).unlink(missing_ok=True)


def inboxes(root: Path) -> list[Inbox]:
    """Return the folders of the inbox by their names, and the inbox itself after them; links are not followed.

    One that is gone is among them as long as something of it is in work.
    """
    names = {path.name for path in _subfolders(root / "inbox") if not path.name.startswith(".")}
    working = [path.name[1:] for path in _subfolders(root / "working") if path.name.startswith(".")]
    names |= {name for name in working if _left(Inbox(root, name))}
    return [*(Inbox(root, name) for name in sorted(names)), Inbox(root)]


def options_of(folders: Inbox, model: str, options: Options) -> tuple[str, Options]:
    """Return the model and the options of a folder: what its options.yaml says, the rest as given.

    Raises: StoreError if that cannot be read, or says what is no option.
    """
    path = folders.inbox / OPTIONS
    if not os.path.lexists(path):
        return model, options
    import yaml

    what, remedy = "the options of the folder cannot be read", "mend it; its files wait until then"
    expected = f"lines NAME: VALUE, with names from model, {', '.join(vars(options))}"
    try:
        if not stat.S_ISREG(path.lstat().st_mode):  # a link would have us read what it leads to
            raise StoreError(what, file=str(path), expected="a file", remedy=remedy)
        with path.open("rb") as file:
            values = yaml.safe_load(file.read(MOST_OF_OPTIONS)) or {}
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        received = " ".join(str(error).split())
        raise StoreError(what, file=str(path), expected=expected, received=received, remedy=remedy) from error
    # A list is never written out: a few lines of aliases make one that fills the memory.
    wrong = None if isinstance(values, dict) else "a list" if isinstance(values, list) else repr(values)[:100]
    for name, value in () if wrong else values.items():
        if name not in ("model", *vars(options)):
            wrong = str(name) or "''"
        elif isinstance(value, list | dict | set):
            wrong = f"a {type(value).__name__} as {name}"
    if wrong:
        raise StoreError(what, file=str(path), expected=expected, received=wrong, remedy=remedy)
    model = str(values.pop("model", model))
    content = json.dumps(asdict(options) | values, default=str).encode()
    return model, parsed(Options, content, what, file=path, remedy=remedy)


def remove_old(folders: Inbox, days: float) -> None:
    """Remove from `done/` and `failed/` what has lain there for so many days. Raises: StoreError."""
    with _explained(folders):
        for path in (*folders.done.iterdir(), *folders.failed.iterdir()):
            status = path.lstat()
            if not stat.S_ISDIR(status.st_mode) and status.st_ctime < time.time() - days * 86_400:
                path.unlink(missing_ok=True)
                log.info("%s: removed, as older than %g days", printable(path.name), days)


def is_idle(folders: Inbox, quiet: float) -> bool:
    """Tell whether there is nothing to do. Raises: StoreError."""
    make_folders(folders)
    return not waiting(folders, quiet) and not _left(folders)


def make_folders(folders: Inbox) -> None:
    """Make the folders that are not there. Raises: StoreError if they cannot be made."""
    with _explained(folders):
        for folder in (folders.inbox, folders.outbox, folders.done, folders.failed, folders.working):
            folder.mkdir(parents=True, exist_ok=True)


def waiting(folders: Inbox, quiet: float) -> list[str]:
    """Return the names of the files that are ready, oldest first.

    quiet: seconds for which a file has to be unchanged, lest it is still being written.
    """
    changed = {}
    for path in folders.inbox.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another run has it
            # Not mtime, which a copy brings along from the original.
            status = path.lstat()
            passed_over = path.name.startswith(".") or path.name.lower().endswith(UNFINISHED) or path.name == OPTIONS
            if not stat.S_ISDIR(status.st_mode) and not passed_over:
                changed[path.name] = status.st_ctime
    now = time.time()
    return sorted((name for name in changed if now - changed[name] >= quiet), key=lambda name: changed[name])


def contents(folders: Inbox) -> dict[str, list[str]]:
    """Return the names of the files that wait, are in work and were refused, those in folders of the inbox among them.

    They are sorted; nothing is made or changed. Raises: OSError.
    """
    names: dict[str, list[str]] = {"waiting": [], "working": [], "failed": []}
    for one in inboxes(folders.root):
        for state, folder in zip(names, (one.inbox, one.working, one.failed), strict=True):
            claims_too = state == "working"
            paths = [path for path in folder.iterdir() if claims_too or not path.is_dir()] if folder.exists() else []
            own = [path.name for path in paths if not path.name.startswith(".") and not path.name.endswith(REASON)]
            names[state] += [f"{one.name}/{name}".removeprefix("/") for name in own if name != OPTIONS]
    return {state: sorted(own) for state, own in names.items()}


def reason_of(folders: Inbox, name: str) -> str:
    """Return why a file was refused; nothing where the reason is gone."""
    reason = folders.failed / f"{name}{REASON}"
    return reason.read_text(encoding="utf-8", errors="replace").strip() if reason.is_file() else ""


def retry(folders: Inbox, name: str) -> None:
    """Put a refused file back into the inbox, and remove its reason. Raises: UsageError, StoreError."""
    refused, reason = folders.failed / name, folders.failed / f"{name}{REASON}"
    if name not in (known := contents(folders)["failed"]):
        expected = f"one of those in failed/: {', '.join(known[:10]) or 'none'}"
        raise UsageError(f"there is no such refused file{meant(name, known)}", received=name, expected=expected)
    if os.path.lexists(folders.inbox / name):
        raise UsageError("a file of this name waits already", received=name, remedy="retry it after the next run")
    with _explained(folders):
        move(refused, folders.inbox / name)
        reason.unlink(missing_ok=True)


def claims(folders: Inbox, quiet: float) -> Iterator[Claim]:
    """Yield what runs that are gone have left, then what waits; each is this process's until the next is asked for.

    What lies in the inbox only after the first is asked for is left to the next run. So several runs share an inbox.
    Raises: StoreError.
    """
    make_folders(folders)
    ready = waiting(folders, quiet)
    for name in _left(folders):
        claim = Claim(folders, name)
        with contextlib.ExitStack() as locks:
            if _take_over(claim, locks):
                yield claim
    for name in ready:
        with contextlib.ExitStack() as locks:
            if claimed := _claim(folders, name, locks):
                yield claimed


def _subfolders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()] if folder.is_dir() else []


def _left(folders: Inbox) -> list[str]:
    """Return the names of the claims that there are, those of runs that are gone among them."""
    return sorted(path.name for path in _subfolders(folders.working) if not path.name.startswith("."))


def _claim(folders: Inbox, name: str, locks: contextlib.ExitStack) -> Claim | None:
    """Claim a file of the inbox; return None where another run was quicker."""
    with _only_claimer(folders), _explained(folders):
        source = folders.inbox / name
        if not os.path.lexists(source):
            return None
        claim = Claim(folders, _free_name(folders, name))
        claim.folder.mkdir()
        sync(folders.working)
        locks.enter_context(try_lock(claim.folder / LOCK))
        (claim.folder / ARRIVED).write_text(str(source.lstat().st_ctime))  # which the renaming changes
        move(source, claim.folder / name)
        _count_try(claim)
    return claim


def _take_over(claim: Claim, locks: contextlib.ExitStack) -> bool:
    """Try to take over the claim of a run that is gone; return whether there is more to do than to rename."""
    with _only_claimer(claim.folders), _explained(claim.folders):
        if not claim.folder.exists() or not locks.enter_context(try_lock(claim.folder / LOCK)):
            return False
        if not claim.file or (claim.folder / RESULT).exists() or (claim.folder / REASON).exists():
            _settle(claim)
            return False
        tries = _count_try(claim)
    if tries > CRASHES:
        name = claim.printable_name
        claim.refuse(f"{name}: {CRASHES} runs have ended at this file without a word; their logs may say more")
        return False
    log.info("%s: a run that is gone has left it; it is taken up again", claim.printable_name)
    return True


def _settle(claim: Claim) -> None:
    """Move the file and what came of it to where they belong, as far as they are not there. Raises: StoreError."""
    folders = claim.folders
    if (claim.folder / REASON).exists():
        outcomes = {REASON: folders.failed / f"{claim.name}{REASON}"}
        file_target = folders.failed / claim.name
    else:
        # The result last: whoever has it has the others.
        outcomes = {name: folders.outbox / _beside(claim.name, name) for name in (REVIEW, HOW_TO_REVIEW)}
        outcomes[RESULT] = claim.result
        file_target = folders.done / claim.name
    with _explained(folders):
        if claim.file:
            move(claim.file, file_target)
        for name, target in outcomes.items():
            if (claim.folder / name).exists():
                move(claim.folder / name, target)
        shutil.rmtree(claim.folder)


def _free_name(folders: Inbox, name: str) -> str:
    """Return the name, or the name with -2, -3, … before its ending, such that no file in any of the folders has it."""
    stem, dot, ending = name.partition(".")
    while len(os.fsencode(name)) > LONGEST:
        # What begins with a dot would be no claim.
        stem, ending = (stem[:-1], ending) if len(stem) > 1 else (stem, ending[1:])
        name = f"{stem}{dot}{ending}"
    number, free = 1, name
    # `test` and `test.csv` both become outbox/test.csv, and `test.review.csv` is what to review of them.
    coming = {result for left in _left(folders) for result in _result_names(left)}
    while not coming.isdisjoint(_result_names(free)) or any(
        os.path.lexists(path)
        for path in (
            folders.done / free,
            folders.failed / free,
            folders.failed / f"{free}{REASON}",
            *(folders.outbox / result for result in _result_names(free)),
        )
    ):
        number += 1
        free = f"{stem}-{number}{dot}{ending}"
    return free


def where_now(scores: Artifact) -> list[tuple[str, Path]]:
    """Return the files that were scored, by name and where they are: what was in `working/` is in `done/` now."""
    paths = [Path(file["path"]) for file in scores.manifest().source.get("files", [])]
    claims = [_claim_of(path) for path in paths]
    return [
        (path.name, claim.folders.done / claim.name if claim else path)
        for path, claim in zip(paths, claims, strict=True)
    ]


def reviewed_result(scores: Artifact) -> Path | None:
    """Return where the outbox holds the reviewed answers to a file of the inbox; None for what was scored elsewhere."""
    for file in scores.manifest().source.get("files", []):
        if claim := _claim_of(Path(file["path"])):
            return claim.folders.outbox / _beside(claim.name, REVIEWED)
    return None


def _claim_of(file: Path) -> Claim | None:
    """Return the claim that a scored file was, in whatever inbox; None for a file from elsewhere."""
    working, name = file.parent.parent, file.parent.name
    own = working.name.startswith(".")
    folders = Inbox(working.parent.parent, working.name[1:]) if own else Inbox(working.parent)
    return Claim(folders, name) if working == folders.working and folders.outbox.is_dir() else None


def _result_names(name: str) -> list[str]:
    """Return the names of all files that the outbox may get for a file."""
    return [_result_name(name), *(_beside(name, ending) for ending in (REVIEW, HOW_TO_REVIEW, REVIEWED))]


def _result_name(name: str) -> str:
    return name if name.lower().endswith(".csv") else f"{name}.csv"


def _beside(name: str, ending: str) -> str:
    return f"{_result_name(name)[: -len('.csv')]}{ending}"


def _count_try(claim: Claim) -> int:
    """Note that the file is begun; return how often it has been, this time included."""
    with (claim.folder / TRIES).open("ab") as file:
        file.write(b".")
        return file.tell()


@contextlib.contextmanager
def _only_claimer(folders: Inbox) -> Iterator[None]:
    """Keep other runs from claiming anything meanwhile."""
    from filelock import FileLock

    with FileLock(folders.working / LOCK):
        yield


@contextlib.contextmanager
def _explained(folders: Inbox) -> Iterator[None]:
    """Turn what the file system refuses into a StoreError that names the folder."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            "the folders of the inbox cannot be worked with",
            file=str(error.filename or folders.root),
            received=error.strerror or str(error),
            remedy="mend the permissions, and have all of them on one file system",
        ) from error
