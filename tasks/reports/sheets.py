"""Contact sheets: many small pictures on one, each with its name and a line beneath, for a person to look through."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

TILE = 84  # pixels a side; three times those of a digit
LINE = 15
GAP = 10
WIDTH = 1_200
GROUND, INK, FAINT, ALERT = (255, 255, 255), (40, 40, 40), (130, 130, 130), (190, 30, 30)


@dataclass(frozen=True)
class Tile:
    """Pictures that belong together, side by side, and what is said of them.

    pictures: uint8, (height, width) or (height, width, 3). alert: whether the line is to catch the eye.
    """

    pictures: Sequence[np.ndarray]
    name: str
    line: str
    alert: bool = False


def write(file: Path | BinaryIO, tiles: Sequence[Tile]) -> None:
    """Draw the tiles, in rows, as a PNG."""
    from PIL import Image, ImageDraw, ImageFont

    width = max(len(tile.pictures) for tile in tiles) * (TILE + 4) + GAP
    width = max(width, 2 * TILE)  # for the line
    across = max(1, (WIDTH - GAP) // width)
    down = -(-len(tiles) // across)
    height = TILE + 2 * LINE + GAP
    sheet = Image.new("RGB", (min(across, len(tiles)) * width + GAP, down * height + GAP), GROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for number, tile in enumerate(tiles):
        left, top = GAP + number % across * width, GAP + number // across * height
        for place, picture in enumerate(tile.pictures):
            shown = _fitted(Image.fromarray(picture).convert("RGB"))
            box = left + place * (TILE + 4) + (TILE - shown.width) // 2, top + (TILE - shown.height) // 2
            sheet.paste(shown, box)
            frame = box[0] - 1, box[1] - 1, box[0] + shown.width, box[1] + shown.height
            draw.rectangle(frame, outline=FAINT)
        for number, (text, colour) in enumerate([(tile.line, ALERT if tile.alert else INK), (tile.name, FAINT)]):
            while text and draw.textlength(text, font) > width - GAP:
                text = f"{text.removesuffix('…')[:-1]}…"
            draw.text((left, top + TILE + 2 + number * LINE), text, colour, font)
    sheet.save(file, "PNG")


def _fitted(picture: "Image.Image") -> "Image.Image":
    """Into the tile, its aspect kept; a digit's own 28 pixels stay pixels."""
    from PIL import Image

    scale = TILE / max(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, Image.Resampling.NEAREST if scale > 2 else Image.Resampling.LANCZOS)
