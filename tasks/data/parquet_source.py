"""Digits from Parquet files of this project; `digits.py` knows their form."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from tasks.data import digits
from tasks.data.addresses import for_arrow
from tasks.data.digits import Digits
from tasks.data.streams import Probe, explained
from tasks.data.tables import Batch, NotDigitsError, Place, Table, every, row_numbers, sorted_out
from tasks.errors import DataError

MAGIC = b"PAR1"


def table(probe: Probe) -> Table:
    """Return the table of a file.

    Raises: NotDigitsError if it has other columns; DataError if it is packed, or only some digits have labels.
    """
    stream, path = probe.stream, probe.stream.path
    if probe.packed:
        raise DataError(
            "Parquet inside a zip or gzip is not read",
            file=stream.name,
            expected="the Parquet file itself",
            received="it packed",
            remedy="unpack it",
        )
    try:
        with explained(stream.name):
            first = next(digits.batches(path, rows=1), None)
    except DataError as error:
        raise NotDigitsError(str(error)) from error
    labelled = first is None or first.labels is not None
    with explained(path.name), pq.ParquetFile(**for_arrow(path)) as file:
        rows = file.metadata.num_rows
    return Table(
        "parquet",
        stream.name,
        (path,),
        partial(_batches, path, labelled),
        partial(every, rows=rows),
        labelled,
        rows=rows,
    )


def _batches(path: Path, labelled: bool, place: Place) -> Iterator[Batch]:
    row = place.row
    with explained(path.name):
        for batch in digits.batches(path, first=row - 1):
            if (batch.labels is not None) != labelled:
                raise digits.mixed_labels(path.name, row, "without" if labelled else "with one")
            yield sorted_out(Digits(row_numbers(row, len(batch)), batch.images, batch.labels))
            row += len(batch)
