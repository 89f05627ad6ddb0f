"""Stage 7, promote: the first package becomes champion, a later one only if it is not worse.

Both packages answer the same validation images, and only those count that one gets right and the other wrong
(McNemar's test, exact and one-sided; McNemar, Psychometrika 12, 1947). The challenger has to be right on at least as
many of them. "Not significantly worse" would be too little: few images would let anything pass, and many nights, each
a little worse within the noise, would wear the champion down. The test's p says how sure a refusal is.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from tasks import digits, registry
from tasks.digits import Digits
from tasks.errors import StoreError
from tasks.registry import Decision
from tasks.scorer import Scorer, judged_model
from tasks.stage import stage
from tasks.statistics import Paired, mcnemar
from tasks.store import Artifact, Store

log = logging.getLogger(__name__)

LEAST_IMAGES = 50  # fewer can tell nothing


@dataclass(frozen=True)
class Verdict:
    """What is decided and why; as in `Decision`."""

    promoted: bool
    because: str
    evidence: dict[str, float]


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
    verdict = _compare(store, package, prepared, present.package) if present else Verdict(True, "it is the first", {})
    return Decision(
        package=package.name,
        champion=present.package if present else None,
        promoted=verdict.promoted,
        because=verdict.because,
        evidence=verdict.evidence,
        decided=datetime.now(UTC).isoformat(timespec="seconds"),
        refitted=package.metrics["refitted"],
    )


def _compare(store: Store, package: Artifact, prepared: Artifact, champion_name: str) -> Verdict:
    champion = store.find(champion_name)
    if champion is None:
        raise StoreError(
            f"the champion's package is gone: {champion_name}",
            remedy="put it back from a copy, or remove champion.json for the next package to become champion",
        )
    judging = _new_images(store, champion, prepared)
    if len(judging) < LEAST_IMAGES:
        few = f"only {len(judging)} of its validation images are new to the champion, too few to compare on"
        return Verdict(False, few, {})
    paired = mcnemar(_right(package, judging), _right(champion, judging))
    promoted = paired.only_first >= paired.only_second
    because = (
        f"{'not worse' if promoted else 'worse'} than the champion {champion.id} on the same {len(judging):,} images: "
        f"{paired.only_first} that only it gets right, {paired.only_second} only the champion "
        f"(McNemar's p {paired.p_first_worse:.2g})"
    )
    return Verdict(promoted, because, _evidence(paired, len(judging)))


def _evidence(paired: Paired, images: int) -> dict[str, float]:
    """As promotions.jsonl keeps it. p_worse: see `Paired.p_first_worse`."""
    return {
        "images": images,
        "only_challenger": paired.only_first,
        "only_champion": paired.only_second,
        "p_worse": paired.p_first_worse,
    }


def _right(package: Artifact, judging: Digits) -> np.ndarray:
    """Which of the digits a package reads right, bool (n,)."""
    return Scorer(judged_model(package)).probabilities(judging.images).argmax(axis=1) == judging.known_labels


def _new_images(store: Store, champion: Artifact, prepared: Artifact) -> Digits:
    """Of the validation part, the images that the champion, or its judged twin, was not fitted on.

    On those it was, it would look better than it is.
    """
    validation = digits.read(prepared.path / "validation.parquet")
    learned = next(name for name in champion.manifest().inputs if name.startswith("prepared/"))
    train = digits.read(store.get(learned).path / "train.parquet")
    return validation[~np.isin(digits.fingerprints(validation.images), digits.fingerprints(train.images))]


def _same(decision: Decision, past: Decision) -> bool:
    return (decision.champion, decision.promoted, decision.evidence) == (past.champion, past.promoted, past.evidence)


promote_stage = stage(promote)
