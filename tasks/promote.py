"""Stage 7, promote: the first package becomes champion, a later one only if it passes the gate (`gate.py`).

Where it has answered beside the champion, what that came to is a check as well: it fails if people or labels say that
the package was worse beyond noise (McNemar's test).

Every decision is kept with its reasons; nothing is written into an artifact. A package in whose place a person has put
another becomes champion again only by a person.
"""

import logging

from tasks import registry
from tasks.history import beside
from tasks.judging.statistics import LEVEL
from tasks.models.packaged import PackageMetrics
from tasks.registry import Decision, gate
from tasks.registry.gate import GateCheck, Verdict
from tasks.stage import stage
from tasks.store import Artifact, Store

log = logging.getLogger(__name__)


def promote(store: Store, package: Artifact, prepared: Artifact) -> Decision:
    """Decide whether a package becomes champion; asking again about the champion itself changes nothing.

    Raises: StoreError if the champion is damaged or gone.
    """
    with registry.deciding(store):
        present = registry.champion(store)
        if present and present.package == package.name:
            log.info("%s is the champion already", package.name)
            return present
        decision = _decide(store, package, prepared, present)
        last = [past for past in registry.history(store) if past.package == package.name][-1:]
        # The same refusal, night after night, is kept once.
        if decision.promoted or not any(_is_same(decision, past) for past in last):
            registry.record(store, decision)
    log.info("%s %s: %s", package.name, "promoted" if decision.promoted else "not promoted", decision.because)
    return decision


def _decide(store: Store, package: Artifact, prepared: Artifact, present: Decision | None) -> Decision:
    champion = registry.champion_package(store)
    if present and champion:
        verdict = gate.judge(store, package, champion, prepared)
        verdict = Verdict([*verdict.checks, *_beside(store, present, package)], verdict.evidence)
    else:
        verdict = gate.first(package, prepared)
    if replaced := registry.replaced(store, package.name):
        # The next run of the same recipe must not undo what a person has decided.
        against = f"a person has put {replaced.package} in its place ({replaced.because}); `digits promote` undoes it"
        verdict = Verdict([*verdict.checks, GateCheck("person", False, against)], verdict.evidence)
    return Decision(
        package=package.name,
        previous=present.package if present else None,
        promoted=verdict.promoted,
        because=verdict.because,
        evidence=verdict.evidence,
        decided=registry.now(),
        refitted=package.measured(PackageMetrics).refitted,
        reasons=verdict.reasons,
    )


def _beside(store: Store, present: Decision, package: Artifact) -> list[GateCheck]:
    """Return the check on what the package has answered beside the champion; none where it has answered nothing so."""
    known = beside.of(store, present.package, package.name)
    if not known:
        return []
    p = known.right.p_first_worse
    return [GateCheck("beside", p >= LEVEL, str(known) if p >= LEVEL else f"{known}: worse beyond noise")]


def _is_same(decision: Decision, past: Decision) -> bool:
    return (decision.previous, decision.promoted, decision.evidence) == (past.previous, past.promoted, past.evidence)


promote_stage = stage(promote)
