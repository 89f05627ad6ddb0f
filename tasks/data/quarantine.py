"""The rows that are not digits, or must not be learned from: one Parquet file, a row a line, with the reason."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

# row: of the source file, counted from 1. column: null where the whole row is meant.
SCHEMA = pa.schema(
    [
        ("part", pa.string()),
        ("row", pa.int32()),
        ("column", pa.string()),
        ("rule", pa.string()),
        ("expected", pa.string()),
        ("received", pa.string()),
    ]
)


def write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows, mappings with the columns of SCHEMA."""
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows], SCHEMA), path)


def read(path: Path) -> list[dict[str, Any]]:
    """Read all rows, with None for what a row has not."""
    return pq.read_table(path).to_pylist()


def ids(path: Path, split: str) -> np.ndarray:
    """Read the numbers of the rows of a split that are to be left out, int32."""
    return pq.read_table(path, filters=[("part", "=", split)])["row"].to_numpy()
