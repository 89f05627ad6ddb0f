"""A package becomes champion only if it is not worse: in accuracy, as packaged, in its confidence, at any digit."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from tasks.data import digits
from tasks.data.metrics import PreparedMetrics
from tasks.models.packaged import FormCheck, PackageMetrics
from tasks.package import package
from tasks.registry import gate
from tasks.registry.gate import GateCheck, Judged, Verdict, held_against
from tasks.store import Artifact, Draft, Store
from tests import making
from tests.conftest import Chain
from tests.tasks.evaluated import CALIBRATION, LIMITS
from tests.tasks.trained import trained

IMAGES = 1000
TRUTH = np.arange(IMAGES) % 10
RNG = np.random.default_rng(0)
LOSS = RNG.exponential(0.05, IMAGES)


def judged(*wrong: int, loss: np.ndarray = LOSS) -> Judged:
    return Judged(~np.isin(np.arange(IMAGES), wrong), loss)


def checks(ours: Judged, theirs: Judged) -> dict[str, GateCheck]:
    return {check.name: check for check in held_against(ours, theirs, TRUTH, "abc")[0]}


def test_one_that_answers_alike_passes_every_check() -> None:
    found, evidence = held_against(judged(3), judged(3), TRUTH, "abc")
    assert [check.name for check in found if check.passed] == ["accuracy", "calibration", "classes"]
    assert (evidence["images"], evidence["p_worse"], evidence["p_calibration_worse"]) == (IMAGES, 1, 1)


def test_one_image_fewer_is_refused() -> None:
    found = checks(judged(1, 2), judged(3))["accuracy"]
    assert not found.passed
    assert found.because == (
        "worse than the champion abc on the same 1,000 images: 1 that only it gets right, 2 only the champion "
        "(McNemar's p 0.5)"
    )


def test_calibration_that_differs_by_noise_does_not_refuse() -> None:
    other = judged(loss=RNG.permutation(LOSS))
    assert checks(judged(), other)["calibration"].passed
    assert checks(other, judged())["calibration"].passed


def test_one_very_wrong_confidence_does_not_refuse_alone() -> None:
    loss = LOSS.copy()
    loss[7] += 12
    assert checks(judged(loss=loss), judged())["calibration"].passed


def test_confidence_that_is_worth_less_everywhere_is_refused_though_all_answers_are_the_same() -> None:
    found = checks(judged(loss=LOSS + RNG.exponential(0.05, IMAGES)), judged())
    assert (found["accuracy"].passed, found["calibration"].passed) == (True, False)
    assert found["calibration"].because.startswith("calibration is worse beyond noise: log loss 0.")


def test_a_digit_that_is_read_worse_is_refused_though_others_make_up_for_it() -> None:
    threes = np.flatnonzero(TRUTH == 3)[:12].tolist()
    others = np.flatnonzero(TRUTH != 3)[:15].tolist()
    found = checks(judged(*threes), judged(*others))
    assert (found["accuracy"].passed, found["classes"].passed) == (True, False)
    assert found["classes"].because == "read worse beyond noise: 3 (smallest p 0.002)"


def test_a_few_images_of_one_digit_are_noise() -> None:
    threes = np.flatnonzero(TRUTH == 3)[:5].tolist()
    others = np.flatnonzero(TRUTH != 3)[:15].tolist()
    # 1 in 32 for this digit alone; ten digits are looked at.
    assert checks(judged(*threes), judged(*others))["classes"].passed


def test_noise_alone_seldom_refuses_one_that_is_as_good() -> None:
    rng, refused = np.random.default_rng(1), 0
    for _ in range(200):
        shared = rng.random(IMAGES) < 0.01
        one, two = (Judged(~(shared | (rng.random(IMAGES) < 0.005)), rng.exponential(0.05, IMAGES)) for _ in range(2))
        refused += not all(check.passed for check in held_against(one, two, TRUTH, "abc")[0][1:])
    assert refused <= 0.1 * 200


def test_what_was_decisive_is_told_first_and_every_check_has_a_line() -> None:
    passed, failed = GateCheck("accuracy", True, "not worse"), GateCheck("classes", False, "worse at 3")
    assert (Verdict([passed], {}).promoted, Verdict([passed], {}).because) == (True, "not worse")
    both = Verdict([passed, failed], {})
    assert (both.promoted, both.because) == (False, "worse at 3")
    assert both.reasons == ["accuracy passed: not worse", "classes failed: worse at 3"]


@pytest.mark.parametrize("accepted", [True, False])
def test_a_form_that_does_not_agree_with_keras_is_refused(store: Store, accepted: bool) -> None:
    check = FormCheck(bytes=1, agreement=0.99, loss_points=0.2, least_points=0.5, accepted=accepted)
    metrics = PackageMetrics({"float32.tflite": check}, refitted=False, calibration=CALIBRATION, limits=LIMITS)
    package = store.make("package", lambda draft: metrics, code="tasks.data.digits", parameters={})
    found = gate.agreement(package)
    because = (
        "float32.tflite gives 99.00\u00a0% the same answers as Keras and loses 0.20\u00a0points of accuracy; "
        "a loss below 0.50\u00a0points could not be shown"
    )
    assert found.passed == accepted
    assert found.because == (because if accepted else "float32.tflite does not answer as Keras does")
    prepared = making.prepared(store, making.digits(20), making.digits(20, start=20))
    assert gate.first(package, prepared).promoted == accepted


def test_real_packages_are_compared_by_their_calibrated_confidence(chain: Chain) -> None:
    from tasks.data import digits
    from tasks.models.scorer import Scorer

    judging = digits.read(chain.prepared.path / "validation.parquet")
    found = gate.compare(chain.package, chain.package, judging)
    assert found.promoted
    temperature = chain.package.measured(PackageMetrics).calibration.temperature
    probabilities = Scorer(chain.package.path / "float32.tflite", temperature=temperature).probabilities(judging.images)
    loss = -np.log(probabilities[np.arange(len(judging)), judging.known_labels]).mean()
    assert found.evidence["log_loss"] == pytest.approx(loss, rel=1e-4)


def test_images_that_the_champion_has_learned_from_are_left_out(store: Store) -> None:
    champion = trained(store)
    learned = making.digits(20, start=1000)  # what `trained` learns from
    other = trained(store, judging=learned)
    verdict = gate.judge(store, other.package, champion.package, other.prepared)
    assert verdict.because == "only 0 of its validation images are new to the champion, too few to compare on"


def with_field(chain: Chain, images: int) -> Artifact:
    """The chain's prepared data with a field part: digits of its validation part, whose labels are known."""
    validation = digits.read(chain.prepared.file("validation.parquet"))[:images]

    def build(draft: Draft) -> PreparedMetrics:
        for name in ("train", "validation"):
            shutil.copyfile(chain.prepared.file(f"{name}.parquet"), draft.folder / f"{name}.parquet")
        digits.write(draft.folder / "field.parquet", validation)
        return replace(chain.prepared.measured(PreparedMetrics), field=images)

    return chain.store.make("prepared", build, code="tasks.prepare", parameters={"field": images})


def test_one_that_is_worse_on_what_people_have_corrected_is_refused(chain: Chain) -> None:
    prepared = with_field(chain, 200)
    weaker = package(chain.store, chain.weaker, chain.prepared)
    (check,) = gate.field(weaker, prepared, chain.package, chain.store)
    assert not check.passed
    assert re.fullmatch(
        r"of 200 images that people have read and nobody learns from it reads \d+ right, "
        rf"the champion {chain.package.id} \d+: worse beyond noise \(McNemar's p .*\)",
        check.because,
    )
    (check,) = gate.field(chain.package, prepared, weaker, chain.store)
    assert (check.passed, check.better) == (True, True)
    assert ": better beyond noise (McNemar's p " in check.because
    verdict = gate.judge(chain.store, weaker, chain.package, prepared)
    assert [check.name for check in verdict.checks] == ["accuracy", "package", "calibration", "classes", "field"]
    assert (
        gate.first(chain.package, prepared).reasons[-1].startswith("field passed: of 200 images that people have read")
    )


@pytest.mark.parametrize(
    ("lost", "better", "passed"), [(2, True, True), (2, False, False), (200, True, False), (0, False, True)]
)
def test_a_loss_within_the_noise_passes_only_for_a_gain_on_what_people_have_corrected(
    chain: Chain, monkeypatch: pytest.MonkeyPatch, lost: int, better: bool, passed: bool
) -> None:
    judging = digits.read(chain.prepared.file("validation.parquet"))
    fields = [gate.GateCheck("field", True, "", better=better)]

    def answers(package: Artifact, images: digits.Digits) -> gate.Judged:
        right = np.ones(len(images), bool)
        right[: lost if package == chain.package else 0] = False
        return gate.Judged(right, np.zeros(len(images)))

    monkeypatch.setattr(gate, "_new_to", lambda store, champion, images: judging)
    monkeypatch.setattr(gate, "_answered", answers)
    monkeypatch.setattr(gate, "field", lambda *_: fields)
    accuracy = gate.judge(chain.store, chain.package, chain.cascade, chain.prepared).checks[0]
    assert accuracy.passed == passed
    assert ("the field part is read better beyond noise" in accuracy.because) == (passed and lost > 0)


def test_few_corrected_images_are_told_and_decide_nothing(chain: Chain) -> None:
    weaker = package(chain.store, chain.weaker, chain.prepared)
    (check,) = gate.field(weaker, with_field(chain, 30), chain.package, chain.store)
    assert check.passed
    assert check.because.endswith(": too few to tell")
    assert gate.field(weaker, chain.prepared, chain.package, chain.store) == []
