"""The champion: champion.json, the package that scores unless told otherwise, and promotions.jsonl, every decision.

Mostly the gate decides (`gate.py`); a person may as well: `appoint` makes any package champion, `roll_back` the one
before. `entries` lists what there is to choose from.

champion.json is replaced atomically and always whole; the log only grows. The pointer is written first: a kill between
the two is healed before the next decision, which finds the pointer's record missing from the log.
"""

import contextlib
import functools
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

from tasks.errors import StoreError, UsageError
from tasks.store import Artifact, Manifest, Store, damage, read_manifest, unwritable


@dataclass(frozen=True)
class Decision:
    """What was decided of a package.

    package, champion: names (`kind/id`) of the challenger and of the champion that it met, None for the first.
    promoted: whether the challenger is champion now. because: the reason, in words.
    evidence: the paired comparison, where there was one. decided: when, ISO 8601.
    refitted: whether the package has learned from the validation part as well; what was compared is its judged twin.
    reasons: every check of the gate, a line each; see the function `reasons`.
    by: who decided: the gate, or a person, for a package or to go back to the champion before.
    """

    package: str
    champion: str | None
    promoted: bool
    because: str
    evidence: dict[str, float]
    decided: str
    refitted: bool = False
    reasons: list[str] = field(default_factory=list)
    by: Literal["gate", "person", "rollback"] = "gate"


@dataclass(frozen=True)
class Reign:
    """For how long a package was champion: ISO 8601; until is None where it still is."""

    since: str
    until: str | None


@dataclass(frozen=True)
class Entry:
    """A package, and what is known of it; None where it is gone or damaged.

    recipe: its name and the values that were changed of it. data: the source. accuracy: on the validation part, 0–1, of
    its judged twin where it is refitted. calibration_error: expected, 0–1. size: bytes. created: ISO 8601.
    """

    package: Artifact
    champion: bool
    reigns: list[Reign]
    recipe: str | None = None
    data: str | None = None
    accuracy: float | None = None
    calibration_error: float | None = None
    size: int | None = None
    created: str | None = None
    refitted: bool = False


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def reasons(decision: Decision) -> list[str]:
    """Why, a line for each thing that was looked at; decisions of earlier versions have but the one."""
    return decision.reasons or [decision.because]


def champion(store: Store) -> Decision | None:
    """The decision that made the present champion; None before the first. Raises: StoreError if it cannot be read."""
    path = store.root / "champion.json"
    try:
        return _parsed(path.read_text(encoding="utf-8"))
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
        store.in_use(found)
        return found
    champion = champion_package(store)
    if champion is None:
        raise StoreError("there is no champion yet", remedy="make one with `digits run`")
    return champion


def history(store: Store) -> list[Decision]:
    """Every decision, oldest first; a last line that a crash has cut short does not count."""
    return [decision for line in _lines(store) if (decision := _decision(line))]


def _lines(store: Store) -> list[str]:
    path = store.root / "promotions.jsonl"
    return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []


def _decision(line: str) -> Decision | None:
    try:
        return _parsed(line)
    except (ValueError, TypeError):
        return None


def _parsed(text: str) -> Decision:
    """Raises: ValueError or TypeError if it is none."""
    decision = Decision(**json.loads(text))
    datetime.fromisoformat(decision.decided)
    if not isinstance(decision.package, str):
        raise TypeError("its package is no name")
    return decision


def _promoted(store: Store) -> list[Decision]:
    return [decision for decision in history(store) if decision.promoted]


def replaced(store: Store, package: str) -> Decision | None:
    """The decision by which a person put another in the place of a package that was champion, and is not since."""
    found: dict[str | None, Decision] = {}
    for decision in _promoted(store):
        found.pop(decision.package, None)
        if decision.by != "gate":
            found[decision.champion] = decision
    return found.get(package)


def reigns(store: Store) -> dict[str, list[Reign]]:
    """When each package that ever was champion was so, by its name, oldest first."""
    found: dict[str, list[Reign]] = {}
    promoted = _promoted(store)
    for decision, after in zip_longest(promoted, promoted[1:]):
        reign = Reign(decision.decided, after.decided if after else None)
        found.setdefault(decision.package, []).append(reign)
    return found


def champions_ever(store: Store) -> set[str]:
    """Names of all packages that are or were champion; where a line cannot be read, of all that it names.

    Raises: StoreError if champion.json cannot be read.
    """
    present = champion(store)
    found = {decision.package for decision in _promoted(store)} | ({present.package} if present else set())
    for line in _lines(store):
        if _decision(line) is None:
            found |= set(re.findall(r"package/[0-9a-f]+(?:-\d+)?", line))
    return found


def appoint(store: Store, package: Artifact, because: str | None = None) -> Decision:
    """Make a package champion because a person says so; that it is already changes nothing.

    Raises: StoreError if the package is not what was written.
    """
    with deciding(store):
        present = champion(store)
        if present and present.package == package.name:
            return present
        return _install(store, package, present, because or "a person has decided so", "person")


def roll_back(store: Store, because: str | None = None) -> Decision:
    """Make the champion before the present one champion again; called again, the one before that.

    Raises: StoreError if there is none, or its package is gone or not what was written.
    """
    with deciding(store):
        present, before = champion(store), _before(store)
        if present is None or before is None:
            raise StoreError(
                f"there is no champion before {present.package}" if present else "there is no champion yet",
                remedy="see `digits models`, and name another one by `digits promote ID`",
            )
        package = store.find(before)
        if package is None:
            raise StoreError(
                f"the package of the champion before is gone: {before}",
                remedy="put it back from a copy, or name another one by `digits promote ID`",
            )
        return _install(store, package, present, because or f"back from {present.package}", "rollback")


def _before(store: Store) -> str | None:
    """The champion before the present one, as if none that was gone back from had ever been."""
    line: list[str] = []
    for decision in _promoted(store):
        if decision.by == "rollback" and len(line) > 1:
            line.pop()
        else:
            line.append(decision.package)
    return line[-2] if len(line) > 1 else None


def _install(
    store: Store, package: Artifact, present: Decision | None, because: str, by: Literal["person", "rollback"]
) -> Decision:
    wrong = damage(package)
    if wrong:
        raise StoreError(
            f"{package.name} is not what was written: {wrong[0]}",
            remedy="put it back from a copy, or name another one by `digits promote ID`",
        )
    decision = Decision(
        package=package.name,
        champion=present.package if present else None,
        promoted=True,
        because=because,
        evidence={},
        decided=now(),
        refitted=bool(package.metrics.get("refitted")),
        by=by,
    )
    record(store, decision)
    return decision


def entries(store: Store) -> list[Entry]:
    """Every package, newest first. Raises: StoreError if champion.json cannot be read."""
    present, found, reigned = champion(store), store.all(), reigns(store)
    accuracies = {model: one.metrics.get("accuracy") for model, one in by_model(found, "evaluation").items()}
    read = functools.cache(lambda name: read_manifest(store.root / name))  # many share their data
    return [
        Entry(
            package=package,
            champion=present is not None and present.package == package.name,
            reigns=reigned.get(package.name, []),
            **_about(package, read, accuracies),
        )
        for package in reversed(found)
        if package.kind == "package"
    ]


def by_model(found: Iterable[Artifact], kind: Literal["evaluation", "package"]) -> dict[str, Artifact]:
    """The newest evaluation or package of each model, by the model's name; damaged ones are none.

    found: artifacts of any kind, oldest first.
    """
    newest = {}
    for one in found:
        if one.kind == kind:
            with contextlib.suppress(StoreError, IndexError):
                newest[one.manifest().inputs[0]] = one
    return newest


def _about(
    package: Artifact, read: Callable[[str], Manifest], accuracies: Mapping[str, float | None]
) -> dict[str, Any]:
    """What an entry says of a package, as far as manifests can be read: `digits verify` names those that cannot."""
    from tasks.training import recipes

    about: dict[str, Any] = {}
    with contextlib.suppress(StoreError, KeyError, IndexError):
        manifest = package.manifest()
        about |= {"size": manifest.size, "created": manifest.created}
        about["refitted"] = bool(manifest.metrics.get("refitted"))
        about["calibration_error"] = manifest.metrics.get("calibration", {}).get("error_after")
        made_from = {name.partition("/")[0]: name for name in manifest.inputs}
        about["accuracy"] = accuracies.get(made_from["model"])
        recipe = read(made_from["model"]).parameters
        about["recipe"] = " ".join([recipe["name"], *recipes.changes(recipe)])
        about["data"] = read(read(made_from["prepared"]).inputs[0]).source["data"]
    return about


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
        if present and present not in _promoted(store)[-1:]:
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
    # The new name lasts before the log tells of it.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
