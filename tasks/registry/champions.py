"""The champion, the package that scores unless another is named, and those before it.

Mostly the gate decides (`gate.py`); a person may as well: `appoint` makes any package champion, `roll_back` the one
before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from typing import Literal

from tasks.errors import StoreError, UsageError
from tasks.models.packaged import PackageMetrics
from tasks.registry.decisions import Decision, champion, deciding, now, promotions, record
from tasks.store import Artifact, Store, damage


@dataclass(frozen=True)
class Reign:
    """The time in which a package was champion: ISO 8601; until is None where it still is."""

    since: str
    until: str | None


def champion_package(store: Store) -> Artifact | None:
    """Return the package of the champion; None before the first. Raises: StoreError if it is gone."""
    decision = champion(store)
    if decision is None:
        return None
    package = store.find(decision.package)
    if package is None:
        raise StoreError(
            f"the champion's package is gone: {decision.package}",
            remedy="put it back from a copy, or make another one champion by `digits promote ID`",
        )
    return package


def package_of(store: Store, model: str) -> Artifact:
    """Return the package that `model` names: by its id, or as `champion`.

    Raises: StoreError if there is none, it is damaged or gone; UsageError if the id is another artifact's.
    """
    if model == "champion":
        package = champion_package(store)
        if package is None:
            if last := promotions(store)[-1:]:
                remedy = f"write it again by `digits promote {last[0].package.partition('/')[2]}`"
                raise StoreError("champion.json is gone", remedy=remedy)
            raise StoreError("there is no champion yet", remedy="make one with `digits run`")
        return package
    artifact = store.get(model)
    if artifact.kind != "package":
        raise UsageError("this is no package", expected="the id of a package", received=artifact.name)
    store.mark_used(artifact)
    return artifact


def appoint(store: Store, package: Artifact, because: str | None = None, evidence: str | None = None) -> Decision:
    """Make a package champion because a person says so; where it is that already, nothing changes.

    evidence: what was known of it from answering beside the champion, to be kept with the reason.
    Raises: StoreError if the package is not what was written.
    """
    with deciding(store):
        present = champion(store)
        if present and present.package == package.name:
            return present
        because = because or "a person has decided so"
        reasons = [f"because: {because}", f"beside: {evidence}"] if evidence else []
        return _install(store, package, present, because, "person", reasons)


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


def reigns(store: Store) -> dict[str, list[Reign]]:
    """Return when each package that ever was champion was so, by its name, oldest first. Raises: StoreError."""
    by_package: dict[str, list[Reign]] = {}
    successions = _successions(store)
    for decision, after in zip_longest(successions, successions[1:]):
        reign = Reign(decision.decided, after.decided if after else None)
        by_package.setdefault(decision.package, []).append(reign)
    return by_package


def replaced(store: Store, package: str) -> Decision | None:
    """Return the decision by which a person put another in the place of a package, unless it was champion since."""
    replacements: dict[str | None, Decision] = {}
    for decision in promotions(store):
        replacements.pop(decision.package, None)
        if decision.by != "gate":
            replacements[decision.previous] = decision
    return replacements.get(package)


def _successions(store: Store) -> list[Decision]:
    """Return the decisions by which the champion changed; a lost champion.json may have made one champion twice."""
    return [next(same) for _, same in groupby(promotions(store), key=lambda decision: decision.package)]


def _before(store: Store) -> str | None:
    """Return the champion before the present one, as if none that was gone back from had ever been."""
    champions: list[str] = []
    for decision in _successions(store):
        if decision.by == "rollback" and len(champions) > 1:
            champions.pop()
        else:
            champions.append(decision.package)
    return champions[-2] if len(champions) > 1 else None


def _install(
    store: Store,
    package: Artifact,
    present: Decision | None,
    because: str,
    by: Literal["person", "rollback"],
    reasons: Sequence[str] = (),
) -> Decision:
    faults = damage(package)
    if faults:
        raise StoreError(
            f"{package.name} is not what was written: {faults[0]}",
            remedy="put it back from a copy, or name another one by `digits promote ID`",
        )
    decision = Decision(
        package=package.name,
        previous=present.package if present else None,
        promoted=True,
        because=because,
        evidence={},
        decided=now(),
        refitted=package.measured(PackageMetrics).refitted,
        reasons=list(reasons),
        by=by,
    )
    record(store, decision)
    return decision
