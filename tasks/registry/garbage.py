"""What nothing refers to any more: artifacts, and what killed runs have left; found, and taken away.

Kept are, each with everything that it was made from:
- every package that ever was champion, and the newest one;
- scores, comparisons and tunings of the last `keep_days` days;
- what was made or used within a day, and what the same flow run made: a run may be at work on it. Where some work has
  been under way for longer, the day counts from its beginning;
and what evaluations and reports say of the models that are kept. Of what killed runs left behind, what can be gone on
from (checkpoints, shards) is kept for `keep_days` days as well. What a living process holds a lock on is never touched.
"""

import contextlib
import os
import re
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from tasks import registry
from tasks.errors import StoreError
from tasks.store import MANIFEST, Artifact, Manifest, Store
from tasks.store.locks import tried
from tasks.training.studies import DATABASE

DAY = timedelta(days=1)
SAID = ("evaluation", "report")
RESULTS = ("scores", "comparison", "tuning")  # what is for people, and ages
ID = re.compile(r"[0-9a-f]{12}(-\d+)?")


@dataclass(frozen=True)
class Garbage:
    """Something to take away. name: as a person knows it. bytes: what that frees. used: when last, as far as known."""

    kind: Literal["artifact", "leftover", "study"]
    name: str
    path: Path
    bytes: int
    used: datetime


@dataclass(frozen=True)
class Known:
    """A published artifact with its manifest. used: when it was made, or last used by a run."""

    artifact: Artifact
    manifest: Manifest
    used: datetime


def find(store: Store, *, keep_days: int = 30, now: datetime | None = None) -> list[Garbage]:
    """What can go, artifacts first, each before what it was made from. now: a time with its zone.

    Raises: StoreError if champion.json or a manifest cannot be read: what it refers to is then not known.
    """
    now = now or datetime.now(UTC)
    old = now - timedelta(days=keep_days)
    known = {one.artifact.name: one for one in map(_known, store.all())}
    kept = _kept(store, known, old, min([now, *_works(store, old)]) - DAY)
    gone = [one for one in reversed(known.values()) if one.artifact.name not in kept]
    return [
        *(_garbage("artifact", one.artifact.name, one.artifact.path, one.used) for one in gone),
        *_leftovers(store, old, now - DAY),
        *_studies(store, kept),
    ]


def remove(store: Store, *, keep_days: int = 30, now: datetime | None = None) -> Iterator[Garbage]:
    """Take away, one by one, what `find` finds; yields what is gone. Nothing is promoted meanwhile.

    What is taken into use in the meantime stays.
    Raises: as `find`; StoreError if the folder cannot be written.
    """
    with registry.deciding(store):
        yield from (one for one in find(store, keep_days=keep_days, now=now) if _removed(store, one))


# --- What is kept -----------------------------------------------------------------------------------------------


def _kept(store: Store, known: dict[str, Known], old: datetime, young: datetime) -> set[str]:
    """Names of artifacts. old, young: what was used later counts, for RESULTS and for everything."""
    packages = [name for name, one in known.items() if one.artifact.kind == "package"]
    recent = {name for name, one in known.items() if one.used > young}
    runs = {known[name].manifest.flow_run for name in recent} - {None}
    roots = {
        *registry.champions_ever(store),
        *packages[-1:],
        *recent,
        *(name for name, one in known.items() if one.manifest.flow_run in runs),
        *(name for name, one in known.items() if one.artifact.kind in RESULTS and one.used > old),
    }
    kept = _with_ancestors(roots, known)
    # What is said of a model that is kept; its data are kept with it.
    said = {name for name, one in known.items() if one.artifact.kind in SAID and kept & {*_subject_of(one)}}
    return _with_ancestors(kept | said, known)


def _with_ancestors(names: Iterable[str], known: dict[str, Known]) -> set[str]:
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in known and name not in found:
            found.add(name)
            waiting += _references(known[name])
    return found


def _references(one: Known) -> list[str]:
    """What it was made from, and what its figures name: a tuning its best model, a refitted model its judged twin."""
    return [*one.manifest.inputs, *(value for value in one.manifest.metrics.values() if isinstance(value, str))]


def _subject_of(one: Known) -> list[str]:
    return [name for name in one.manifest.inputs if name.startswith(("model/", "package/"))]


def _known(artifact: Artifact) -> Known:
    manifest = artifact.manifest()
    return Known(artifact, manifest, max(datetime.fromisoformat(manifest.created), _time(artifact.path)))


def _works(store: Store, old: datetime) -> Iterator[datetime]:
    """When each work began that is under way, as far as it can be known; that of another machine may be, till `old`."""
    for draft in (store.root / ".drafts").glob("*"):
        if _lives(draft) or (_elsewhere(draft) and _newest(draft) > old):
            yield _time(draft)


# --- What killed runs have left ---------------------------------------------------------------------------------


def _leftovers(store: Store, old: datetime, young: datetime) -> Iterator[Garbage]:
    """old: what can be gone on from counts if it was used before. young: the same for everything else."""
    scratch = store.root / ".scratch"
    # A lock of its own is all that some have left.
    for path in sorted({path.with_name(path.name.removesuffix(".lock")) for path in scratch.glob("*")}):
        used = max((_newest(one) for one in (path, _lock(path)) if one.exists()), default=young)
        # A folder with a @ was a second run's, which nobody goes on from.
        if used < (young if "@" in path.name else min(old, young)) and not _locked(path):
            yield _garbage("leftover", f".scratch/{path.name}", path, used)
    for path in sorted((store.root / ".drafts").glob("*")):
        used = _newest(path)
        if used < (min(old, young) if _elsewhere(path) else young) and not _lives(path):
            yield _garbage("leftover", f".drafts/{path.name}", path, used)
    unmade = (
        path for path in store.root.glob("[!._]*/*") if ID.fullmatch(path.name) and not (path / MANIFEST).exists()
    )
    for path in sorted([*store.root.glob(".standard-input-*"), *store.root.glob("champion.*.draft"), *unmade]):
        used = _newest(path)
        if used < young:
            yield _garbage("leftover", path.relative_to(store.root).as_posix(), path, used)


def _studies(store: Store, kept: set[str]) -> Iterator[Garbage]:
    """Studies on data that are gone or will be: nothing can be tried in them again. None while a tuning goes on."""
    path = store.root / DATABASE
    if not path.exists() or _held(store.root / f".{DATABASE}.lock"):
        return
    for name in _study_names(path):
        if name.partition(" ")[0] not in kept:
            yield Garbage("study", f"study {name}", path, 0, _time(path))


def _study_names(path: Path) -> list[str]:
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.get_all_study_names(f"sqlite:///{path}")
    except SQLAlchemyError as error:
        raise StoreError(
            "the studies cannot be read",
            file=str(path),
            received=str(error.__cause__ or error).partition("\n")[0],
            remedy="mend its permissions, or remove it",
        ) from error


# --- Taking away ------------------------------------------------------------------------------------------------


def _removed(store: Store, one: Garbage) -> bool:
    """Whether it could be taken away: not where somebody has come to use it."""
    if one.kind == "study":
        return _study_removed(store, one)
    if one.kind == "artifact":
        if not one.path.exists() or _time(one.path) > one.used:
            return False
        store.remove(one.path)
        return True
    with _alone(_lock(one.path)) as alone:
        if not alone or (one.path.exists() and _newest(one.path) > one.used):
            return False
        store.remove(one.path)
        # Nobody waits for this lock, so whoever comes from now on makes a new file.
        store.remove(_lock(one.path))
    return True


def _study_removed(store: Store, one: Garbage) -> bool:
    import optuna

    with _alone(store.root / f".{DATABASE}.lock") as alone:
        if alone:
            optuna.delete_study(study_name=one.name.removeprefix("study "), storage=f"sqlite:///{one.path}")
    return alone


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[bool]:
    """Whether nobody holds a lock; nobody gets it meanwhile. One that does not exist stays so: nobody can hold it."""
    if not lock.exists():
        yield True
        return
    with tried(lock) as ours:
        yield ours


def _held(lock: Path) -> bool:
    with _alone(lock) as alone:
        return not alone


def _lock(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _locked(path: Path) -> bool:
    return _held(_lock(path))


def _lives(draft: Path) -> bool:
    """Whether the process that a draft is named after, of this machine, lives."""
    parts = draft.name.split("@")
    if len(parts) < 4 or _elsewhere(draft):
        return False
    try:
        os.kill(int(parts[2]), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def _elsewhere(draft: Path) -> bool:
    """Whether a draft is another machine's, whose processes cannot be asked for."""
    return f"@{socket.gethostname()}@" not in draft.name


# --- Times and sizes --------------------------------------------------------------------------------------------


def _garbage(kind: Literal["artifact", "leftover"], name: str, path: Path, used: datetime) -> Garbage:
    return Garbage(kind, name, path, sum(map(_size, _files(path))), used)


def _files(path: Path) -> list[Path]:
    return [one for one in (path.rglob("*") if path.is_dir() else [path]) if one.is_file()]


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0


def _newest(path: Path) -> datetime:
    """When anything in a folder that is still written to was last written."""
    return max([_time(path), *map(_time, _files(path))])


def _time(path: Path) -> datetime:
    """When it was last written; of an artifact's folder, when a run last used it (`Store.in_use`)."""
    with contextlib.suppress(OSError):
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return datetime.now(UTC)  # what vanishes while it is looked at is in use
