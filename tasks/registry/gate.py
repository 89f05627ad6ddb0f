"""The gate of promotion: what a package has to show beside the champion's, check by check.

accuracy     Both answer the same images, and only those count that one gets right and the other wrong (McNemar's test,
             exact and one-sided; McNemar, Psychometrika 12, 1947). The challenger has to be right on at least as many
             of them. "Not significantly worse" would be too little: few images would let anything pass, and many
             nights, each a little worse within the noise, would wear the champion down.
package      The forms that score agree with Keras, as packaging found.
calibration  The log loss of the calibrated probabilities on those images is not higher beyond noise (paired t-test).
classes      No digit is read worse beyond noise (McNemar's test for each, with Holm's correction for ten).

The last two see what accuracy does not. In them only a difference beyond noise counts: to ask ten times over for "no
worse at all" would refuse a better model nearly always.
"""

from collections.abc import Sequence
from dataclasses import dataclass

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
    """One of the four: whether the package passes, and why, in words."""

    name: str
    passed: bool
    because: str


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


def first(package: Artifact) -> Verdict:
    """Return the verdict on a package where there is no champion yet."""
    return Verdict([GateCheck("accuracy", True, "it is the first"), agreement(package)], {})


def judge(store: Store, package: Artifact, champion: Artifact, prepared: Artifact) -> Verdict:
    """Compare a package with the champion's on those images of the validation part that are new to both.

    Raises: StoreError if either is not what was written.
    """
    judging = _new_images(store, champion, prepared)
    if len(judging) < LEAST_IMAGES:
        few = f"only {len(judging)} of its validation images are new to the champion, too few to compare on"
        return Verdict([GateCheck("accuracy", False, few), agreement(package)], {})
    return compare(package, champion, judging)


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


def _new_images(store: Store, champion: Artifact, prepared: Artifact) -> Digits:
    """Return the images of the validation part that the champion, or its judged twin, was not fitted on.

    On those that it was fitted on, it would look better than it is.
    """
    validation = digits.read(prepared.file("validation.parquet"))
    learned = next(name for name in champion.manifest().inputs if name.startswith("prepared/"))
    train = digits.read(store.get(learned).file("train.parquet"))
    is_known = np.isin(digits.fingerprints(validation.images), digits.fingerprints(train.images))
    return validation[~is_known]
