"""Pictures from people: opened with suspicion, turned upright, laid on paper, as RGB."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from tasks.errors import DataError
from tasks.silence import silence

if TYPE_CHECKING:
    from PIL import Image

# Pillow knows forty formats more; what nobody photographs with only widens what a hostile file can reach.
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
# More than the usual camera makes; decoded it fills 400 MB. A bomb of a few kB would fill the memory.
MOST_PIXELS = 100_000_000
MOST_OF_WEBP = 30_000_000  # whose decoder holds four copies
ENOUGH = 1_500  # pixels of the longer side; no digit needs more
STRIP = 64  # rows of the reduced picture
MEAN = 127


def opened(file: BinaryIO, name: str) -> np.ndarray:
    """Return a picture's pixels, uint8 (height, width, 3), upright by its EXIF.

    name: what messages call it.
    Raises: DataError for what is no picture, damaged, too large, or animated.
    """
    from PIL import Image, ImageOps

    with _explained(name), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of bombs, which are refused below, and of odd metadata
        with Image.open(file, formats=FORMATS) as picture:
            _refuse_hostile(picture, name)
            picture.draft(None, (ENOUGH, ENOUGH))  # JPEG is reduced while it is decoded
            drawn = _on_paper(_eight_bits(ImageOps.exif_transpose(_reduced(picture))))
            drawn.thumbnail((ENOUGH, ENOUGH))
            return np.asarray(drawn)


@contextlib.contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn what Pillow raises of other or damaged content into a DataError."""
    from PIL import Image, UnidentifiedImageError

    try:
        yield
    except UnidentifiedImageError as error:
        raise _refusal(name, "it is no picture", "PNG, JPEG, TIFF, BMP or WebP", "other content") from error
    except Image.DecompressionBombError as error:
        raise _too_large(name, "more") from error
    # Besides OSError, its decoders raise all these of damaged files.
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, KeyError, MemoryError) as error:
        raise _refusal(name, "the picture is damaged", "a whole picture", str(error) or "less") from error


def _refuse_hostile(picture: "Image.Image", name: str) -> None:
    """Refuse what could do harm before anything of it is decoded. Raises: DataError."""
    most = MOST_OF_WEBP if picture.format == "WEBP" else MOST_PIXELS
    if picture.width * picture.height > most:
        raise _too_large(name, f"{picture.width:,} × {picture.height:,}", most)
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format != "MPO":  # a phone's JPEG, whose second view is the same digit
        raise _refusal(name, "the picture is animated, or has pages", "one picture", f"{frames} pictures")


def _too_large(name: str, received: str, most: int = MOST_PIXELS) -> DataError:
    return _refusal(name, "the picture is too large", f"at most {most // 1_000_000} million pixels", received)


def _refusal(name: str, what: str, expected: str, received: str) -> DataError:
    return DataError(what, file=name, expected=expected, received=received, remedy="save it anew, or take it out")


def _reduced(picture: "Image.Image") -> "Image.Image":
    """Return a large picture with less than twice ENOUGH pixels on its longer side, its EXIF with it.

    Strip by strip: converted as a whole, it would fill the memory several times.
    """
    from PIL import Image

    with silence() if picture.format == "TIFF" else contextlib.nullcontext():  # libtiff speaks of damage by itself
        picture.load()
    factor = max(picture.size) // ENOUGH
    if factor < 2:
        return picture
    strips = []
    for top in range(0, picture.height, STRIP * factor):
        strip = picture.crop((0, top, picture.width, min(top + STRIP * factor, picture.height)))
        if strip.has_transparency_data or strip.mode in ("1", "P"):
            strip = strip.convert("RGBA")
        elif strip.mode.startswith("I"):
            strip = strip.convert("I")
        strips.append(strip.reduce(factor))
    reduced = Image.new(strips[0].mode, (strips[0].width, sum(strip.height for strip in strips)))
    for number, strip in enumerate(strips):
        reduced.paste(strip, (0, STRIP * number))
    reduced.info = picture.info
    return reduced


def _eight_bits(picture: "Image.Image") -> "Image.Image":
    """Return a picture of 16 or 32 bits, which has one channel, scaled by its brightest, as scanners fill 10 to 16."""
    from PIL import Image

    if not picture.mode.startswith(("I", "F")):
        return picture
    values = np.nan_to_num(np.asarray(picture, np.float64), posinf=0).clip(0)
    return Image.fromarray(np.rint(values * (255 / (values.max() or 1))).astype(np.uint8))


def _on_paper(picture: "Image.Image") -> "Image.Image":
    """Return a picture whose transparent part is white under dark ink, and black under bright."""
    from PIL import Image

    if not picture.has_transparency_data:
        return picture.convert("RGB")
    drawn = picture.convert("RGBA")
    alpha = np.asarray(drawn)[..., 3]
    if not alpha.any():  # programs that know of no transparency leave it so
        return drawn.convert("RGB")
    brightness = np.average(np.asarray(drawn)[..., :3].mean(axis=2), weights=alpha)
    paper = Image.new("RGBA", drawn.size, "white" if brightness <= MEAN else "black")
    paper.alpha_composite(drawn)
    return paper.convert("RGB")
