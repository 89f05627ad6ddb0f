import json
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from tasks.data.digits import Digits
from tasks.errors import StoreError
from tasks.judging import drift
from tasks.judging.drift import EMPTY, MAJOR, Profile, measure, verdict
from tests.making import digits

TRAINING = 3000

Change = Callable[[np.ndarray], np.ndarray]


def confidences(images: int, unsure: float = 0.03) -> np.ndarray:
    """Confidences of which such a share is low; the others are close to 1."""
    random = np.random.default_rng(images)
    return np.where(random.random(images) < unsure, 0.5, 1 - random.random(images) / 100).astype(np.float32)


@pytest.fixture(scope="module")
def reference() -> Profile:
    learned = digits(TRAINING)
    return measure(learned.images, learned.known_labels, confidences(1000))


def others(n: int, start: int = TRAINING) -> Digits:
    """Digits that the reference does not know."""
    return digits(n, start=start)


def came_in(images: np.ndarray, labels: np.ndarray | None = None, unsure: float = 0.03) -> Profile:
    answers = np.resize(np.arange(10, dtype=np.uint8), len(images)) if labels is None else labels
    return measure(images, answers, confidences(len(images), unsure))


BROKEN: dict[str, Change] = {
    "inverted": lambda images: 255 - images,
    "blank": np.zeros_like,
    "all ink": lambda images: np.full_like(images, 255),
    "scaled to 0–1": lambda images: images // 128,
    "noise": lambda images: np.random.default_rng(0).integers(0, 256, images.shape, np.uint8),
    "shuffled": lambda images: np.random.default_rng(0).permuted(images.reshape(-1, 784), axis=1).reshape(-1, 28, 28),
    "grey ground": lambda images: images // 2 + 60,
}
EVERYDAY: dict[str, Change] = {
    "as they are": lambda images: images,
    "shifted to the right": lambda images: np.roll(images, 1, axis=2),
    "shifted up": lambda images: np.roll(images, -1, axis=1),
    "thicker": lambda images: (images // 2 + np.maximum(images, np.roll(images, 1, axis=2)) // 2).astype(np.uint8),
    "thinner": lambda images: (images // 2 + np.minimum(images, np.roll(images, 1, axis=2)) // 2).astype(np.uint8),
    "paler": lambda images: (images * 0.7).astype(np.uint8),
    "black and white": lambda images: (images > 127).astype(np.uint8) * 255,
    "faint noise": lambda images: np.maximum(images, np.random.default_rng(0).integers(0, 30, images.shape, np.uint8)),
}


@pytest.mark.parametrize("images", [5, 30, 1000])
@pytest.mark.parametrize("how", BROKEN)
def test_images_that_are_no_digits_are_found_even_if_few(reference: Profile, how: str, images: int) -> None:
    assert verdict(reference, came_in(BROKEN[how](others(images).images))).verdict == "drifted"


@pytest.mark.parametrize("images", [1, 5, 30, 1000])
@pytest.mark.parametrize("how", EVERYDAY)
def test_other_digits_as_pens_and_scanners_make_them_are_no_drift(reference: Profile, how: str, images: int) -> None:
    found = verdict(reference, came_in(EVERYDAY[how](others(images).images)))
    assert found.verdict == ("none" if images == 1000 else "too few to tell")


def test_false_alarms_are_rarer_than_one_in_a_hundred(reference: Profile) -> None:
    random = np.random.default_rng(0)
    other = others(1500)
    unsure = confidences(1500)
    alarms = 0
    for images in [1, 2, 3, 5, 10, 30, 100] * 60:
        rows = random.choice(1500, images, replace=False)
        observed = measure(other.images[rows], other.known_labels[rows], unsure[rows])
        alarms += verdict(reference, observed).verdict == "drifted"
    assert alarms <= 4  # of 420


@pytest.mark.parametrize("turn", [lambda images: images.swapaxes(1, 2), lambda images: np.rot90(images, axes=(1, 2))])
def test_transposed_and_turned_digits_are_found_by_their_shape_alone(reference: Profile, turn: Change) -> None:
    found = verdict(reference, came_in(np.ascontiguousarray(turn(others(200).images))))
    assert found.verdict == "drifted"
    assert found.reasons[0].startswith("relative width far above the usual in ")
    assert "transposed" in found.reasons[0]


def test_half_of_the_images_inverted_are_found(reference: Profile) -> None:
    some = others(100).images.copy()
    some[::2] = 255 - some[::2]
    assert verdict(reference, came_in(some)).verdict == "drifted"


def test_a_tenth_of_the_images_blank_are_found(reference: Profile) -> None:
    some = others(1000).images.copy()
    some[::10] = 0
    assert verdict(reference, came_in(some)).verdict == "drifted"


def test_what_is_read_less_surely_is_drift_and_what_is_read_more_surely_is_none(reference: Profile) -> None:
    unsure = verdict(reference, came_in(others(300).images, unsure=0.4))
    assert unsure.verdict == "drifted"
    assert unsure.reasons[0].startswith("confidence far below the usual in ")
    assert verdict(reference, came_in(others(300).images, unsure=0)).verdict == "none"


def test_digits_of_one_kind_only_are_no_drift(reference: Profile) -> None:
    some = others(1500)
    ink = some.images.mean(axis=(1, 2))
    fat = some[np.flatnonzero(ink > np.quantile(ink, 0.8))]
    assert verdict(reference, came_in(fat.images)).verdict == "none"


def test_another_mix_of_classes_is_told_and_is_no_drift(reference: Profile) -> None:
    some = others(1000)
    post = some[np.flatnonzero((some.known_labels == 0) | (np.arange(1000) % 3 == 0))]
    found = verdict(reference, came_in(post.images, post.known_labels))
    assert found.verdict == "none"
    assert found.reasons[0].startswith("another mix of classes: ")
    assert "are read as 0" in found.reasons[0]


def test_nearly_nothing_but_one_answer_is_drift_if_there_are_many(reference: Profile) -> None:
    some = others(1000)
    sevens = some.images[some.known_labels == 7]
    assert verdict(reference, came_in(sevens[:90], np.full(90, 7, np.uint8))).verdict == "none"
    assert verdict(reference, came_in(sevens[:100], np.full(100, 7, np.uint8))).verdict == "drifted"


def test_the_reasons_say_what_is_how_far_off(reference: Profile) -> None:
    found = verdict(reference, came_in(255 - others(20).images))
    assert "ink far above the usual in 100\u00a0% of the images: inverted, or no digits? (PSI 13.8)" in found.reasons
    assert found.images == 20
    assert all(finding.psi > max(MAJOR, finding.noise) for finding in found.findings if finding.level == "major")


@pytest.mark.parametrize("batch", [1, 7, 64, 1500])
def test_the_profile_is_the_same_in_whatever_batches_the_images_come(
    batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = np.concatenate([others(300).images, 255 - others(100).images, np.zeros((3, 28, 28), np.uint8)])
    answers, sure = np.resize(np.arange(10, dtype=np.uint8), 403), confidences(403)
    monkeypatch.setattr(drift, "CHUNK", 50)
    parts = (slice(start, start + batch) for start in range(0, 403, batch))
    assert sum((measure(some[part], answers[part], sure[part]) for part in parts), EMPTY) == measure(
        some, answers, sure
    )


def test_a_profile_comes_back_from_json_as_it_was_and_stays_small(reference: Profile) -> None:
    written = json.dumps(reference.as_json())
    assert Profile.of_json(json.loads(written)) == reference
    assert len(written) < 5000


def test_a_profile_of_another_version_is_refused() -> None:
    with pytest.raises(StoreError, match=r"another version.*ink \(38\).*received ink \(2\)"):
        Profile.of_json({"ink": [1, 2]})


def passed_on(images: int, share: float) -> Profile:
    """Of digits as the reference's, of which a first reader passes on such a share."""
    some = others(images)
    answers = np.resize(np.arange(10, dtype=np.uint8), images)
    return measure(some.images, answers, confidences(images), np.arange(images) < share * images)


def test_a_first_reader_that_passes_on_far_more_is_said_and_is_no_drift() -> None:
    found = verdict(passed_on(1000, 0.1), passed_on(1000, 0.5))
    assert found.verdict == "none"
    assert found.reasons == [
        "the first reader passes on 50\u00a0% of the images, of validation 10\u00a0% (PSI 0.9)",
    ]
    assert verdict(passed_on(1000, 0.1), passed_on(1000, 0.12)).reasons == []
    assert verdict(passed_on(1000, 0.5), passed_on(1000, 0.1)).reasons == []


def test_without_a_first_reader_on_either_side_nothing_is_said_of_it(reference: Profile) -> None:
    cascade = passed_on(1000, 0.5)
    for profiles in ((reference, cascade), (cascade, reference), (reference, reference)):
        assert drift.PASSED_ON not in [finding.name for finding in verdict(*profiles).findings]
    assert verdict(reference, cascade).verdict == "none"


def test_a_profile_from_before_there_were_first_readers_is_read(reference: Profile) -> None:
    written = reference.as_json()
    del written[drift.PASSED_ON]
    assert Profile.of_json(written) == reference


def test_of_no_images_and_against_no_reference_nothing_can_be_told(reference: Profile) -> None:
    assert verdict(reference, EMPTY).verdict == "too few to tell"
    assert verdict(EMPTY, reference).verdict == "too few to tell"


def test_an_image_is_measured_as_computed_by_hand() -> None:
    # A bar one pixel wide and 21 high, from the lower left to the upper right, three pixels up for one to the right.
    image = np.zeros((1, 28, 28), np.uint8)
    rows = np.arange(3, 24)
    image[0, rows, 17 - (rows - 3) // 3] = 255
    found = drift._of_ink(image)
    assert found["ink"] == pytest.approx(21 / 784)
    assert found["ground"] == 0
    assert found["distance from the centre"] == pytest.approx(np.hypot(0.5, 0.5))
    assert found["size"] == pytest.approx(np.hypot(2, np.sqrt((21**2 - 1) / 12)))
    assert found["slant"] == pytest.approx(1 / 3, rel=0.05)


def test_neither_measuring_nor_judging_loads_anything_heavy() -> None:
    program = """if True:
        import sys, numpy as np
        from tasks.judging.drift import measure, verdict
        one = measure(np.ones((9, 28, 28), np.uint8), np.zeros(9, np.uint8), np.ones(9, np.float32))
        verdict(one, one)
        print(*{"scipy", "sklearn", "pandas", "tensorflow"} & set(sys.modules))"""
    assert not subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.strip()
