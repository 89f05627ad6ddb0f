"""What is no digit lies beyond the limits, and of digits no more than was set."""

import numpy as np
import pytest

from tasks.judging import familiarity
from tasks.judging.familiarity import Familiarity
from tests import making

DIGITS = making.digits(2_400)
MEANS = np.stack([DIGITS.images[DIGITS.known_labels == label].mean(axis=0) for label in range(10)])


def logits_of(images: np.ndarray) -> np.ndarray:
    """A model that knows the mean of each class."""
    return images.reshape(len(images), -1) @ (MEANS - MEANS.mean(axis=0)).reshape(10, -1).T.astype(np.float32) / 1e5


FAMILIAR, LIMITS = familiarity.measure(DIGITS.images, logits_of(DIGITS.images))


def strangeness(images: np.ndarray) -> np.ndarray:
    return FAMILIAR.strangeness(images, logits_of(images))


def test_of_digits_that_nobody_has_seen_no_more_than_was_set_are_strange() -> None:
    unseen = strangeness(making.digits(2_000, start=2_400).images)
    assert (unseen > LIMITS.review).mean() == pytest.approx(LIMITS.reviewed, abs=0.015)
    assert (unseen > LIMITS.refuse).mean() <= 0.008
    assert (LIMITS.digits, round(LIMITS.reviewed, 3), round(LIMITS.refused, 4)) == (1_200, 0.04, 0.0017)


def test_noise_and_textures_are_refused() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8)
    chequered = (np.indices((28, 28)).sum(axis=0) // 3 % 2 * 255).astype(np.uint8)
    assert strangeness(np.concatenate([noise, chequered[None]])).min() > LIMITS.refuse


def test_few_digits_cannot_show_a_small_share() -> None:
    few = DIGITS[:40]
    _, limits = familiarity.measure(few.images, logits_of(few.images))
    assert (limits.digits, limits.review) == (20, limits.refuse)
    assert limits.refused == pytest.approx(1 / 21)


def test_two_digits_suffice_to_be_measured() -> None:
    familiar, limits = familiarity.measure(DIGITS.images[:2], logits_of(DIGITS.images[:2]))
    assert limits.digits == 1
    assert np.isfinite(familiar.strangeness(DIGITS.images[:3], logits_of(DIGITS.images[:3]))).all()


def test_it_is_kept_in_the_same_bytes_and_read_again_as_the_same() -> None:
    again, _ = familiarity.measure(DIGITS.images, logits_of(DIGITS.images))
    assert again.as_bytes() == FAMILIAR.as_bytes()
    images = DIGITS.images[:50]
    np.testing.assert_array_equal(
        Familiarity.of_bytes(FAMILIAR.as_bytes()).strangeness(images, logits_of(images)), strangeness(images)
    )
