"""Stage 7, promote: the first package becomes champion, a later one only if it is not worse.

Both packages answer the same validation images, and only those count that one gets right and the other wrong
(McNemar's test, exact and one-sided; McNemar, Psychometrika 12, 1947). The challenger has to be right on at least as
many of them. "Not significantly worse" would be too little: few images would let anything pass, and many nights, each
a little worse within the noise, would wear the champion down. The test's p says how sure a refusal is.
"""

import logging
from datetime import UTC, datetime

import numpy as np

from tasks import digits, registry
from tasks.errors import StoreError
from tasks.registry import Decision
from tasks.scorer import Scorer, default_model
from tasks.stage import stage
from tasks.store import Artifact, Store

log = logging.getLogger(__name__)

LEAST_IMAGES = 50  # fewer can tell nothing


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
    now = datetime.now(UTC).isoformat(timespec="seconds")
    if present is None:
        return Decision(package.name, None, True, "it is the first", {}, now)
    champion = store.find(present.package)
    if champion is None:
        raise StoreError(
            f"the champion's package is gone: {present.package}",
            remedy="put it back from a copy, or remove champion.json for the next package to become champion",
        )
    judging = digits.read(prepared.path / "validation.parquet")
    judging = judging[~np.isin(digits.fingerprints(judging.images), _learned_by(store, champion))]
    if len(judging) < LEAST_IMAGES:
        because = f"only {len(judging)} of its validation images are new to the champion, too few to compare on"
        return Decision(package.name, present.package, False, because, {}, now)
    truth = judging.known_labels
    challenger_right, champion_right = (
        Scorer(default_model(one)).probabilities(judging.images).argmax(axis=1) == truth for one in (package, champion)
    )
    evidence = mcnemar(challenger_right, champion_right)
    promoted = evidence["only_challenger"] >= evidence["only_champion"]
    because = (
        f"{'not worse' if promoted else 'worse'} than the champion {champion.id} on the same {len(judging):,} images: "
        f"{evidence['only_challenger']} that only it gets right, {evidence['only_champion']} only the champion "
        f"(McNemar's p {evidence['p_worse']:.2g})"
    )
    return Decision(package.name, present.package, promoted, because, evidence, now)


def mcnemar(challenger_right: np.ndarray, champion_right: np.ndarray) -> dict[str, float]:
    """The paired comparison of two models on the same images, from bool (n,) each.

    p_worse: probability of so many images or more that only the champion gets right, were both equally good.
    """
    from scipy.stats import binomtest

    only_challenger = int((challenger_right & ~champion_right).sum())
    only_champion = int((champion_right & ~challenger_right).sum())
    apart = only_challenger + only_champion
    p_worse = binomtest(only_champion, apart, 0.5, alternative="greater").pvalue if apart else 1.0
    return {
        "images": len(challenger_right),
        "only_challenger": only_challenger,
        "only_champion": only_champion,
        "p_worse": float(p_worse),
    }


def _learned_by(store: Store, champion: Artifact) -> np.ndarray:
    """Fingerprints of the images that the champion was fitted on, uint64; on those it would look better than it is."""
    prepared = next(name for name in champion.manifest().inputs if name.startswith("prepared/"))
    return digits.fingerprints(digits.read(store.get(prepared).path / "train.parquet").images)


def _same(decision: Decision, past: Decision) -> bool:
    return (decision.champion, decision.promoted, decision.evidence) == (past.champion, past.promoted, past.evidence)


promote_stage = stage(promote)
