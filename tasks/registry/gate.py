"""The gate of promotion: what a package has to show beside the champion's, check by check.

accuracy     Both answer the same images, and only those count that one gets right and the other wrong (McNemar's test,
             exact and one-sided; McNemar, Psychometrika 12, 1947). The challenger has to be right on at least as many
             of them. "Not significantly worse" would be too little: few images would let anything pass, and many
             nights, each a little worse within the noise, would wear the champion down. Only where the field part is
             read better beyond noise does a loss within the noise pass: there is something to be had for it.
package      The forms that score agree with Keras, as packaging found.
calibration  The log loss of the calibrated probabilities on those images is not higher beyond noise (paired t-test).
classes      No digit is read worse beyond noise (McNemar's test for each, with Holm's correction for ten).
field        Of the images that people have corrected and nobody learns from, no fewer are read right beyond noise
             (McNemar's test). Where there are too few to tell, or no champion, it is told and decides nothing.

Calibration and classes see what accuracy does not. In the last three only a difference beyond noise counts: to ask ten
times over for "no worse at all" would refuse a better model nearly always.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tasks.data import digits
from tasks.data.digits import Digits
from tasks.judging.statistics import LEVEL, mcnemar, p_by_group, p_first_higher
from tasks.models.packaged import FLOAT32, PackageMetrics, models_of
from tasks.models.scorer import Engine
from tasks.store import Artifact, Store
from tasks.words import p_value

LEAST_IMAGES = 50  # fewer can tell nothing


@dataclass(frozen=True)
class GateCheck:
    """One of them: whether the package passes, and why, in words. better: whether it is better beyond noise."""

    name: str
    passed: bool
    because: str
    better: bool = False


@dataclass(frozen=True)
class Verdict:
    """The outcome of all checks; there is at least one. evidence: the figures, as promotions.jsonl keeps them."""

    checks: Sequence[GateCheck]
    evidence: dict[str, float]

    @property
    def promoted(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def because(self) -> str:
        """The reasons of every check that failed; where none did that of the first, which is the comparison."""
        failed = [check.because for check in self.checks if not check.passed]
        return "; ".join(failed) or self.checks[0].because

    @property
    def reasons(self) -> list[str]:
        """A line for every check."""
        return [f"{check.name} {'passed' if check.passed else 'failed'}: {check.because}" for check in self.checks]


@dataclass(frozen=True)
class Judged:
    """A package's answers to n images: right, bool (n,); loss, float (n,), minus the logarithm of the truth's share."""

    right: np.ndarray
    loss: np.ndarray


def first(package: Artifact, prepared: Artifact) -> Verdict:
    """Return the verdict on a package where there is no champion yet."""
    return Verdict([GateCheck("accuracy", True, "it is the first"), agreement(package), *field(package, prepared)], {})


def judge(store: Store, package: Artifact, champion: Artifact, prepared: Artifact) -> Verdict:
    """Compare a package with the champion's on those images of the validation part that are new to both.

    Raises: StoreError if either is not what was written.
    """
    judging = _new_to(store, champion, digits.read(prepared.file("validation.parquet")))
    on_field = field(package, prepared, champion, store)
    if len(judging) < LEAST_IMAGES:
        few = f"only {len(judging)} of its validation images are new to the champion, too few to compare on"
        return Verdict([GateCheck("accuracy", False, few), agreement(package), *on_field], {})
    verdict = compare(package, champion, judging)
    accuracy, *others = verdict.checks
    if any(check.better for check in on_field):
        accuracy = _within_noise(accuracy, verdict.evidence["p_worse"])
    return Verdict([accuracy, *others, *on_field], verdict.evidence)


def compare(package: Artifact, champion: Artifact, judging: Digits) -> Verdict:
    """Compare a package with the champion's on images that neither has learned from. Raises: StoreError."""
    ours, theirs = _answered(package, judging), _answered(champion, judging)
    checks, evidence = held_against(ours, theirs, judging.known_labels, champion.id)
    return Verdict([checks[0], agreement(package), *checks[1:]], evidence)


def agreement(package: Artifact) -> GateCheck:
    """Check that some form answers as Keras does; packaging has measured it."""
    forms = {name: form for name, form in package.measured(PackageMetrics).forms.items() if form.accepted}
    because = "; ".join(f"{name} {form}" for name, form in forms.items())
    return GateCheck("package", FLOAT32 in forms, because or f"{FLOAT32} does not answer as Keras does")


def field(
    package: Artifact, prepared: Artifact, champion: Artifact | None = None, store: Store | None = None
) -> list[GateCheck]:
    """Return the check on the field part; none where there is none. store: that the champion is in.

    Raises: StoreError if a file is not what was written.
    """
    part = prepared.file_if_any("field.parquet")
    judging = digits.read(part) if part else None
    if judging is not None and champion and store:
        judging = _new_to(store, champion, judging)
    if judging is None or not len(judging):
        return []
    ours = _answered(package, judging).right
    what = f"of {len(judging):,} images that people have read and nobody learns from"
    reads = f"{what} it reads {int(ours.sum()):,} right"
    if not champion:
        return [GateCheck("field", True, reads)]
    theirs = _answered(champion, judging).right
    reads = f"{reads}, the champion {champion.id} {int(theirs.sum()):,}"
    if len(judging) < LEAST_IMAGES:
        return [GateCheck("field", True, f"{reads}: too few to tell")]
    p, p_better = mcnemar(ours, theirs).p_first_worse, mcnemar(theirs, ours).p_first_worse
    if p_better < LEVEL:
        return [
            GateCheck("field", True, f"{reads}: better beyond noise (McNemar's p {p_value(p_better)})", better=True)
        ]
    verdict = "worse" if p < LEVEL else "not worse"
    return [GateCheck("field", p >= LEVEL, f"{reads}: {verdict} beyond noise (McNemar's p {p_value(p)})")]


def _within_noise(accuracy: GateCheck, p_worse: float) -> GateCheck:
    """Let the check of accuracy pass a loss within the noise, as the field part shows what is won for it."""
    if accuracy.passed or p_worse < LEVEL:
        return accuracy
    because = f"{accuracy.because}; not beyond noise, and the field part is read better beyond noise"
    return replace(accuracy, passed=True, because=because)


def held_against(
    ours: Judged, theirs: Judged, truth: np.ndarray, champion: str
) -> tuple[list[GateCheck], dict[str, float]]:
    """Return the checks that compare, accuracy first, and their figures.

    truth: uint8 (n,), 0–9. champion: its id, for the words.
    """
    paired = mcnemar(ours.right, theirs.right)
    not_worse = paired.only_first >= paired.only_second
    accuracy = (
        f"{'not worse' if not_worse else 'worse'} than the champion {champion} on the same {len(truth):,} images: "
        f"{paired.only_first} that only it gets right, {paired.only_second} only the champion "
        f"(McNemar's p {paired.p_first_worse:.2g})"
    )
    p_loss = p_first_higher(ours.loss, theirs.loss)
    p_classes = p_by_group(ours.right, theirs.right, truth)
    evidence = {
        "images": len(truth),
        "only_challenger": paired.only_first,
        "only_champion": paired.only_second,
        "p_worse": paired.p_first_worse,
        "log_loss": float(ours.loss.mean()),
        "log_loss_champion": float(theirs.loss.mean()),
        "p_calibration_worse": p_loss,
        "p_class_worse": min(p_classes.values()),
    }
    return [GateCheck("accuracy", not_worse, accuracy), _calibration(evidence), _classes(p_classes)], evidence


def _calibration(evidence: dict[str, float]) -> GateCheck:
    p = evidence["p_calibration_worse"]
    because = (
        f"{'calibration is worse' if p < LEVEL else 'not worse'} beyond noise: log loss {evidence['log_loss']:.4f}, "
        f"the champion's {evidence['log_loss_champion']:.4f} (p {p_value(p)})"
    )
    return GateCheck("calibration", p >= LEVEL, because)


def _classes(p_values: dict[int, float]) -> GateCheck:
    worse = [str(label) for label, p in p_values.items() if p < LEVEL]
    smallest = f"(smallest p {p_value(min(p_values.values()))})"
    if not worse:
        return GateCheck("classes", True, f"no digit is read worse beyond noise {smallest}")
    return GateCheck("classes", False, f"read worse beyond noise: {', '.join(worse)} {smallest}")


def _answered(package: Artifact, judging: Digits) -> Judged:
    from scipy.special import log_softmax

    # In the form that every package has and every processor computes.
    logits, _ = Engine(models_of(package, FLOAT32, judged=True)).answer(judging.images)
    truth = judging.known_labels
    shares = log_softmax(logits.astype(float), axis=1)
    return Judged(logits.argmax(axis=1) == truth, -shares[np.arange(len(truth)), truth])


def _new_to(store: Store, champion: Artifact, judging: Digits) -> Digits:
    """Return the images that the champion, or its judged twin, was not fitted on.

    On those that it was fitted on, it would look better than it is.
    """
    learned = next(name for name in champion.manifest().inputs if name.startswith("prepared/"))
    train = digits.read(store.get(learned).file("train.parquet"))
    return judging[~np.isin(digits.fingerprints(judging.images), digits.fingerprints(train.images))]
