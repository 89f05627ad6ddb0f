"""Any picture of a person is read upright, as colours on paper; what is hostile is refused before it does harm."""

import contextlib
import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.errors import DataError
from tasks.pictures.files import opened


def a_file(picture, kind="PNG", **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    file.seek(0)
    return file


def a_drawing(mode="RGB"):
    """White, with a black corner at the upper left."""
    pixels = np.full((40, 30), 255, np.uint8)
    pixels[:10, :10] = 0
    return Image.fromarray(pixels).convert(mode)


def is_the_drawing(pixels):
    """But for what lossy formats change."""
    return (
        pixels.shape == (40, 30, 3)
        and pixels.dtype == np.uint8
        and pixels[:8, :8].max() < 40
        and pixels[12:].min() > 215
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "WEBP"])
def test_every_format_is_read(kind):
    assert is_the_drawing(opened(a_file(a_drawing(), kind), "7.png"))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA"])
def test_every_kind_of_pixels_is_read(mode):
    assert is_the_drawing(opened(a_file(a_drawing(mode)), "7.png"))


def test_the_colours_of_a_printer_are_read():
    assert is_the_drawing(opened(a_file(a_drawing("CMYK"), "JPEG"), "7.jpg"))


@pytest.mark.parametrize("brightest", [1_023, 4_095, 65_535])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_by_the_brightest(kind, brightest):
    wide = np.asarray(a_drawing("L")).astype(np.uint16) // 255 * brightest
    assert is_the_drawing(opened(a_file(Image.fromarray(wide), kind), "7.png"))


def test_a_float_tiff_is_scaled_by_the_brightest():
    share = np.asarray(a_drawing("L")).astype(np.float32) / 255
    share[30, 20] = np.nan
    pixels = opened(a_file(Image.fromarray(share), "TIFF"), "7.tif").copy()
    assert pixels[30, 20].max() == 0
    pixels[30, 20] = 255
    assert is_the_drawing(pixels)


def test_a_palette_with_a_transparent_colour_is_laid_on_paper():
    indexed = Image.fromarray((np.asarray(a_drawing("L")) // 255).astype(np.uint8), "P")
    indexed.putpalette([0, 0, 0, 120, 200, 120])
    assert is_the_drawing(opened(a_file(indexed, transparency=1), "7.png"))


TURNS = Image.Transpose
# How a camera's turned picture is stored, for each value of EXIF's orientation.
STORED = {
    1: None,
    2: TURNS.FLIP_LEFT_RIGHT,
    3: TURNS.ROTATE_180,
    4: TURNS.FLIP_TOP_BOTTOM,
    5: TURNS.TRANSPOSE,
    6: TURNS.ROTATE_90,
    7: TURNS.TRANSVERSE,
    8: TURNS.ROTATE_270,
}


@pytest.mark.parametrize("orientation", STORED)
def test_a_picture_turned_by_its_camera_is_turned_back(orientation):
    turn = STORED[orientation]
    stored = a_drawing() if turn is None else a_drawing().transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert is_the_drawing(opened(a_file(stored, "JPEG", exif=exif), "7.jpg"))


@pytest.mark.parametrize("alpha", [0, 255])
def test_a_transparency_that_is_the_same_everywhere_says_nothing(alpha):
    drawing = a_drawing("RGBA")
    drawing.putalpha(alpha)
    assert is_the_drawing(opened(a_file(drawing), "7.png"))


@pytest.mark.parametrize(("ink", "paper"), [(0, 255), (255, 0)])
def test_what_is_transparent_is_paper_that_the_ink_can_be_seen_on(ink, paper):
    drawn = np.zeros((20, 20, 4), np.uint8)
    drawn[5:15, 5:15] = (ink, ink, ink, 255)
    pixels = opened(a_file(Image.fromarray(drawn)), "7.png")
    assert (pixels[0, 0] == paper).all()
    assert (pixels[10, 10] == ink).all()


def test_a_large_picture_is_reduced():
    assert max(opened(a_file(Image.new("RGB", (4_000, 3_000), "white"), "JPEG"), "7.jpg").shape) == 1_500


def test_a_picture_of_one_pixel_is_read():
    assert opened(a_file(Image.new("RGB", (1, 1))), "7.png").shape == (1, 1, 3)


def refused(file, name="7_scan.png"):
    with pytest.raises(DataError) as error:
        opened(file, name)
    assert name in str(error.value)
    return str(error.value)


def test_a_text_called_png_is_refused():
    assert "no picture" in refused(io.BytesIO(b"ImageId,Label\n1,7\n"))


def test_an_empty_file_is_refused():
    assert "no picture" in refused(io.BytesIO())


def test_a_format_that_is_not_asked_for_is_refused():
    assert "no picture" in refused(a_file(a_drawing("P"), "GIF"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "WEBP"])
def test_a_truncated_file_is_refused(kind):
    noisy = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8))
    whole = a_file(noisy, kind).getvalue()
    for kept in (0.1, 0.6, 0.95):
        refused(io.BytesIO(whole[: int(len(whole) * kept)]))


def a_png_of(width, height, data=b""):
    """Says of itself that it is so large."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


def test_a_bomb_is_refused_before_it_is_decoded():
    bomb = a_png_of(30_000, 30_000, zlib.compress(bytes(1_000_000)))
    assert "too large" in refused(bomb)


def test_a_picture_larger_than_any_camera_makes_is_refused():
    assert "too large" in refused(a_png_of(11_000, 11_000))


def test_a_webp_that_takes_four_times_its_pixels_is_refused_earlier():
    assert "at most 30 million pixels" in refused(a_file(Image.new("L", (6_000, 5_001)), "WEBP"), "7.webp")


PEAK = r"""
import re, sys
from pathlib import Path
from PIL import Image
from tasks.pictures.files import opened

def peak():
    return int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1]) * 1024

before = peak()
with open(sys.argv[1], "rb") as file:
    opened(file, "a picture")
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process its peak of memory")
@pytest.mark.parametrize(
    ("mode", "kind"), [("RGBA", "PNG"), ("LA", "PNG"), ("P", "PNG"), ("I;16", "PNG"), ("F", "TIFF"), ("RGB", "WEBP")]
)
def test_a_picture_takes_little_more_memory_than_its_pixels_whatever_its_kind(tmp_path, mode, kind):
    """16 bits took 28 bytes a pixel, RGBA 37."""
    picture = Image.new(mode, (4_000, 4_000))
    options = {"compression": "tiff_adobe_deflate"} if kind == "TIFF" else {}
    path = tmp_path / "large"
    path.write_bytes(a_file(picture, kind, **options | ({"transparency": 1} if mode == "P" else {})).getvalue())
    run = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True)
    assert int(run.stdout) < (20 if kind == "WEBP" else 14) * 4_000 * 4_000


@pytest.mark.parametrize("mode", ["L", "RGBA", "I;16", "F", "P", "1"])
def test_a_large_picture_of_any_kind_is_read_as_a_small_one(mode):
    drawn = a_drawing("L").resize((3_000, 4_000), Image.Resampling.NEAREST)
    if mode in ("I;16", "F"):
        drawn = Image.fromarray(np.asarray(drawn).astype(np.uint16 if mode == "I;16" else np.float32))
    exif = Image.Exif()
    exif[0x0112] = 3
    kind = "TIFF" if mode == "F" else "PNG"
    turned = drawn.transpose(TURNS.ROTATE_180).convert(mode)
    pixels = opened(a_file(turned, kind, exif=exif), "7.png")
    assert pixels.shape == (1_500, 1_125, 3)
    assert is_the_drawing(np.asarray(Image.fromarray(pixels).resize((30, 40), Image.Resampling.BOX)))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_an_animation_is_refused(kind):
    pages = [Image.new("RGB", (30, 30), colour) for colour in ("red", "green", "blue")]
    file = a_file(pages[0], kind, save_all=True, append_images=pages[1:])
    assert "3 pictures" in refused(file)


@pytest.mark.parametrize("compression", ["tiff_lzw", "group4", "jpeg"])
def test_a_damaged_tiff_is_a_picture_or_a_line_and_libtiff_says_nothing(compression, capfd):
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (90, 90), np.uint8))
    content = bytearray(
        a_file(noise.convert("1" if compression == "group4" else "L"), "TIFF", compression=compression).read()
    )
    begin, length = (Image.open(io.BytesIO(content)).tag_v2[tag][0] for tag in (273, 279))
    middle = begin + length // 2
    content[middle : middle + 60] = bytes(range(60, 0, -1))
    with contextlib.suppress(DataError):
        opened(io.BytesIO(content), "7.tif")
    assert capfd.readouterr().err == ""


def test_bytes_changed_at_random_give_a_picture_or_a_line():
    random = np.random.default_rng(1)
    for kind in ("PNG", "JPEG", "TIFF", "BMP", "WEBP"):
        whole = np.frombuffer(a_file(a_drawing(), kind).getvalue(), np.uint8)
        for _ in range(40):
            changed = whole.copy()
            changed[random.integers(0, len(whole), 6)] = random.integers(0, 256, 6)
            with contextlib.suppress(DataError):
                assert opened(io.BytesIO(changed.tobytes()), "7.png").dtype == np.uint8
