"""The inputs that `tests/fuzz.py` feeds to the readers, kind by kind, and what must come of each.

A kind is a function of a case. It returns where its input was read, raises a DigitsError where that was refused, and a
WrongError where either is wrong, by oracles that share no code with the readers. Pictures have a value to compare with
only where they are whole: what a damaged one shows nobody can say. Nor can anybody for a model whose bytes were
changed; that a package hands out no such model is a case of `manifest`.
"""

import contextlib
import gzip
import io
import json
import re
import shutil
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tasks import registry
from tasks.data import csv_source
from tasks.data.digits import PIXEL_COLUMNS, PIXELS, Digits
from tasks.data.metrics import DatasetMetrics, PreparedMetrics
from tasks.data.sources import tables_in
from tasks.data.tables import BEGINNING, Place, Table
from tasks.errors import DataError, DigitsError
from tasks.judging.evaluation import Evaluation
from tasks.models.fitted import ModelMetrics
from tasks.models.packaged import INT8, PackageMetrics, models_of
from tasks.models.scorer import Scorer
from tasks.pictures.files import opened
from tasks.pictures.reading import digit_of
from tasks.registry import garbage
from tasks.registry.decisions import LOG, POINTER
from tasks.scoring import scores
from tasks.scoring.inputs import spool_folder, tables_to_score
from tasks.scoring.scores import Options, ScoresMetrics
from tasks.settings import Settings
from tasks.store import MANIFEST, Artifact, Store, damage, find_damage, lineage
from tasks.store.manifest import _with_digest
from tasks.training import recipes
from tests import making

# Label (None: unknown) and pixels of each row, by its number; None for a row that is no digit.
Rows = dict[int, tuple[int | None, bytes] | None]


class WrongError(Exception):
    """What came out is not what must come out."""


@dataclass
class Case:
    """One case.

    folder: empty, for its inputs. small: a store with an artifact of each kind, none of which is a real model; what is
    changed in it is put back. store: for scores. package: a real one.
    """

    random: Random
    folder: Path
    small: Store
    store: Store
    package: Artifact
    written: set[Path] = field(default_factory=set)

    def write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        self.written |= {path, path.parent}
        return path

    def digits(self, most: int = 6) -> Digits:
        return making.digits(self.random.randint(1, most), start=self.random.randrange(4_000))

    def maybe_mutated(self, content: bytes) -> bytes:
        return mutated(content, self.random) if self.random.random() < 0.8 else content


NUMBERS = (0, 1, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)
CELLS = b'256|-1|-0|007|0x10|1e2|1_0|+5|5.0| 5 |\t5|"12"|"1"2|""0|" 9 "|\'\'| |nan|9999999999999999999|\xd9\xa3|\xff'


def mutated(content: bytes, random: Random, text: bool = False) -> bytes:
    """Return the bytes after one to eight changes at random places. text: no beginning is worse than what follows."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 4, 8))):
        # Headers are short, and most of what can go wrong stands in them, or at the end.
        area = len(data) if text else random.choice((len(data), len(data), 64, 1024))
        place = min(len(data), random.randrange(area + 1))
        place = random.choice((place, place, len(data) - place))
        size = random.choice((1, 2, 4, 16, 1_000))
        number = random.choice(NUMBERS)
        match random.randrange(8):
            case 0 if place < len(data):
                data[place] ^= 1 << random.randrange(8)
            case 1:
                data[place : place + size] = random.randbytes(size)
            case 2:
                del data[place : place + size]
            case 3:
                data[place:place] = random.randbytes(size)
            case 4:
                data[place:place] = data[random.randrange(len(data) + 1) :][:size]
            case 5:
                width = random.choice((1, 2, 4, 8))
                order: Any = random.choice(("little", "big"))
                data[place : place + width] = (number % 256**width).to_bytes(width, order)
            case 6:
                del data[place:]
            case 7:
                data[place : place + size] = bytes(size)
    return bytes(data)


def read(table: Table, place: Place = BEGINNING) -> Rows:
    """Read a table by our own readers. Raises: DigitsError."""
    rows: Rows = {}
    for batch in table.read(place):
        labels = batch.digits.labels
        known = [None] * len(batch.digits) if labels is None else labels.tolist()
        more: Rows = {fault.row: None for fault in batch.faults}
        pairs = zip(known, map(bytes, batch.digits.images), strict=True)
        more |= dict(zip(batch.digits.ids.tolist(), pairs, strict=True))
        if len(more) != len(batch) or more.keys() & rows.keys():
            raise WrongError("a row comes twice")
        rows |= more
    return rows


def rows_of(some: Digits) -> Rows:
    labels = [None] * len(some) if some.labels is None else some.labels.tolist()
    pairs = zip(labels, map(bytes, some.images), strict=True)
    return {row: None if pair[0] in range(10, 256) else pair for row, pair in enumerate(pairs, start=1)}


def expect(rows: Rows, *allowed: Rows) -> None:
    if rows not in allowed:
        expected = allowed[0]
        differing = [row for row in sorted(rows | expected) if rows.get(row, 0) != expected.get(row, 0)]
        raise WrongError(f"rows {differing[:5]} are read as others: {len(rows)} of {len(expected)}")


# --- Tables -----------------------------------------------------------------------------------------------------


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


# --- Pictures ---------------------------------------------------------------------------------------------------

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


# --- JSON -------------------------------------------------------------------------------------------------------

ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    0.5,
    1e999,
    float("nan"),
    2**63,
    10**400,
    "",
    "x",
    "\ud800",
    "../..",
    "package/0123456789ab",
    [],
    {},
)
FORMS: dict[str, type] = {
    "dataset": DatasetMetrics,
    "prepared": PreparedMetrics,
    "model": ModelMetrics,
    "evaluation": Evaluation,
    "package": PackageMetrics,
}


def changed_json(content: bytes, random: Random) -> bytes:
    """Return JSON after a change of its bytes, or of one of its values, wherever that stands."""
    if random.random() < 0.3:
        return mutated(content, random)
    whole = [json.loads(content)]
    places: list[tuple[Any, Any]] = [(whole, 0)]
    for container, key in places:  # which grows on the way
        value = container[key]
        if isinstance(value, dict | list):
            places += [(value, inner) for inner in (value if isinstance(value, dict) else range(len(value)))]
    container, key = random.choice(places)
    value = container[key]
    match random.randrange(6):
        case 0 if len(places) > 1 and container is not whole:
            del container[key]
        case 1 if isinstance(container, dict):
            container["more"] = value
        case 2:
            container[key] = [value]
        case 3:
            container[key] = "NEST"
        case _:
            container[key] = random.choice(ODD)
    depth = random.choice((3, 500, 100_000))
    return json.dumps(whole[0], indent=2).replace('"NEST"', "[" * depth + "]" * depth).encode()


def fuzz_manifest(case: Case) -> None:
    """Damage a file of a store, and use the store."""
    artifact = case.random.choice([artifact for artifact in case.small.all() if artifact.kind in FORMS])
    manifest = artifact.path / MANIFEST
    files = [artifact.path / name for name in artifact.manifest().files]
    path = case.random.choice([manifest, manifest, *files, case.small.root / POINTER, case.small.root / LOG])
    whole = path.read_bytes()
    content = (changed_json if path.suffix == ".json" else mutated)(whole, case.random)
    renewed = path == manifest and case.random.random() < 0.5
    if renewed:  # as whoever changes it on purpose might do
        content = _with_digest(re.sub(rb',\n  "digest": "[^"]*"|\n}\n?$', b"", content))
        with contextlib.suppress(ValueError, RecursionError, AttributeError):
            # What has no type: whoever forges a manifest may put into these what no reader expects.
            if any(
                json.loads(content).get(name) != json.loads(whole)[name] for name in ("parameters", "source", "inputs")
            ):
                raise DataError("a forged manifest is no case")
    path.write_bytes(content)
    try:
        lines = damage(artifact)
        if content != whole and path in (manifest, *files) and not renewed and not lines:
            raise WrongError("damaged, and not noticed")
        list(find_damage(case.small))
        registry.damage(case.small)
        for look in (registry.package_summaries, registry.reigns, registry.champion_package, garbage.find):
            with contextlib.suppress(DigitsError):
                look(case.small)
        lineage(case.small, artifact)
        artifact.measured(FORMS[artifact.kind])
        for file in artifact.manifest().files:
            artifact.file(file)
        if lines and path in (manifest, *files) and not renewed:
            raise WrongError(f"damaged, and used: {lines[0]}")
    finally:
        path.write_bytes(whole)


def fuzz_recipe(case: Case) -> None:
    values = case.random.choice(list(recipes.RECIPES.values())).as_parameters() | {"name": "mine"}
    path = case.write("mine.json", changed_json(json.dumps(values).encode(), case.random))
    recipe = recipes.flat(recipes.find(str(path)).as_parameters())
    values = json.loads(path.read_bytes())
    for name, value in (values | values.get("augmentation", {})).items():
        low, high = recipes.RANGES.get(name, (0, 0))
        if name in recipes.RANGES and not (low <= value <= high and value == recipe[name]):
            raise WrongError(f"{name}: {value!r} is read as {recipe[name]!r}")


# --- Models, and the whole way ----------------------------------------------------------------------------------


def fuzz_tflite(case: Case) -> None:
    content = mutated(models_of(case.package, INT8).main, case.random)
    answers = Scorer(content, threads=1).probabilities(making.digits(3).images)
    if answers.shape != (3, 10):
        raise WrongError(f"answers of shape {answers.shape}")


def fuzz_score(case: Case) -> None:
    """Score what another kind of case reads, bad rows set aside."""
    kind = case.random.choice(TABLES + PICTURES)
    with contextlib.suppress(DigitsError):
        KINDS[kind](case)
    store = case.store
    options = Options(
        review_below=case.random.random(),
        shard_rows=case.random.choice((2, 7, 100_000)),
        on_bad_row="quarantine",
        probabilities=case.random.random() < 0.5,
        show=case.random.random() < 0.05,
    )
    answers = None
    try:
        with spool_folder(store.root) as spool:
            tables = tables_to_score([str(next(case.folder.iterdir()))], Settings(home=case.folder), spool)
            rows = [row for table in tables for row in read(table).values()]
            answers = scores.carry_out(store, scores.plan(store, case.package, tables, options, threads=1))
    finally:
        left = [path.name for path in (store.root / ".drafts").iterdir()]
        left += [path.name for path in (store.root / ".scratch").glob("*")] if answers else []
        shutil.rmtree(store.root / ".scratch", ignore_errors=True)  # a run that is refused keeps its shards
        if left:
            raise WrongError(f"left behind: {left}")
    metrics = answers.measured(ScoresMetrics)
    if (metrics.rows, metrics.quarantined) != (len(rows) - rows.count(None), rows.count(None)) or damage(answers):
        raise WrongError(f"of {len(rows)} rows {metrics.rows} are answered and {metrics.quarantined} set aside")
    lines = (answers.path / "submission.csv").read_text().count("\n")
    shutil.rmtree(answers.path)
    if lines != metrics.rows + 1:
        raise WrongError(f"{lines} lines for {metrics.rows} rows")


TABLES = ("csv", "gzip", "zip", "idx", "parquet")
PICTURES = tuple(kind.lower() for kind in MODES)
KINDS: dict[str, Callable[[Case], None]] = {
    "csv": fuzz_csv,
    "gzip": fuzz_gzip,
    "zip": fuzz_zip,
    "idx": fuzz_idx,
    "parquet": fuzz_parquet,
    **{kind.lower(): fuzz_pictures(kind) for kind in MODES},
    "manifest": fuzz_manifest,
    "recipe": fuzz_recipe,
    "tflite": fuzz_tflite,
    "score": fuzz_score,
}
