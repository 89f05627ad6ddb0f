"""When a first reader may answer, and that what is promised of it holds."""

import numpy as np
import pytest

from tasks.judging import cascade
from tasks.judging.cascade import PROMISE, Cascade, choose, measure, promise, too_few


def answers(images: int, unsure: int, different: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Confidence and difference, (1, n) each: of the least sure so many, and among these so many that differ."""
    confidence = np.full(images, 0.999)
    confidence[:unsure] = np.linspace(0.5, 0.9, unsure)
    differs = np.zeros(images, bool)
    differs[np.random.default_rng(seed).choice(unsure, different, replace=False)] = True
    return confidence[None], differs[None]


def test_the_first_reader_answers_from_above_those_that_differ() -> None:
    confidence, different = answers(10_000, unsure=1000, different=300)
    threshold = choose(confidence, different, PROMISE)
    assert threshold is not None
    assert (different & (confidence >= threshold)).sum() <= 1
    looser = cascade.THRESHOLDS[cascade.THRESHOLDS.tolist().index(threshold) + 1]
    assert (different & (confidence >= looser)).sum() > 1


@pytest.mark.parametrize(
    ("images", "share"), [(100_000, PROMISE), (8400, PROMISE), (900, 0.003323), (598, 0.004997), (597, None), (1, None)]
)
def test_fewer_images_can_promise_less_until_they_promise_nothing(images: int, share: float | None) -> None:
    assert (too_few(images) is None) == (share is not None)
    assert share is None or promise(images) == pytest.approx(share, abs=1e-6)


def test_every_form_has_to_keep_the_promise() -> None:
    confidence, different = answers(10_000, unsure=1000, different=300)
    alone = choose(confidence, different, PROMISE)
    sure_and_different = np.arange(10_000)[None] > 9_900
    assert choose(np.concatenate([confidence] * 2), np.concatenate([different, sure_and_different]), PROMISE) is None
    assert choose(np.concatenate([confidence] * 2), np.concatenate([different] * 2), PROMISE) == alone


def test_a_first_reader_that_would_answer_little_answers_nothing() -> None:
    confidence, different = answers(10_000, unsure=9000, different=4000)
    assert choose(confidence, different, PROMISE) is None
    assert choose(*answers(10_000, unsure=7000, different=4000), PROMISE) is not None


def test_the_promise_holds_in_19_of_20_draws() -> None:
    """Among images of a known kind the share that the chosen threshold leaves is computed, not estimated."""
    rng = np.random.default_rng(1)
    images, broken, draws = 6000, 0, 400
    for _ in range(draws):
        # Surest where it never differs; the share that differs falls with the confidence, by a known law.
        doubt = rng.exponential(0.02, images)
        confidence = np.maximum(1 - doubt, 0)
        different = rng.random(images) < np.minimum(doubt, 1) ** 1.2 / 4
        threshold = choose(confidence[None], different[None], PROMISE)
        if threshold is not None:
            fine = np.linspace(0, 1 - threshold, 20_001)
            density = np.exp(-fine / 0.02) / 0.02 * np.minimum(fine, 1) ** 1.2 / 4
            broken += np.trapezoid(density, fine) > PROMISE
    assert broken / draws <= 0.05
    assert broken  # or the bound would be looser than it need be


def logits(labels: np.ndarray, strength: np.ndarray) -> np.ndarray:
    return (np.eye(10, dtype=np.float32)[labels] * strength[:, None]).astype(np.float32)


def test_the_whole_is_calibrated_by_the_confidence_of_who_answers() -> None:
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 10, 8000).astype(np.uint8)
    sure = rng.random(8000) < 0.9
    wrong = ~sure & (rng.random(8000) < 0.3)
    first = logits(np.where(wrong, (truth + 1) % 10, truth), np.where(sure, 12, 4))
    main = logits(truth, np.where(sure, 30, 20))
    chosen = measure(first[None], main[None] / 2, truth)
    assert isinstance(chosen, Cascade)
    assert (chosen.answered, chosen.different, chosen.images) == (sure.sum(), 0, 8000)
    assert chosen.calibration.images == 8000
    assert chosen.calibration.error_after < 0.001
    assert str(chosen) == (
        "a first reader answers 89.68\u00a0% of the images; at most 0.06\u00a0% of all answers differ from the main "
        "model's (95 % confidence; 0 of 8,000 did on validation)"
    )


def test_too_few_images_and_too_few_answers_are_said() -> None:
    truth = (np.arange(100) % 10).astype(np.uint8)
    few = logits(truth, np.full(100, 9))[None]
    assert measure(few, few, truth) == (
        "no first reader: 100 validation images cannot show that it changes at most 0.50\u00a0% of the answers"
    )
    truth = (np.arange(2000) % 10).astype(np.uint8)
    first, main = logits((truth + 1) % 10, np.full(2000, 9)), logits(truth, np.full(2000, 9))
    assert measure(first[None], main[None], truth) == (
        "no first reader: it answers too few images where at most 0.15\u00a0% of all answers may differ from the main "
        "model's"
    )
