"""Odd tables: CSV, gzip, zip, IDX and Parquet, with oracles of our own."""

import gzip
import io
import re
import struct
import zipfile
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.data import csv_source
from tasks.data.digits import PIXEL_COLUMNS, PIXELS, Digits
from tasks.data.sources import tables_in
from tasks.errors import DigitsError
from tests import making
from tests.odd_inputs.cases import Case, Rows, WrongError, expect, mutated, read, rows_of

CELLS = b'256|-1|-0|007|0x10|1e2|1_0|+5|5.0| 5 |\t5|"12"|"1"2|""0|" 9 "|\'\'| |nan|9999999999999999999|\xd9\xa3|\xff'


def csv_text(case: Case) -> bytes:
    some = case.digits(15)
    rows = making.csv_rows(some if case.random.random() < 0.7 else making.unlabelled(some))
    order = list(range(len(rows[0])))
    if case.random.random() < 0.3:
        case.random.shuffle(order)
    lines = [[cells[column].encode() for column in order] for cells in rows]
    for _ in range(case.random.choice((0, 0, 1, 5))):
        line = case.random.choice(lines[1:])
        line[case.random.randrange(len(line))] = case.random.choice(CELLS.split(b"|"))
    ends = case.random.choice(([b"\n"], [b"\r\n"], [b"\r"], [b"\n", b"\r\n", b"\r", b"\n\n"]))
    text = b"".join(b",".join(line) + case.random.choice(ends) for line in lines)
    return case.random.choice((b"", b"", b"\xef\xbb\xbf", b"\n")) + text


def csv_rows(text: bytes) -> Rows | None:
    """Read a CSV as plainly as can be: the oracle. None where its first line is not clear, or it is no text."""
    if re.search(rb"[\x00-\x08\x0e-\x1f]", text):
        return None
    text = text.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    names, *lines = [line for line in text.split(b"\n") if line] or [b""]
    columns = [name.strip().decode("utf-8", "replace") for name in names.split(b",")]
    if sorted(set(columns) - {"label"}) != sorted(PIXEL_COLUMNS) or len(columns) > PIXELS + ("label" in columns):
        return None
    rows: Rows = {}
    for row, line in enumerate(lines, start=1):
        cells = [re.fullmatch(rb'[ \t]*("?)[ \t]*([0-9]+)[ \t]*\1[ \t]*', cell) for cell in line.split(b",")]
        values = {name: int(cell[2][-2000:]) for name, cell in zip(columns, cells, strict=False) if cell}
        bounds = {name: 9 if name == "label" else 255 for name in columns}
        whole = len(cells) == len(columns) and values.keys() == bounds.keys()
        if whole and all(values[name] <= bounds[name] for name in columns):
            rows[row] = values.get("label"), bytes(values[name] for name in PIXEL_COLUMNS)
        else:
            rows[row] = None
    return rows


def fuzz_csv(case: Case) -> None:
    text = csv_text(case)
    if case.random.random() < 0.6:
        text = mutated(text, case.random, text=True)
    path = case.write("train.csv", text)
    expected = csv_rows(path.read_bytes())
    block = case.random.choice((12_000, 20_000, csv_source.BLOCK))
    with (
        patch.object(csv_source, "BLOCK", block),
        patch.object(csv_source, "PIECE", case.random.choice((3_000, 1 << 16))),
    ):
        try:
            (table,) = tables_in(path)
            rows = read(table)
        except DigitsError as error:
            if expected and not re.search("too long|first line", str(error)):
                raise WrongError(f"refused: {error}") from error
            raise
        if expected is not None:
            expect(rows, expected)
        for place in table.places(case.random.randint(1, 3)):
            if left := {row: value for row, value in rows.items() if row >= place.row}:
                expect(read(table, place), left)


def fuzz_gzip(case: Case) -> None:
    some = case.digits()
    text = making.csv_text(making.csv_rows(some))
    if case.random.random() < 0.2:  # several in a row, and zeros behind them, are a gzip as well
        cut = case.random.randrange(len(text))
        content = gzip.compress(text[:cut]) + gzip.compress(text[cut:]) + bytes(case.random.choice((0, 7)))
    else:
        content = mutated(gzip.compress(text, case.random.randint(0, 9)), case.random)
    (table,) = tables_in(case.write("train.csv.gz", content))
    expect(read(table), rows_of(some))


def fuzz_zip(case: Case) -> None:
    train, test = case.digits(), making.unlabelled(case.digits())
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", case.random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, some in (("train.csv", train), (case.random.choice(("test.csv", "a/test.csv.gz")), test)):
            text = making.csv_text(making.csv_rows(some))
            archive.writestr(name, gzip.compress(text, 1) if name.endswith("gz") else text)
    for table in tables_in(case.write("digits.zip", case.maybe_mutated(packed.getvalue()))):
        expect(read(table), rows_of(train), rows_of(test))


def fuzz_idx(case: Case) -> None:
    some = case.digits(40)
    images, labels = making.idx_images(some), making.idx_labels(some)
    if case.random.random() < 0.5:
        images = case.maybe_mutated(images)
    else:
        labels = case.maybe_mutated(labels)
    count = max(0, len(labels) - 8)
    headers = struct.pack(">4I", 0x803, count, 28, 28), struct.pack(">2I", 0x801, count)
    whole = (images[:16], labels[:8]) == headers and len(images) == 16 + count * PIXELS and count > 0
    for name, content in (("images-idx3", images), ("labels-idx1", labels)):
        case.write(f"d/train-{name}-ubyte", content)
    try:
        rows, *_ = [read(table) for table in tables_in(case.folder / "d")]
    except DigitsError as error:
        if whole:
            raise WrongError(f"refused: {error}") from error
        raise
    if not whole:
        raise WrongError("a broken pair is read")
    pixels = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28)
    expect(rows, rows_of(Digits(np.arange(count), pixels, np.frombuffer(labels, np.uint8, offset=8))))


def fuzz_parquet(case: Case) -> None:
    some = case.digits(40)
    some.known_labels[case.random.randrange(len(some))] = case.random.choice((3, 200))
    table = to_arrow(some if case.random.random() < 0.8 else making.unlabelled(some))
    broken = case.random.random() < 0.2
    if broken:
        column = case.random.choice(("id", "image") if table["label"].null_count else ("id", "label", "image"))
        values = table[column].to_pylist()
        values[case.random.randrange(len(values))] = None
        broken = column != "label" or len(values) > 1
        table = table.set_column(table.schema.get_field_index(column), column, pa.array(values, table[column].type))
    file = io.BytesIO()
    options: dict[str, Any] = {
        "row_group_size": case.random.randint(1, 50),
        "compression": case.random.choice(("zstd", "snappy", "gzip", "lz4", "none")),
        "data_page_version": case.random.choice(("1.0", "2.0")),
        "use_dictionary": case.random.random() < 0.5,
        "data_page_size": case.random.choice((100, 1 << 20)),
    }
    pq.write_table(table, file, **options)
    whole = file.getvalue()
    path = case.write("train.parquet", case.maybe_mutated(whole))
    untouched = path.read_bytes() == whole
    try:
        (source,) = tables_in(path)
        rows = read(source)
    except DigitsError as error:
        if untouched and not broken:
            raise WrongError(f"refused: {error}") from error
        raise
    if untouched and broken:
        raise WrongError("a missing value is read")
    again = pq.read_table(path, use_threads=False)
    images = np.frombuffer(b"".join(again["image"].to_pylist()), np.uint8).reshape(-1, 28, 28)
    labels = None if again["label"].null_count else np.array(again["label"].to_pylist(), np.uint8)
    expect(rows, rows_of(Digits(np.arange(len(images)), images, labels)))


def to_arrow(some: Digits) -> pa.Table:
    labels = [None] * len(some) if some.labels is None else some.labels.tolist()
    columns = [pa.array(some.ids.tolist(), pa.int32()), pa.array(labels, pa.uint8())]
    images = pa.array([bytes(image) for image in some.images], pa.binary(PIXELS))
    return pa.table([*columns, images], ["id", "label", "image"])
