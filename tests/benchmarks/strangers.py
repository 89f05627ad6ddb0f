"""Pictures that show no digit: letters, words, symbols, icons, photographs, textures, empty paper, several digits."""

import string
from pathlib import Path

import cv2
import numpy as np

from tests.tasks.pictures import ways

# But for those that look like digits.
LETTERS = [letter for letter in string.ascii_letters if letter not in "OoIlSsZzBbqg"]
SYMBOLS = "☺☻♠♣♥♦★☆☎☂☀✂✈✉✓✗✿❄➔➤⚑⚙♞♛⌂⌛⚓☕@#%&$?§¶€{}<*+=~"


def letters(random: np.random.Generator, count: int) -> list[bytes]:
    return [_typed([random.choice(LETTERS)], random) for _ in range(count)]


def words(random: np.random.Generator, count: int) -> list[bytes]:
    return [_typed(random.choice(list(string.ascii_letters), random.integers(2, 8)), random) for _ in range(count)]


def numbers(random: np.random.Generator, count: int) -> list[bytes]:
    return [_typed([str(random.integers(10, 10_000))], random) for _ in range(count)]


def symbols(random: np.random.Generator, count: int) -> list[bytes]:
    import matplotlib

    font = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return [
        ways.as_file(ways.text(random.choice(list(SYMBOLS)), font, int(random.integers(30, 200)))) for _ in range(count)
    ]


def pen_letters(random: np.random.Generator, count: int) -> list[bytes]:
    """In single strokes, upright and in script."""
    faces = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_SCRIPT_SIMPLEX, cv2.FONT_HERSHEY_SCRIPT_COMPLEX)
    files = []
    for _ in range(count):
        picture = np.full((200, 200, 3), 255, np.uint8)
        face, pen = faces[random.integers(3)], int(random.integers(2, 16))
        cv2.putText(picture, str(random.choice(LETTERS)), (50, 140), face, 4, (0, 0, 0), pen, cv2.LINE_AA)
        files.append(ways.as_file(picture))
    return files


def icons(random: np.random.Generator, count: int) -> list[bytes]:
    import matplotlib

    paths = sorted((Path(matplotlib.get_data_path()) / "images").glob("*.png"))
    return [path.read_bytes() for path in paths][:count]


def photographs(random: np.random.Generator, count: int) -> list[bytes]:
    from sklearn.datasets import load_sample_images

    images = load_sample_images().images
    files = []
    for at in range(count):
        image = images[at % len(images)]
        side = int(random.integers(60, 400))
        top, left = random.integers(image.shape[0] - side), random.integers(image.shape[1] - side)
        files.append(ways.as_file(image[top : top + side, left : left + side], "JPEG"))
    return files


def textures(random: np.random.Generator, count: int) -> list[bytes]:
    files = []
    for at in range(count):
        down, right = np.mgrid[0:200, 0:200]
        period = random.uniform(5, 60)
        turned = down * np.sin(at) + right * np.cos(at)
        pattern = (
            random.normal(128, 50, (200, 200)),
            128 + 100 * np.sin(turned / period * 6.28),
            255 * ((down // period + right // period) % 2),
            128 + 60 * _normed(cv2.GaussianBlur(random.normal(0, 1, (200, 200)), (0, 0), period / 3)),
            128 + 60 * np.sign(_normed(cv2.GaussianBlur(random.normal(0, 1, (200, 200)), (0, 0), period / 3))),
        )[at % 5]
        files.append(ways.as_file(np.repeat(pattern[..., None], 3, 2)))
    return files


def _normed(values: np.ndarray) -> np.ndarray:
    return values / values.std()


def empty_papers(random: np.random.Generator, count: int) -> list[bytes]:
    nothing = np.zeros((300, 400), np.float32)
    papers = (
        lambda: ways.drawn(nothing),
        lambda: ways.shaded(ways.drawn(nothing)),
        lambda: ways.sloped(ways.drawn(nothing)),
        lambda: ways.ruled(nothing),
        lambda: ways.ruled(nothing, squared=True),
        lambda: ways.textured(ways.drawn(nothing), random),
        lambda: ways.on_a_desk(ways.drawn(nothing), random),
        lambda: ways.specked(ways.drawn(nothing), random),
    )
    return [ways.photo(papers[at % len(papers)](), random) for at in range(count)]


def side_by_side(digits: np.ndarray, random: np.random.Generator, count: int) -> list[bytes]:
    """Two or three digits; digits: uint8 (n, 28, 28)."""
    files = []
    for _ in range(count):
        row = [ways.strokes(digit) for digit in digits[random.integers(len(digits), size=random.integers(2, 4))]]
        gap = int(random.integers(10, 60))
        ink = np.concatenate([np.pad(ink, ((30, 30), (0, gap))) for ink in row], axis=1)
        files.append(ways.as_file(ways.plain(np.pad(ink, 30))))
    return files


def scribbles(random: np.random.Generator, count: int) -> list[bytes]:
    files = []
    for _ in range(count):
        points = np.cumsum(random.normal(0, 1, (int(random.integers(30, 120)), 2)), axis=0)
        smooth = np.stack([np.convolve(axis, np.ones(8) / 8, "valid") for axis in points.T], axis=1)
        smooth = 30 + 140 * (smooth - smooth.min(axis=0)) / np.ptp(smooth, axis=0).max()
        picture = np.full((200, 200, 3), 255, np.uint8)
        pen = int(random.integers(2, 14))
        cv2.polylines(picture, [smooth.astype(np.int32)], False, (0, 0, 0), pen, cv2.LINE_AA)
        files.append(ways.as_file(picture))
    return files


def _typed(characters: object, random: np.random.Generator) -> bytes:
    fonts = ways.fonts()
    return ways.as_file(
        ways.text("".join(characters), fonts[random.integers(len(fonts))], int(random.integers(24, 200)))
    )


def all_strangers(digits: np.ndarray, count: int) -> dict[str, list[bytes]]:
    random = np.random.default_rng(0)
    return {
        "letters, typed": letters(random, count),
        "letters, by pen": pen_letters(random, count),
        "words": words(random, count),
        "numbers of 2 to 4 digits, typed": numbers(random, count),
        "digits side by side": side_by_side(digits, random, count),
        "symbols": symbols(random, count),
        "icons": icons(random, count),
        "photographs": photographs(random, count),
        "textures": textures(random, count),
        "empty paper": empty_papers(random, count),
        "scribbles": scribbles(random, count),
    }
