"""Odd pictures of every format: a whole one is read as what was drawn."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from tasks.pictures.files import opened
from tasks.pictures.reading import digit_of
from tests.odd_inputs.cases import Case, WrongError

MODES = {
    "PNG": ("1", "L", "RGB", "RGBA", "P", "I;16"),
    "JPEG": ("L", "RGB"),
    "TIFF": ("1", "L", "RGB", "RGBA", "I;16", "F"),
    "BMP": ("1", "L", "RGB", "P"),
    "WEBP": ("RGB", "RGBA"),
}
SAVED: dict[str, tuple[dict[str, Any], ...]] = {
    "PNG": ({}, {"optimize": True}, {"compress_level": 0}),
    "JPEG": ({"quality": 95}, {"quality": 95, "progressive": True}),
    "TIFF": ({}, {"compression": "tiff_lzw"}, {"compression": "tiff_adobe_deflate"}, {"compression": "packbits"}),
    "BMP": ({},),
    "WEBP": ({"lossless": True}, {"quality": 95}),
}


def fuzz_pictures(kind: str) -> Callable[[Case], None]:
    def fuzz(case: Case) -> None:
        width, height = (case.random.choice((1, 2, 28, 61, 100)) for _ in range(2))
        down, along = np.mgrid[:height, :width]
        shade = np.abs(np.sin(down / 9 + case.random.random()) * np.cos(along / 7)) * 200
        mode = case.random.choice(MODES[kind])
        pixels = (shade > 100) * 255 if mode == "1" else np.rint(shade)
        picture = Image.fromarray(pixels.astype(np.uint8)).convert("RGB" if mode == "RGBA" else "L")
        if mode in ("I;16", "F"):
            picture = Image.fromarray(pixels.astype(np.uint16 if mode == "I;16" else np.float32))
            pixels = pixels * 255 / (pixels.max() or 1)
        elif mode != "L":
            picture = picture.convert(mode)
        file = io.BytesIO()
        picture.save(file, kind, **case.random.choice(SAVED[kind]))
        content = case.maybe_mutated(file.getvalue())
        path = case.write(f"7.{kind.lower()}", content)
        with path.open("rb") as stream:
            seen = opened(stream, path.name)
        if seen.dtype != np.uint8 or seen.ndim != 3 or seen.shape[2] != 3 or max(seen.shape) > 1_500:
            raise WrongError(f"no picture: {seen.dtype} {seen.shape}")
        if content == file.getvalue():
            apart = np.abs(seen - pixels[..., None]).mean() if seen.shape[:2] == pixels.shape else 255
            if apart > (4 if kind in ("JPEG", "WEBP") else 0.51):
                raise WrongError(f"{mode} {width} x {height}: {apart:.1f} of 255 apart")
        image = digit_of(seen).image
        if image.shape != (28, 28) or image.dtype != np.uint8:
            raise WrongError(f"no digit: {image.dtype} {image.shape}")

    return fuzz
