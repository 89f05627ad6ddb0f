"""A model's answers, a row for each image: to any digits its scores, to labelled ones the truth as well."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.data.digits import CLASSES, Digits

# confidence: the probability of `label`.
SCORES = pa.schema(
    [
        ("id", pa.int32()),
        ("label", pa.uint8()),
        ("confidence", pa.float32()),
        ("probabilities", pa.list_(pa.float32(), CLASSES)),
    ]
)
SCHEMA = SCORES.insert(1, pa.field("truth", pa.uint8()))


@dataclass(frozen=True)
class Answers:
    """A model's answers to n labelled digits, in their order, for comparing models image by image and for calibration.

    ids: int32 (n,), as in `Digits`. truth: uint8 (n,), the right digit, 0–9.
    probabilities: float32 (n, 10), each row adding up to 1.
    """

    ids: np.ndarray
    truth: np.ndarray
    probabilities: np.ndarray

    @classmethod
    def to(cls, labelled: Digits, probabilities: np.ndarray) -> "Answers":
        """Return the answers to digits with labels.

        probabilities: float32 (n, 10); need not add up to 1, as those of ten sigmoids do not.
        Raises: DataError if the digits have no labels.
        """
        # In float32 even the rows of a softmax add up to 1 only nearly.
        exact = probabilities.astype(float)
        shares = (exact / exact.sum(axis=1, keepdims=True)).astype(np.float32)
        return cls(labelled.ids, labelled.known_labels, shares)

    @property
    def labels(self) -> np.ndarray:
        """The answers themselves: uint8 (n,), 0–9."""
        return _labels(self.probabilities)

    @property
    def right(self) -> np.ndarray:
        """Right or wrong, for each answer: bool (n,)."""
        return self.labels == self.truth


def _labels(probabilities: np.ndarray) -> np.ndarray:
    return probabilities.argmax(axis=1).astype(np.uint8)


def scores(ids: np.ndarray, probabilities: np.ndarray) -> pa.Table:
    """Return a table of SCORES, from int32 (n,) and float32 (n, 10)."""
    nested = pa.FixedSizeListArray.from_arrays(pa.array(probabilities.ravel()), CLASSES)
    return pa.table([ids, _labels(probabilities), probabilities.max(axis=1), nested], schema=SCORES)


def write(path: Path, answers: Answers) -> None:
    """Write answers as a Parquet file of SCHEMA."""
    table = scores(answers.ids, answers.probabilities)
    table = table.add_column(1, SCHEMA.field("truth"), pa.array(answers.truth))
    pq.write_table(table, path, compression="zstd")


def read(path: Path) -> Answers:
    """Return the answers of a file that `write` wrote. Raises: OSError, pyarrow.ArrowException."""
    table = pq.read_table(path, columns=["id", "truth", "probabilities"])
    probabilities = table["probabilities"].combine_chunks().flatten().to_numpy()
    return Answers(table["id"].to_numpy(), table["truth"].to_numpy(), probabilities.reshape(-1, CLASSES))
