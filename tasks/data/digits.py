"""The one definition of a digit, in memory and in Parquet.

An image is uint8, 28 × 28, ink bright on a dark ground, 0–255: what MNIST calls a digit. Every source is turned into
it once; training and scoring read it through `read` and `batches`. Networks scale to 0–1 themselves.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.data.addresses import for_arrow
from tasks.errors import DataError, StoreError

SIDE = 28
PIXELS = SIDE * SIDE
CLASSES = 10
PIXEL_COLUMNS = tuple(f"pixel{index}" for index in range(PIXELS))

# One fixed_size_binary column writes and reads about ten times faster than 784 columns of one pixel each.
SCHEMA = pa.schema([("id", pa.int32()), ("label", pa.uint8()), ("image", pa.binary(PIXELS))])
METADATA = {
    "digitflow.shape": f"{SIDE}x{SIDE}",
    "digitflow.dtype": "uint8",
    "digitflow.scale": "1/255",
    "digitflow.ink": "bright on dark, 0-255",
    "digitflow.classes": str(CLASSES),
}
ROW_GROUP = 10_000
# A page is unpacked as a whole, and may be as large as its row group. Digits shrink to a fifth.
HUGE, RATIO = 256_000_000, 100  # bytes of a row group; times what it is packed to


@dataclass(frozen=True)
class Digits:
    """Some digits in memory.

    ids: int32 (n,), the row of the source file that an image came from, counted from 1.
    images: uint8 (n, 28, 28), 0–255; may be read-only.
    labels: uint8 (n,), 0–9; None where the labels are not known.
    """

    ids: np.ndarray
    images: np.ndarray
    labels: np.ndarray | None

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: np.ndarray | slice) -> "Digits":
        labels = None if self.labels is None else self.labels[rows]
        return Digits(self.ids[rows], self.images[rows], labels)

    @property
    def known_labels(self) -> np.ndarray:
        """The labels, where they are known. Raises: DataError where they are not."""
        if self.labels is None:
            raise DataError("these digits have no labels", expected="a label for every image")
        return self.labels


def to_table(digits: Digits) -> pa.Table:
    """Return an Arrow table of SCHEMA over the same memory: no pixel is copied."""
    labels = pa.nulls(len(digits), pa.uint8()) if digits.labels is None else column(digits.labels, pa.uint8())
    columns = [column(digits.ids, pa.int32()), labels, column(digits.images, pa.binary(PIXELS))]
    return pa.table(columns, schema=SCHEMA)


def from_batch(batch: pa.RecordBatch) -> Digits:
    """Return the digits of a record batch of SCHEMA: read-only views of its memory."""
    labels = None if batch.column("label").null_count else view(batch.column("label"), np.uint8)
    images = view(batch.column("image"), np.dtype((np.uint8, (SIDE, SIDE))))
    return Digits(view(batch.column("id"), np.int32), images, labels)


def column(values: np.ndarray, dtype: pa.DataType, missing: np.ndarray | None = None) -> pa.Array:
    """Return an Arrow array over the memory of one of NumPy; missing: bool (n,), where it has no value.

    pyarrow's own conversion imports pandas, which costs more than reading a file does.
    """
    known = None if missing is None else pa.py_buffer(np.packbits(~missing, bitorder="little"))
    content = np.packbits(values, bitorder="little") if values.dtype == bool else np.ascontiguousarray(values)
    return pa.Array.from_buffers(dtype, len(values), [known, pa.py_buffer(content)])


def view(column: pa.Array, dtype: Any) -> np.ndarray:
    """Return an Arrow array that has a value in every row, of numbers or fixed-size binaries, as NumPy's, uncopied."""
    dtype = np.dtype(dtype)
    return np.frombuffer(column.buffers()[1], dtype, len(column), column.offset * dtype.itemsize)


def texts(values: Sequence[str | None]) -> pa.Array:
    """Return an Arrow array of strings, made as in `column`; bytes of a name that are no text become escapes."""
    encoded = [(value or "").encode(errors="backslashreplace") for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    known = np.packbits(np.array([value is not None for value in values], bool), bitorder="little")
    return pa.StringArray.from_buffers(
        len(values), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)), pa.py_buffer(known)
    )


class Writer:
    """Parquet file of digits, written batch by batch. A context manager; holds at most one row group in memory."""

    def __init__(self, path: Path, about: Mapping[str, str] | None = None) -> None:
        """about: where the digits came from, kept in the schema's metadata."""
        metadata = METADATA | {f"digitflow.{name}": value for name, value in (about or {}).items()}
        self.rows = 0
        self._pending: list[Digits] = []
        self._writer = pq.ParquetWriter(
            path, SCHEMA.with_metadata(metadata), compression="zstd", use_dictionary=["label"]
        )

    def write(self, digits: Digits) -> None:
        self.rows += len(digits)
        self._pending.append(digits)
        if sum(map(len, self._pending)) >= ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            table = pa.concat_tables(to_table(digits) for digits in self._pending)
            self._writer.write_table(table, row_group_size=ROW_GROUP)
            self._pending = []

    def __enter__(self) -> "Writer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._flush()
        self._writer.close()


def write(path: Path, digits: Digits, about: Mapping[str, str] | None = None) -> None:
    """Write digits that are in memory."""
    with Writer(path, about) as writer:
        writer.write(digits)


def batches(path: Path, rows: int = 2_000, first: int = 0) -> Iterator[Digits]:
    """Yield the digits of a Parquet file of this project, at most `rows` at a time.

    first: how many digits at the file's beginning are left out.
    Raises: DataError if the file is not Parquet, has another schema or a value too few, also a label in a batch.
    """
    try:
        with pq.ParquetFile(**for_arrow(path)) as file:
            if not file.schema_arrow.equals(SCHEMA):
                raise DataError(
                    "the columns are not those of a digit file",
                    file=path.name,
                    expected="id: int32, label: uint8, image: fixed_size_binary[784]",
                    received=", ".join(f"{field.name}: {field.type}" for field in file.schema_arrow)[:200],
                    remedy="give a Parquet file that this project wrote, or a CSV",
                )
            _refuse_bomb(file.metadata, path)
            groups, inside = _groups_from(file.metadata, first)
            row = first + 1
            for batch in file.iter_batches(rows, row_groups=groups, use_threads=False):
                if inside < len(batch):
                    wanted = batch.slice(inside)
                    _refuse_missing(wanted, row, path)
                    yield from_batch(wanted)
                    row += len(wanted)
                inside = max(0, inside - len(batch))
    except (pa.ArrowException, OSError) as error:
        # An error of the system has a number: the disk may be well again in a moment.
        kind = StoreError if getattr(error, "errno", None) else DataError
        raise kind(
            "the Parquet file cannot be read",
            file=path.name,
            expected="a Parquet file that this project wrote",
            received=str(error),
            remedy="check the disk, or write the file again",
        ) from error


def _refuse_bomb(metadata: pq.FileMetaData, path: Path) -> None:
    """Refuse a file that could fill the memory, or go on for ever as its row groups lie over one another.

    Raises: DataError.
    """
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    claimed = 0
    for group in groups:
        packed = sum(group.column(index).total_compressed_size for index in range(len(SCHEMA)))
        if group.total_byte_size > max(HUGE, RATIO * packed):
            raise DataError(
                "a row group of the Parquet file unpacks to more than digits do",
                file=path.name,
                expected=f"at most {RATIO} times its {packed:,} bytes",
                received=f"{group.total_byte_size:,} bytes",
                remedy="write the file again, in row groups of 10,000 rows",
            )
        claimed += packed
    if claimed > (size := path.stat().st_size):
        raise DataError(
            "the Parquet file says that it holds more than it does",
            file=path.name,
            expected=f"at most {size:,} bytes",
            received=f"{claimed:,} bytes",
            remedy="copy it or write it again",
        )


def _refuse_missing(batch: pa.RecordBatch, row: int, path: Path) -> None:
    """Refuse rows, the first of them number `row`, of which one has no id or image, or only some have a label."""
    for name in batch.schema.names:
        values = batch.column(name)
        if values.null_count in ((0, len(values)) if name == "label" else (0,)):
            continue
        missing = values.is_null().to_pylist()  # to_numpy would import pandas
        if name == "label":
            odd = missing.index(not missing[0])
            raise mixed_labels(path.name, row + odd, "without" if missing[odd] else "with one")
        raise DataError(
            "a value is missing",
            file=path.name,
            row=row + missing.index(True),
            column=name,
            expected="one in every row",
            received="null",
            remedy="write the file again",
        )


def mixed_labels(file: str, row: int, received: str) -> DataError:
    """Return the error for a row that is the first with a label, or the first `without`."""
    return DataError(
        "some digits have labels and some have none",
        file=file,
        row=row,
        column="label",
        expected="all or none",
        received=f"a row {received}",
        remedy="separate them",
    )


def _groups_from(metadata: pq.FileMetaData, first: int) -> tuple[list[int], int]:
    """Return the row groups from that of row `first` on, and how many rows of the first group lie before it."""
    groups = list(range(metadata.num_row_groups))
    while groups and first >= (rows := metadata.row_group(groups[0]).num_rows):
        first -= rows
        del groups[0]
    return groups, first


def about(path: Path) -> dict[str, str]:
    """Read what the file's metadata say of where its digits came from."""
    metadata = pq.read_schema(path).metadata or {}
    return {
        key.decode().removeprefix("digitflow."): value.decode()
        for key, value in metadata.items()
        if key.startswith(b"digitflow.")
    }


def concatenate(batches: Iterable[Digits]) -> Digits:
    """Return all batches as one; labels are None unless every batch has them."""
    batches = list(batches)
    if not batches:
        return Digits(np.empty(0, np.int32), np.empty((0, SIDE, SIDE), np.uint8), np.empty(0, np.uint8))
    labels = [batch.labels for batch in batches if batch.labels is not None]
    return Digits(
        np.concatenate([batch.ids for batch in batches]),
        np.concatenate([batch.images for batch in batches]),
        np.concatenate(labels) if len(labels) == len(batches) else None,
    )


def read(path: Path) -> Digits:
    """Read all digits of a Parquet file of this project. Raises: as `batches`."""
    return concatenate(batches(path))


def read_labelled(path: Path | None) -> Digits | None:
    """Return all digits of a file, if there is one and every digit in it has a label. Raises: as `batches`."""
    digits = read(path) if path else None
    return digits if digits is not None and digits.labels is not None else None


def fingerprints(images: np.ndarray, key: bytes = b"") -> np.ndarray:
    """Return for each image a number that only the very same image has; uint8 (n, 28, 28) to uint64 (n,).

    key: with another one, of up to 64 bytes, the same images have other numbers.
    The first 64 bits of BLAKE2b: among a million images, two different ones share it once in 37 million trials.
    """
    digests = (hashlib.blake2b(image, digest_size=8, key=key).digest() for image in np.ascontiguousarray(images))
    return np.frombuffer(b"".join(digests), np.uint64)
