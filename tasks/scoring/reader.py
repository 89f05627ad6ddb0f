"""A reader of single pictures, for a page that shows an answer while somebody draws. Imports no TensorFlow."""

import io
from dataclasses import dataclass

import numpy as np

from tasks.judging.familiarity import Familiarity
from tasks.judging.statistics import softmax
from tasks.models.packaged import FAMILIAR, FLOAT32, PackageMetrics, models_of
from tasks.models.scorer import Scorer
from tasks.pictures.files import opened
from tasks.pictures.reading import digit_of
from tasks.scoring.shards import ODD, STRANGE
from tasks.store import Artifact


@dataclass(frozen=True)
class Reading:
    """An answer to a picture.

    image: what the model sees, uint8 (28, 28). probabilities: calibrated, float32 (10,), of an empty picture as well.
    doubt: why it may be no digit, if so. refused: whether the picture gets no answer, for that reason.
    """

    image: np.ndarray
    probabilities: np.ndarray
    doubt: str | None
    refused: bool

    @property
    def label(self) -> int | None:
        """The answer; None where there is none."""
        return None if self.refused else int(self.probabilities.argmax())


class Reader:
    """The main model of a package at work, in float32, so that it answers alike on every machine. For one thread."""

    def __init__(self, package: Artifact) -> None:
        """Load it. Raises: StoreError if a file is not what was packaged."""
        models = models_of(package, FLOAT32, cascade=False)
        self._scorer = Scorer(models.main, threads=1, temperature=models.temperature)
        self._familiar = Familiarity.of_bytes(package.file(FAMILIAR).read_bytes())
        self._limits = package.measured(PackageMetrics).limits

    def read(self, picture: bytes) -> Reading:
        """Read the digit in a picture's file. Raises: DataError for what is no picture, damaged or too large."""
        seen = digit_of(opened(io.BytesIO(picture), "the picture"))
        return self.answer(seen.image, seen.reason)

    def answer(self, image: np.ndarray, doubt: str | None = None) -> Reading:
        """Answer an image, uint8 (28, 28). doubt: why it is no digit, where that is known."""
        logits = self._scorer.logits(image[None])
        strangeness = self._familiar.strangeness(image[None], logits)[0]
        if not doubt and strangeness > self._limits.review:
            doubt = STRANGE if strangeness > self._limits.refuse else ODD
        return Reading(image, softmax(logits)[0], doubt, doubt not in (None, ODD))
