"""The pictures that came in, to look at beside what the model saw of them, as long as they are there unchanged."""

import contextlib
import functools
import io

import numpy as np

from tasks.data.sources import streams_in
from tasks.data.streams import Stream
from tasks.errors import DigitsError
from tasks.reviewing.items import Items
from tasks.scoring import inbox
from tasks.scoring.picture_tables import read_picture
from tasks.scoring.scores import ScoresMetrics
from tasks.store import Artifact

SIDE = 480  # pixels of the longer side, at most, that the page gets
TRIED = 20  # files of the same name, in other folders


class Originals:
    """The pictures of scores. Several threads may ask at once.

    A picture is known by what the model sees of it: read again, it has to give the very image that is in the scores.
    """

    def __init__(self, scores: Artifact, items: Items) -> None:
        self._scores, self._items = scores, items

    def __bool__(self) -> bool:
        return self._scores.kind == "scores" and self._scores.measured(ScoresMetrics).pictures

    @functools.cached_property
    def _streams(self) -> dict[str, list[Stream]]:
        """By the name that a picture came with. Found when the first is asked for: of many that takes a while."""
        streams: dict[str, list[Stream]] = {}
        for name, path in inbox.where_now(self._scores):
            with contextlib.suppress(DigitsError, OSError):
                for stream in streams_in(path):
                    streams.setdefault(stream.base if stream.member else name, []).append(stream)
        return streams

    def of(self, index: int) -> bytes | None:
        """Return the picture that an item came from, as a JPEG file; None where it is gone or another one now."""
        base = str(self._items.ids[index].as_py()).rpartition("/")[2]
        for stream in self._streams.get(base, [])[:TRIED]:
            with contextlib.suppress(DigitsError, OSError):
                pixels, seen = read_picture(stream, stream.name)
                if np.array_equal(seen.image, self._items.images[index]):
                    return _small(pixels)
        return None


def _small(pixels: np.ndarray) -> bytes:
    """Return uint8 (height, width, 3) as a JPEG file of at most SIDE × SIDE."""
    from PIL import Image

    picture, file = Image.fromarray(pixels), io.BytesIO()
    picture.thumbnail((SIDE, SIDE))
    picture.save(file, "JPEG", quality=85)
    return file.getvalue()
