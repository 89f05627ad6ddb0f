"""Stage 7, promote: the first package becomes champion, a later one only if it passes the gate (`gate.py`).

Every decision is kept with its reasons; nothing is written into an artifact. In whose place a person has put another,
only a person makes champion again.
"""

import logging

from tasks import registry
from tasks.errors import StoreError
from tasks.registry import Decision, gate
from tasks.registry.gate import Check, Verdict
from tasks.stage import stage
from tasks.store import Artifact, Store

log = logging.getLogger(__name__)


def promote(store: Store, package: Artifact, prepared: Artifact) -> Decision:
    """What is decided of a package; asking again about the champion itself changes nothing.

    Raises: StoreError if the champion is damaged or gone.
    """
    with registry.deciding(store):
        present = registry.champion(store)
        if present and present.package == package.name:
            log.info("%s is the champion already", package.name)
            return present
        decision = _decide(store, package, prepared, present)
        last = [past for past in registry.history(store) if past.package == package.name][-1:]
        if not any(_same(decision, past) for past in last):
            registry.record(store, decision)
    log.info("%s %s: %s", package.name, "promoted" if decision.promoted else "not promoted", decision.because)
    return decision


def _decide(store: Store, package: Artifact, prepared: Artifact, present: Decision | None) -> Decision:
    if present:
        verdict = gate.judge(store, package, _champion(store, present.package), prepared)
    else:
        verdict = gate.first(package)
    if replaced := registry.replaced(store, package.name):
        # The next run of the same recipe must not undo what a person has decided.
        against = f"a person has put {replaced.package} in its place ({replaced.because}); `digits promote` undoes it"
        verdict = Verdict([*verdict.checks, Check("person", False, against)], verdict.evidence)
    return Decision(
        package=package.name,
        champion=present.package if present else None,
        promoted=verdict.promoted,
        because=verdict.because,
        evidence=verdict.evidence,
        decided=registry.now(),
        refitted=package.metrics["refitted"],
        reasons=verdict.reasons,
    )


def _champion(store: Store, name: str) -> Artifact:
    found = store.find(name)
    if found is None:
        raise StoreError(
            f"the champion's package is gone: {name}",
            remedy="put it back from a copy, or remove champion.json for the next package to become champion",
        )
    return found


def _same(decision: Decision, past: Decision) -> bool:
    return (decision.champion, decision.promoted, decision.evidence) == (past.champion, past.promoted, past.evidence)


promote_stage = stage(promote)
