"""The files of the registry: champion.json, the decision that made the champion, and promotions.jsonl, every decision.

champion.json is replaced whole; the log only grows. The pointer is written first: a kill between the two is healed
before the next decision, which finds the pointer's record missing from the log; a pointer that is gone is written again
from the log.
"""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar, Literal

from tasks.errors import StoreError
from tasks.store import Store, unwritable
from tasks.store.files import append, written_whole
from tasks.store.typed import as_json, parsed

POINTER = "champion.json"
LOG = "promotions.jsonl"


@dataclass(frozen=True)
class Decision:
    """The decision whether a package becomes champion.

    package, previous: names (`kind/id`) of the challenger and of the champion that it met, None for the first.
    promoted: whether the challenger is champion now. because: the reason, in words.
    evidence: the paired comparison, where there was one. decided: when, ISO 8601 with its zone.
    refitted: whether the package has learned from the validation part as well; what was compared is its judged twin.
    reasons: every check of the gate, a line each; see the function `reasons`.
    by: who decided: the gate, or a person, for a package or to go back to the champion before.
    """

    package: str
    previous: str | None
    promoted: bool
    because: str
    evidence: dict[str, float]
    decided: str
    refitted: bool = False
    reasons: list[str] = field(default_factory=list)
    by: Literal["gate", "person", "rollback"] = "gate"

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    def __post_init__(self) -> None:
        if datetime.fromisoformat(self.decided).tzinfo is None:
            raise ValueError(f"{self.decided!r} has no time zone")


def now() -> str:
    """Return the present time in ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def reasons(decision: Decision) -> list[str]:
    """Return why, a line for each check of the gate; a person gives but one reason."""
    return decision.reasons or [decision.because]


def champion(store: Store) -> Decision | None:
    """Read the decision that made the present champion; None before the first. Raises: StoreError if it is damaged."""
    path = store.root / POINTER
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError("the champion cannot be read", file=str(path), received=error.strerror) from error
    remedy = f"put back the last promoted line of {LOG}, or remove the file and name one by `digits promote ID`"
    return parsed(Decision, content, "the champion cannot be read", file=path, remedy=remedy)


def history(store: Store) -> list[Decision]:
    """Read every decision, oldest first; a line that cannot be read, as after a crash in its middle, is left out.

    Raises: StoreError if the log cannot be read.
    """
    return [decision for _, decision in _lines(store) if isinstance(decision, Decision)]


def promotions(store: Store) -> list[Decision]:
    """Read the decisions by which a package became champion, oldest first. Raises: StoreError."""
    return [decision for decision in history(store) if decision.promoted]


def champions_ever(store: Store) -> set[str]:
    """Return the names of all packages that are or were champion; where a line cannot be read, of all that it names.

    Raises: StoreError if champion.json or the log cannot be read.
    """
    present = champion(store)
    names = {decision.package for decision in promotions(store)} | ({present.package} if present else set())
    for line, decision in _lines(store):
        if isinstance(decision, StoreError):
            names |= {name.decode() for name in re.findall(rb"package/[0-9a-f]+(?:-\d+)?", line)}
    return names


def damage(store: Store) -> list[str]:
    """Return what is wrong with the two files, a line each, which begins with the file."""
    try:
        present = champion(store)
        lines = [str(decision) for _, decision in _lines(store) if isinstance(decision, StoreError)]
        last = promotions(store)[-1:]
    except StoreError as error:
        return [str(error)]
    if present and store.find(present.package) is None:
        lines.append(f"{POINTER}: the champion's package is gone: {present.package}")
    if not present and last:
        lines.append(f"{POINTER}: missing; the last champion was {last[0].package}, see `digits promote`")
    return lines


def _lines(store: Store) -> list[tuple[bytes, Decision | StoreError]]:
    """Read the log: each line with its decision, or with what is wrong with it. Raises: StoreError."""
    path = store.root / LOG
    try:
        lines = path.read_bytes().splitlines() if path.exists() else []
    except OSError as error:
        raise StoreError("the decisions cannot be read", file=str(path), received=error.strerror) from error
    decisions: list[tuple[bytes, Decision | StoreError]] = []
    for number, line in enumerate(lines, start=1):
        what, remedy = "the decision cannot be read", "correct the line, or remove it"
        try:
            decisions.append((line, parsed(Decision, line, what, file=path, row=number, remedy=remedy)))
        except StoreError as error:
            decisions.append((line, error))
    return decisions


@contextlib.contextmanager
def deciding(store: Store) -> Iterator[None]:
    """Hold the lock under which alone decisions are made on this machine.

    Raises: StoreError if the folder cannot be written, or champion.json cannot be read.
    """
    from filelock import FileLock

    lock = FileLock(store.root / ".champion.lock")
    with _writing(store):
        store.root.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        present, last = champion(store), promotions(store)[-1:]
        if present and present not in last:
            _append(store, present)
        elif not present and last and store.find(last[0].package):
            _point(store, last[0])
        yield
    finally:
        lock.release()


def record(store: Store, decision: Decision) -> None:
    """Make a decision last; call it within `deciding`. Raises: StoreError if the folder cannot be written."""
    if decision.promoted:
        _point(store, decision)
    _append(store, decision)


def _point(store: Store, decision: Decision) -> None:
    with _writing(store), written_whole(store.root / POINTER) as file:
        file.write(as_json(decision, indent=2) + b"\n")


def _append(store: Store, decision: Decision) -> None:
    with _writing(store):
        append(store.root / LOG, [as_json(decision)])


@contextlib.contextmanager
def _writing(store: Store) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unwritable(store.root, error) from error
