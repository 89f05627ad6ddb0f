"""The champion: champion.json, the package that scores unless told otherwise, and promotions.jsonl, every decision.

champion.json is replaced atomically and always whole; the log only grows. The pointer is written first: a kill between
the two is healed before the next decision, which finds the pointer's record missing from the log.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tasks.errors import StoreError, UsageError
from tasks.store import Artifact, Store, unwritable


@dataclass(frozen=True)
class Decision:
    """What was decided of a package.

    package, champion: names (`kind/id`) of the challenger and of the champion that it met, None for the first.
    promoted: whether the challenger is champion now. because: the reason, in words.
    evidence: the paired comparison, where there was one.
    refitted: whether the package has learned from the validation part as well; what was compared is its judged twin.
    """

    package: str
    champion: str | None
    promoted: bool
    because: str
    evidence: dict[str, float]
    decided: str
    refitted: bool = False


def champion(store: Store) -> Decision | None:
    """The decision that made the present champion; None before the first. Raises: StoreError if it cannot be read."""
    path = store.root / "champion.json"
    try:
        return Decision(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise StoreError(
            "the champion cannot be read",
            file=str(path),
            received=str(error),
            remedy="put back the last promoted line of promotions.jsonl",
        ) from error


def champion_package(store: Store) -> Artifact | None:
    """The package of the champion. Raises: StoreError if it is gone."""
    decision = champion(store)
    return store.get(decision.package) if decision else None


def package_of(store: Store, model: str) -> Artifact:
    """The package that `model` names: by its id, or the champion's.

    Raises: StoreError if there is none, it is damaged or gone; UsageError if the id is another artifact's.
    """
    if model != "champion":
        found = store.get(model)
        if found.kind != "package":
            raise UsageError("this is no package", expected="the id of a package", received=found.name)
        return found
    champion = champion_package(store)
    if champion is None:
        raise StoreError("there is no champion yet", remedy="make one with `digits run`")
    return champion


def history(store: Store) -> list[Decision]:
    """Every decision, oldest first; a last line that a crash has cut short does not count."""
    path = store.root / "promotions.jsonl"
    decisions = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError, TypeError):
                decisions.append(Decision(**json.loads(line)))
    return decisions


@contextlib.contextmanager
def deciding(store: Store) -> Iterator[None]:
    """One decision at a time, whoever decides on this machine. Raises: StoreError if the folder cannot be written."""
    from filelock import FileLock

    lock = FileLock(store.root / ".champion.lock")
    with _writing(store):
        store.root.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        present = champion(store)
        if present and present not in history(store):
            _append(store, present)
        yield
    finally:
        lock.release()


def record(store: Store, decision: Decision) -> None:
    """Make a decision last; call it within `deciding`. Raises: StoreError if the folder cannot be written."""
    if decision.promoted:
        with _writing(store):
            _replace(store.root / "champion.json", json.dumps(asdict(decision), indent=2) + "\n")
    _append(store, decision)


@contextlib.contextmanager
def _writing(store: Store) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unwritable(store.root, error) from error


def _append(store: Store, decision: Decision) -> None:
    path = store.root / "promotions.jsonl"
    with _writing(store), path.open("ab+") as file:
        # A line that a crash has cut short must not swallow the next one.
        torn = file.tell() > 0 and _last_byte(path) != b"\n"
        file.write((b"\n" if torn else b"") + json.dumps(asdict(decision)).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read()


def _replace(path: Path, text: str) -> None:
    draft = path.with_suffix(f".{os.getpid()}.draft")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
