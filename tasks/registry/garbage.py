"""Garbage: artifacts that nothing refers to any more, and what killed runs have left; found, and taken away.

Kept are, each with everything that it was made from:
- every package that ever was champion, and the newest one;
- scores, comparisons and tunings of the last `keep_days` days;
- every review, but not what it is of: people's answers cannot be made again, and models learn from them;
- what was made or used within a day, and what the same flow run made: a run may be at work on it. Where some work has
  been under way for longer, the day counts from its beginning;
and the evaluations and reports of the models that are kept. Of what killed runs left behind, what can be gone on from
(checkpoints, shards) is kept for `keep_days` days as well. What a living process holds a lock on is never touched, nor
what lies behind a symbolic link: it is not ours.
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from tasks import registry
from tasks.errors import StoreError
from tasks.store import Artifact, Manifest, Store
from tasks.store.drafts import drafts, is_alive, is_elsewhere
from tasks.store.locks import try_lock
from tasks.training.studies import DATABASE

DAY = timedelta(days=1)
ABOUT_MODELS = ("evaluation", "report")
RESULTS = ("scores", "comparison", "tuning")  # what is for people, and ages


@dataclass(frozen=True)
class Garbage:
    """Something to take away. name: as a person knows it. bytes: what that frees. used: when last, as far as known."""

    kind: Literal["artifact", "leftover", "study"]
    name: str
    path: Path
    bytes: int
    used: datetime


@dataclass(frozen=True)
class Published:
    """A published artifact with its manifest. used: when it was made, or last used by a run."""

    artifact: Artifact
    manifest: Manifest
    used: datetime


def find(store: Store, *, keep_days: int = 30, now: datetime | None = None) -> list[Garbage]:
    """Return what can go, artifacts first, each before what it was made from. now: a time with its zone.

    Raises: StoreError if champion.json or a manifest cannot be read: what it refers to is then not known.
    """
    now = now or datetime.now(UTC)
    old = now - timedelta(days=keep_days)
    published = {artifact.name: _published(artifact) for artifact in store.all()}
    kept = _kept(store, published, old, min([now, *_starts_of_works(store, old)]) - DAY)
    for folder in store.lost():
        if Artifact.at(folder).name in kept:
            Artifact.at(folder).manifest()  # raises
    garbage = [
        _garbage("artifact", name, item.artifact.path, item.used)
        for name, item in reversed(published.items())
        if name not in kept
    ]
    garbage += _leftovers(store, old, now - DAY)
    return [item for item in garbage if _is_inside(store, item.path)] + _studies(store, kept)


def remove(store: Store, *, keep_days: int = 30, now: datetime | None = None) -> Iterator[Garbage]:
    """Take away, one by one, what `find` returns; yield what is gone. Nothing is promoted meanwhile.

    What is taken into use in the meantime stays.
    Raises: as `find`; StoreError if the folder cannot be written.
    """
    with registry.deciding(store):
        yield from (item for item in find(store, keep_days=keep_days, now=now) if _remove(store, item))


# --- What is kept -----------------------------------------------------------------------------------------------


def _kept(store: Store, published: dict[str, Published], old: datetime, young: datetime) -> set[str]:
    """Return the names of artifacts to keep, also of such as are gone.

    old, young: what was used later is kept: of RESULTS, and of all kinds.
    """
    packages = [name for name, item in published.items() if item.artifact.kind == "package"]
    recent = {name for name, item in published.items() if item.used > young}
    runs = {published[name].manifest.flow_run for name in recent} - {None}
    roots = {
        *registry.champions_ever(store),
        *packages[-1:],
        *recent,
        *(name for name, item in published.items() if item.manifest.flow_run in runs),
        *(name for name, item in published.items() if item.artifact.kind in RESULTS and item.used > old),
    }
    kept = _with_references(roots, published)
    about_kept = {
        name
        for name, item in published.items()
        if item.artifact.kind in ABOUT_MODELS and not kept.isdisjoint(_models_of(item.manifest))
    }
    reviews = {name for name, item in published.items() if item.artifact.kind == "review"}
    return _with_references(kept | about_kept, published) | reviews


def _with_references(names: Iterable[str], published: dict[str, Published]) -> set[str]:
    reached: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += published[name].manifest.references if name in published else []
    return reached


def _models_of(manifest: Manifest) -> list[str]:
    return [name for name in manifest.inputs if name.startswith(("model/", "package/"))]


def _published(artifact: Artifact) -> Published:
    manifest = artifact.manifest()
    return Published(artifact, manifest, max(datetime.fromisoformat(manifest.created), _written(artifact.path)))


def _starts_of_works(store: Store, old: datetime) -> list[datetime]:
    """Return when each work began that is under way.

    One of another machine counts as such while anything in it was written after `old`.
    """
    return [
        _written(draft)
        for draft in drafts(store.root)
        if is_alive(draft) or (is_elsewhere(draft) and _last_written(draft) > old)
    ]


# --- What killed runs have left ---------------------------------------------------------------------------------


def _leftovers(store: Store, old: datetime, young: datetime) -> Iterator[Garbage]:
    """Yield what runs have left that are gone.

    old: what can be gone on from counts if it was used before. young: the same for everything else.
    """
    # A lock of its own is all that some have left.
    works = {path.with_name(path.name.removesuffix(".lock")) for path in (store.root / ".scratch").glob("*")}
    for path in sorted(works):
        times = [_last_written(file) for file in (path, _lock_of(path)) if file.exists()]
        used = max(times, default=young)
        # A folder with a @ was a second run's, which nobody goes on from.
        limit = young if "@" in path.name else min(old, young)
        if used < limit and not _is_held(_lock_of(path)):
            yield _garbage("leftover", f".scratch/{path.name}", path, used)
    for path in drafts(store.root):
        used = _last_written(path)
        limit = min(old, young) if is_elsewhere(path) else young
        if used < limit and not is_alive(path):
            yield _garbage("leftover", f".drafts/{path.name}", path, used)
    for path in sorted([*store.root.glob(".*.draft"), *store.lost()]):
        used = _last_written(path)
        if used < young:
            yield _garbage("leftover", path.relative_to(store.root).as_posix(), path, used)


def _is_inside(store: Store, path: Path) -> bool:
    """Return whether a path lies below the store's folder without a symbolic link on the way or at its end."""
    return path.resolve() == store.root.resolve() / path.relative_to(store.root)


def _studies(store: Store, kept: set[str]) -> list[Garbage]:
    """Return the studies on data that are gone or will be: nothing can be tried in them again.

    None are returned while a tuning goes on.
    """
    path = store.root / DATABASE
    if not path.exists() or _is_held(store.root / f".{DATABASE}.lock"):
        return []
    names = [name for name in _study_names(path) if name.partition(" ")[0] not in kept]
    return [Garbage("study", f"study {name}", path, 0, _written(path)) for name in names]


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


def _remove(store: Store, item: Garbage) -> bool:
    """Take something away, unless somebody has come to use it; return whether it is gone."""
    if item.kind == "study":
        return _remove_study(store, item)
    if item.kind == "artifact":
        if not item.path.exists() or _written(item.path) > item.used:
            return False
        store.remove(item.path)
        return True
    lock = _lock_of(item.path)
    with _try_existing_lock(lock) as ours:
        if not ours or (item.path.exists() and _last_written(item.path) > item.used):
            return False
        store.remove(item.path)
        # Nobody waits for this lock, so whoever comes from now on makes a new file.
        store.remove(lock)
    return True


def _remove_study(store: Store, item: Garbage) -> bool:
    import optuna

    with _try_existing_lock(store.root / f".{DATABASE}.lock") as ours:
        if ours:
            optuna.delete_study(study_name=item.name.removeprefix("study "), storage=f"sqlite:///{item.path}")
    return ours


@contextlib.contextmanager
def _try_existing_lock(lock: Path) -> Iterator[bool]:
    """Try to take a lock; yield whether nobody else holds it. A file that is not there is not made."""
    if not lock.exists():
        yield True
        return
    with try_lock(lock) as ours:
        yield ours


def _is_held(lock: Path) -> bool:
    with _try_existing_lock(lock) as ours:
        return not ours


def _lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


# --- Times and sizes --------------------------------------------------------------------------------------------


def _garbage(kind: Literal["artifact", "leftover"], name: str, path: Path, used: datetime) -> Garbage:
    return Garbage(kind, name, path, sum(map(_size, _files(path))), used)


def _files(path: Path) -> list[Path]:
    return [file for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0


def _last_written(path: Path) -> datetime:
    """Return when anything in a folder that is still written to was last written."""
    return max([_written(path), *map(_written, _files(path))])


def _written(path: Path) -> datetime:
    """Return when a path was last written; of an artifact's folder, when a run last used it (`Store.mark_used`)."""
    with contextlib.suppress(OSError):
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return datetime.now(UTC)  # what vanishes meanwhile is in use
