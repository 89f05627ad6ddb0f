import numpy as np
import pytest

from tasks.judging.robustness import CHANGES, changed, measure
from tests import making

IMAGES = making.digits(200).images
INK = IMAGES.astype(float)


def one(rows: slice, columns: slice) -> np.ndarray:
    """An image with one full rectangle of ink: uint8 (1, 28, 28)."""
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, rows, columns] = 255
    return image


def centres(images: np.ndarray) -> np.ndarray:
    """Centre of mass of each image, row and column: (n, 2)."""
    places = np.indices(images.shape[1:]).reshape(2, -1).T
    weights = images.reshape(len(images), -1).astype(float)
    return weights @ places / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_gives_digits_again_other_ones_and_leaves_the_given_ones_alone(name: str) -> None:
    before = IMAGES.copy()
    after = changed(before, name)
    assert (after.shape, after.dtype) == (IMAGES.shape, np.uint8)
    assert (after != IMAGES).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(before, IMAGES)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_the_same_every_time(name: str) -> None:
    np.testing.assert_array_equal(changed(IMAGES, name), changed(IMAGES, name))


@pytest.mark.parametrize("name", CHANGES)
def test_a_single_image_which_may_be_read_only_is_changed_too(name: str) -> None:
    image = IMAGES[:1].copy()
    image.flags.writeable = False
    assert changed(image, name).shape == (1, 28, 28)


def test_sensor_noise_is_as_strong_as_told() -> None:
    grey = np.full((50, 28, 28), 128, np.uint8)
    assert (changed(grey, "sensor noise") / 255).std() == pytest.approx(0.15, rel=0.02)


def test_specks_are_as_many_as_told_and_full_of_ink() -> None:
    blank = np.zeros((200, 28, 28), np.uint8)
    speckled = changed(blank, "specks")
    assert set(np.unique(speckled)) == {0, 255}
    assert (speckled > 0).mean() == pytest.approx(0.02, rel=0.05)


def test_blur_spreads_the_ink_and_keeps_its_amount() -> None:
    blurred = changed(one(slice(12, 16), slice(12, 16)), "blur")[0].astype(float)
    assert blurred.sum() == pytest.approx(16 * 255, rel=0.01)
    rows = blurred.sum(axis=1) / blurred.sum()
    variance = (rows * (np.arange(28) - 13.5) ** 2).sum()
    assert variance == pytest.approx((4**2 - 1) / 12 + 1, abs=0.05), "that of four rows, and of the blur"


def test_low_contrast_and_faint_ink_keep_the_form_and_change_the_scale() -> None:
    np.testing.assert_allclose(changed(IMAGES, "low contrast"), 51 + 0.4 * INK, atol=0.5)
    np.testing.assert_allclose(changed(IMAGES, "faint ink"), 0.4 * INK, atol=0.5)


def test_strokes_grow_by_a_pixel_on_every_side_and_lose_one_in_width() -> None:
    thick, thin = (
        changed(one(slice(10, 18), slice(13, 15)), f"{which} strokes")[0] for which in ("thicker", "thinner")
    )
    assert (thick > 0).sum() == 8 * 2 + 2 * 8 + 2 * 2
    assert (thin > 0).sum() == 7 * 1


def test_a_shift_goes_to_all_four_sides_and_does_not_come_in_again_on_the_other() -> None:
    middle, edge = one(slice(12, 16), slice(12, 16)), one(slice(0, 28), slice(26, 28))
    moves = (centres(changed(np.repeat(middle, 100, axis=0), "shift")) - 13.5).round(6)
    assert set(map(tuple, moves)) == {(-3, 0), (3, 0), (0, -3), (0, 3)}
    assert changed(np.repeat(edge, 100, axis=0), "shift")[:, :, :20].max() == 0


def test_rotation_is_by_fifteen_degrees_either_way_about_the_centre() -> None:
    bar = np.repeat(one(slice(4, 24), slice(13, 15)), 40, axis=0)
    turned = changed(bar, "rotation").astype(float)
    rows, columns = np.indices((28, 28)) - 13.5
    angles = np.degrees(np.arctan((turned * rows * columns).sum((1, 2)) / (turned * rows**2).sum((1, 2))))
    assert set(angles.round()) == {-15, 15}
    np.testing.assert_allclose(centres(turned), 13.5, atol=0.01)


def test_size_is_smaller_or_larger_about_the_centre() -> None:
    square = np.repeat(one(slice(9, 19), slice(9, 19)), 40, axis=0)
    sized = changed(square, "size")
    areas = sized.astype(float).sum(axis=(1, 2)) / 255
    assert {round(side) for side in np.sqrt(areas)} == {8, 12}
    np.testing.assert_allclose(centres(sized), 13.5, atol=0.01)


def test_measure_counts_what_is_read_right_under_each_change() -> None:
    truth = np.zeros(len(IMAGES), int)

    def by_ground(images: np.ndarray) -> np.ndarray:
        """Reads a 0 where the ground is black, else a 1: wrong under noise, specks and low contrast."""
        return (np.median(images[:, :2], axis=(1, 2)) > 0).astype(int)

    found = measure(by_ground, IMAGES, truth)
    assert (found.images, found.clean, found.worst) == (200, 1.0, "low contrast")
    assert found.changes["low contrast"] == 0
    assert found.changes["rotation"] == 1
    assert found.mean == pytest.approx(np.mean(list(found.changes.values())))
    assert set(found.changes) == set(CHANGES)
