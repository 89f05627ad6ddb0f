"""Ways in which people's digits come as pictures; each draws a digit, uint8 (28, 28), as a file."""

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

PAPER, BLUE, WHITE, BLACK = (244, 240, 228), (35, 60, 160), (255,) * 3, (0,) * 3

Way = Callable[[np.ndarray, np.random.Generator], bytes]


# --- The digit's ink, float32 0–1 ---------------------------------------------------------------------------------


def scaled(digit: np.ndarray, side: int) -> np.ndarray:
    """Enlarge or reduce the whole image, bicubic, as a program does with an image of MNIST."""
    picture = Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(picture, np.float32) / 255


def cropped(ink: np.ndarray, above: float = 0.15) -> np.ndarray:
    rows, columns = np.nonzero(ink > above)
    return ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def strokes(digit: np.ndarray, height: int = 160) -> np.ndarray:
    """The digit in a pen's clear edges."""
    ink = np.pad(cropped(digit.astype(np.float32) / 255), 2)
    scale = height / ink.shape[0]
    large = cv2.resize(ink, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return np.clip((cv2.GaussianBlur(large, (0, 0), scale / 2) - 0.5) * 6 + 0.5, 0, 1)


def penned(digit: np.ndarray, share: float, height: int = 200) -> np.ndarray:
    """The digit drawn anew along the middle of its strokes. share: of the pen in the height of the whole."""
    pen = max(1, round(share * height))
    middle = cropped(thinned(strokes(digit) > 0.5)).astype(np.uint8) * 255
    high = height - pen
    wide = round(high * middle.shape[1] / middle.shape[0])
    if share > 0.15 and wide > 0.4 * high:  # with such a pen people write broadly, for loops to stay open
        wide = max(wide, high)
    size = max(1, wide), high
    middle = np.pad(cv2.resize(middle, size, interpolation=cv2.INTER_AREA) > 0, pen // 2 + 1).astype(np.uint8) * 255
    drawn = cv2.dilate(middle, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (pen, pen)))
    return cv2.GaussianBlur(drawn, (3, 3), 0.7).astype(np.float32) / 255


def thinned(mask: np.ndarray) -> np.ndarray:
    """The middle lines of what is set. Source: T. Zhang and C. Suen, "A fast parallel algorithm …", 1984."""
    mask = np.pad(mask, 1).astype(np.uint8)
    while True:
        before = mask.sum()
        for odd in (False, True):
            p = [np.roll(mask, shift, (0, 1)) for shift in AROUND]
            count = sum(p)
            turns = sum((p[at] == 0) & (p[(at + 1) % 8] == 1) for at in range(8))
            up, right, down, left = p[0], p[2], p[4], p[6]
            first, second = (up & right & left, up & down & left) if odd else (up & right & down, right & down & left)
            mask = mask & ~((count >= 2) & (count <= 6) & (turns == 1) & (first == 0) & (second == 0))
        if mask.sum() == before:
            return mask[1:-1, 1:-1] > 0


# Shifts that bring the neighbours of a pixel to it, clockwise from the one above.
AROUND = ((1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1))


def margin(ink: np.ndarray, share: float) -> np.ndarray:
    return np.pad(ink, round(share * max(ink.shape)))


def laid(ink: np.ndarray, size: tuple[int, int] = (400, 500), at: tuple[int, int] = (90, 160)) -> np.ndarray:
    """Ink somewhere on a sheet."""
    sheet = np.zeros(size, np.float32)
    part = ink[: size[0] - at[0], : size[1] - at[1]]
    sheet[at[0] : at[0] + part.shape[0], at[1] : at[1] + part.shape[1]] = part
    return sheet


# --- Paper, pen and light, float 0–255 (height, width, 3) ---------------------------------------------------------


def drawn(ink: np.ndarray, paper: tuple[int, ...] = PAPER, pen: tuple[int, ...] = BLUE) -> np.ndarray:
    return paper * (1 - ink[..., None]) + np.asarray(pen) * ink[..., None]


def plain(ink: np.ndarray) -> np.ndarray:
    return drawn(ink, WHITE, BLACK)


def shaded(picture: np.ndarray) -> np.ndarray:
    """A hand's shadow across it, and light from one side."""
    down, right = np.mgrid[0 : 1 : picture.shape[0] * 1j, 0 : 1 : picture.shape[1] * 1j]
    shadow = 1 - 0.5 / (1 + np.exp(-(right + 0.5 * down - 0.8) * 25))
    return picture * (shadow * (0.7 + 0.3 * down))[..., None]


def sloped(picture: np.ndarray) -> np.ndarray:
    """A lamp beside it."""
    return picture * np.linspace(1, 0.45, picture.shape[1])[None, :, None]


def ruled(ink: np.ndarray, squared: bool = False, pitch: int = 55) -> np.ndarray:
    paper = np.tile(np.asarray(PAPER, float), (*ink.shape, 1))
    paper[20::pitch] = paper[21::pitch] = (150, 175, 215)
    if squared:
        paper[:, 15::pitch] = paper[:, 16::pitch] = (150, 175, 215)
    return paper * (1 - ink[..., None]) + np.asarray(BLUE) * ink[..., None]


def boxed(ink: np.ndarray) -> np.ndarray:
    """In the printed box of a form."""
    picture = plain(ink)
    cv2.rectangle(picture, (4, 4), (picture.shape[1] - 5, picture.shape[0] - 5), (90, 90, 90), 2)
    return picture


def specked(picture: np.ndarray, random: np.random.Generator, count: int = 15, level: int = 80) -> np.ndarray:
    picture = np.ascontiguousarray(picture)
    size = max(1, round(max(picture.shape) / 250)) if level else 0
    for _ in range(count):
        at = random.integers(0, picture.shape[1]), random.integers(0, picture.shape[0])
        cv2.circle(picture, tuple(map(int, at)), size, (level,) * 3, -1)
    return picture


def bordered(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The black beside the sheet, that a scanner's lid leaves: at one to four of the edges."""
    picture = picture.copy()
    edges = random.integers(1, 16)
    for edge in range(4):
        if edges >> edge & 1:
            width = max(1, round(picture.shape[0] * random.uniform(0.01, 0.06)))
            turned = np.rot90(picture, edge)
            turned[:width] = 20
    return picture


def on_a_desk(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The whole sheet, with the dark wood around it."""
    edge = round(0.12 * max(picture.shape))
    whole = cv2.copyMakeBorder(picture, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=(70, 50, 40))
    return rotated(whole, random.uniform(-4, 4), (70, 50, 40))


def textured(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Rough paper."""
    grain = cv2.GaussianBlur(random.normal(0, 1, picture.shape[:2]), (0, 0), 3)
    return picture + (12 / grain.std() * grain)[..., None]


def vignetted(picture: np.ndarray) -> np.ndarray:
    """The corners darker than the middle, as of a cheap lens."""
    down, right = np.mgrid[-1 : 1 : picture.shape[0] * 1j, -1 : 1 : picture.shape[1] * 1j]
    return picture * (1 - 0.35 * (down**2 + right**2))[..., None].clip(0.2)


def noisy(picture: np.ndarray, random: np.random.Generator, sigma: float = 6) -> np.ndarray:
    return picture + random.normal(0, sigma, picture.shape)


def blurred(picture: np.ndarray, share: float) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), share * max(picture.shape))


def sharpened(picture: np.ndarray) -> np.ndarray:
    return picture + 2 * (picture - blurred(picture, 0.01))


def rotated(picture: np.ndarray, degrees: float, fill: tuple[int, ...] = WHITE) -> np.ndarray:
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    return cv2.warpAffine(picture, turn, (width, height), borderValue=fill)


# --- Files --------------------------------------------------------------------------------------------------------


def pixels(picture: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(picture, 0, 255)).astype(np.uint8)


def as_file(picture: np.ndarray | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(pixels(picture))
    image.save(file, kind, **options)
    return file.getvalue()


def gray(ink: np.ndarray) -> bytes:
    return as_file(255 * (1 - ink))


def binarised(ink: np.ndarray) -> bytes:
    return as_file(Image.fromarray(pixels(255 * (1 - ink))).convert("1", dither=Image.Dither.NONE))


def in_palette(picture: np.ndarray, colours: int) -> bytes:
    return as_file(Image.fromarray(pixels(picture)).quantize(colours))


def transparent(ink: np.ndarray, pen: tuple[int, ...]) -> bytes:
    layers = np.zeros((*ink.shape, 4), np.uint8)
    layers[..., :3] = pen
    layers[..., 3] = np.rint(255 * ink)
    return as_file(Image.fromarray(layers))


def photo(picture: np.ndarray, random: np.random.Generator, quality: int = 80) -> bytes:
    return as_file(noisy(picture, random), "JPEG", quality=quality)


SIDES = (20, 28, 40, 64, 112, 200, 400, 900)


def sized() -> dict[str, Way]:
    """MNIST's own image, enlarged as a program does."""
    ways: dict[str, Way] = {}
    for side in SIDES:
        ways[f"gray, tight, {side}"] = lambda digit, random, side=side: gray(scaled(digit, side))
        ways[f"gray, margin, {side}"] = lambda digit, random, side=side: gray(margin(scaled(digit, side), 0.5))
        ways[f"binarised, tight, {side}"] = lambda digit, random, side=side: binarised(scaled(digit, side))
        ways[f"binarised, margin, {side}"] = lambda digit, random, side=side: binarised(
            margin(scaled(digit, side), 0.5)
        )
    ways["gray, tight, 2000"] = lambda digit, random: gray(scaled(digit, 2000))
    return ways


PENS = {"2 %": 0.02, "5 %": 0.05, "10 %": 0.1, "15 %": 0.15, "20 %": 0.2, "25 %": 0.25}

WAYS: dict[str, Way] = {
    "black on white": lambda digit, random: as_file(plain(laid(strokes(digit)))),
    "white on black": lambda digit, random: as_file(drawn(laid(strokes(digit)), BLACK, WHITE)),
    "blue on cream": lambda digit, random: as_file(drawn(laid(strokes(digit)))),
    "red on yellow": lambda digit, random: as_file(drawn(laid(strokes(digit)), (240, 220, 90), (190, 30, 40))),
    "yellow on a blackboard": lambda digit, random: as_file(drawn(laid(strokes(digit)), (30, 60, 50), (240, 220, 120))),
    "green on red, equally bright": lambda digit, random: as_file(
        drawn(laid(strokes(digit)), (200, 90, 90), (60, 150, 60))
    ),
    "pencil": lambda digit, random: as_file(noisy(drawn(laid(strokes(digit)), PAPER, (150, 150, 150)), random)),
    "faint": lambda digit, random: as_file(drawn(laid(strokes(digit)), (250,) * 3, (225,) * 3)),
    "palette of 4": lambda digit, random: in_palette(plain(laid(strokes(digit))), 4),
    "palette of 16, 28 px": lambda digit, random: in_palette(plain(scaled(digit, 28)), 16),
    "JPEG q30": lambda digit, random: as_file(plain(laid(strokes(digit))), "JPEG", quality=30),
    "JPEG q30, 64 px": lambda digit, random: as_file(plain(scaled(digit, 64)), "JPEG", quality=30),
    "blurred": lambda digit, random: as_file(blurred(plain(margin(strokes(digit), 0.2)), 0.025)),
    "sharpened": lambda digit, random: as_file(sharpened(plain(margin(scaled(digit, 200), 0.1)))),
    "noisy": lambda digit, random: as_file(noisy(plain(laid(strokes(digit))), random, 30)),
    "noisy, 28 px": lambda digit, random: as_file(noisy(plain(scaled(digit, 28)), random, 20)),
    "transparent, dark": lambda digit, random: transparent(laid(strokes(digit)), BLACK),
    "transparent, bright": lambda digit, random: transparent(laid(strokes(digit)), WHITE),
    "transparent, blue, 28 px": lambda digit, random: transparent(scaled(digit, 28), BLUE),
    "cropped to the ink, gray": lambda digit, random: gray(cropped(scaled(digit, 100))),
    "cropped to the ink, binarised": lambda digit, random: binarised(cropped(scaled(digit, 100), 0.5)),
    "cropped to the ink, light on dark": lambda digit, random: as_file(255 * cropped(scaled(digit, 100))),
    "margin 200 %": lambda digit, random: as_file(plain(margin(strokes(digit), 2))),
    "in a corner": lambda digit, random: as_file(drawn(laid(strokes(digit), at=(5, 8)))),
    "far away": lambda digit, random: photo(drawn(laid(strokes(digit, 96), (1_100, 1_500), (700, 900))), random),
    "very far away": lambda digit, random: photo(drawn(laid(strokes(digit, 48), (1_100, 1_500), (700, 900))), random),
    "filling the picture": lambda digit, random: as_file(drawn(np.pad(strokes(digit), 12))),
    "in a hand's shadow": lambda digit, random: photo(shaded(drawn(laid(strokes(digit)))), random),
    "light from one side": lambda digit, random: photo(sloped(drawn(laid(strokes(digit)))), random),
    "light from one side, filling": lambda digit, random: photo(sloped(drawn(margin(strokes(digit), 0.1))), random),
    "ruled paper": lambda digit, random: photo(ruled(laid(strokes(digit))), random),
    "ruled paper, a crop": lambda digit, random: photo(ruled(margin(strokes(digit), 0.15), pitch=80), random),
    "squared paper": lambda digit, random: photo(ruled(laid(strokes(digit)), squared=True), random),
    "ruled paper in a shadow": lambda digit, random: photo(shaded(ruled(laid(strokes(digit)))), random),
    "ruled paper, tilted": lambda digit, random: photo(
        rotated(ruled(laid(strokes(digit))), random.uniform(-7, 7), PAPER), random
    ),
    "ballpoint on squared paper": lambda digit, random: photo(
        ruled(laid(penned(digit, 0.05, 160)), squared=True, pitch=40), random
    ),
    "pencil on ruled paper, light from one side": lambda digit, random: photo(
        sloped(np.minimum(ruled(laid(strokes(digit) * 0)), drawn(laid(strokes(digit)), WHITE, (110, 110, 110)))), random
    ),
    "sheet on a desk": lambda digit, random: photo(on_a_desk(drawn(laid(strokes(digit))), random), random),
    "rough paper": lambda digit, random: photo(textured(drawn(laid(strokes(digit))), random), random),
    "dark corners": lambda digit, random: photo(vignetted(drawn(laid(strokes(digit)))), random),
    "chalk, dark corners": lambda digit, random: photo(
        vignetted(drawn(laid(strokes(digit)), (40, 60, 50), (220, 220, 210))), random
    ),
    "in a form's box": lambda digit, random: as_file(boxed(margin(strokes(digit), 0.25))),
    "specks": lambda digit, random: photo(specked(drawn(laid(strokes(digit))), random), random),
    "pencil, black specks": lambda digit, random: photo(
        specked(drawn(laid(strokes(digit)), PAPER, (185, 185, 185)), random, 6, 0), random
    ),
    "scan with a black border": lambda digit, random: as_file(bordered(plain(laid(strokes(digit))), random)),
    "scan with border and specks, binarised": lambda digit, random: as_file(
        Image.fromarray(pixels(specked(bordered(plain(laid(strokes(digit))), random), random))).convert("1")
    ),
    "rotated by up to 15°": lambda digit, random: as_file(
        rotated(plain(laid(strokes(digit))), random.uniform(-15, 15))
    ),
    **{
        f"pen of {name} of the height": lambda digit, random, share=share: gray(margin(penned(digit, share), 0.3))
        for name, share in PENS.items()
    },
    "pen of one pixel, 28 px": lambda digit, random: binarised(margin(penned(digit, 0.04, 24), 0.1)),
}


def fonts() -> list[Path]:
    """Return the text fonts that matplotlib brings."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    kinds = ("DejaVu", "STIXGeneral", "cmr", "cmss", "cmb1", "cmtt")
    return sorted(font for font in folder.glob("*.ttf") if font.stem.startswith(kinds) and "Display" not in font.stem)


def by_matplotlib(random: np.random.Generator, count: int) -> list[tuple[bytes, int]]:
    """Draw digits in the fonts that matplotlib brings, antialiased."""
    faces = fonts()
    return [typed(faces[at % len(faces)], int(random.integers(10)), random) for at in range(count)]


def by_pillow(random: np.random.Generator, count: int) -> list[tuple[bytes, int]]:
    return [typed(None, int(random.integers(10)), random) for _ in range(count)]


def typed(font: Path | None, digit: int, random: np.random.Generator) -> tuple[bytes, int]:
    size = int(random.integers(24, 200))
    return as_file(text(str(digit), font, size)), digit


def text(words: str, font: Path | None, size: int) -> Image.Image:
    face = ImageFont.truetype(str(font), size) if font else ImageFont.load_default(size)
    left, top, right, bottom = face.getbbox(words)
    edge = size // 4
    picture = Image.new("L", (int(right - left) + 2 * edge, int(bottom - top) + 2 * edge), 255)
    ImageDraw.Draw(picture).text((edge - left, edge - top), words, 0, face)
    return picture
