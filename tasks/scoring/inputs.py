"""What there is to score: tables of digits as in `sources.py`, and pictures, from what a person names."""

import hashlib
import logging
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tasks.data.addresses import expanded, matching, stamp, version
from tasks.data.csv_source import BLOCK, RowFinder
from tasks.data.sources import NAMED, TEST, begins, recognise, streams_in, tables_of
from tasks.data.streams import Probe, Stream, changed, explained
from tasks.data.tables import Place, Table
from tasks.errors import DataError
from tasks.scoring.picture_tables import is_picture, picture_table, promises_picture
from tasks.settings import Settings
from tasks.store import unwritable
from tasks.words import listed

log = logging.getLogger(__name__)

STANDARD_INPUT = "-"
NAMED_FILES = 10  # in a line about files that are not read


def tables_to_score(
    inputs: Sequence[str], settings: Settings, spool: Path, ignored: Sequence[str] | None = None
) -> list[Table]:
    """Return the tables to score, each with a name of its own: those of the inputs in their order, then all pictures.

    inputs: paths, addresses (`s3://…`) or patterns of tables, pictures, and zips or folders of them; the names that
        `recognise` knows; `-` for a CSV from standard input. Of tables that hold both, the test part is meant.
    spool: folder that standard input is kept in, a `draft_folder` of the artifacts. ignored: columns of CSVs that are
        not read; None where the caller has no way to name any.
    Raises: DataError if there is nothing, or nothing usable; FetchError.
    """
    tables: list[Table] = []
    pictures: list[Stream] = []
    picture_names: list[str] = []
    for name in inputs:
        if name in NAMED:
            tables.append(recognise(name, settings).tables["test"])
            continue
        names = dict(_streams(name, spool))
        shown, probes = _sorted_out(names)
        if not shown and not probes:
            raise DataError(
                "no file is in it",
                file=name,
                expected="tables or pictures of digits",
                received="nothing, or folders only",
                remedy="name the folder that holds them",
            )
        if shown:
            pictures += shown
            picture_names += [names[stream] for stream in shown]
            if probes:
                log.warning("not read, no pictures: %s", listed([probe.stream.name for probe in probes], NAMED_FILES))
        else:
            by_file = {stream.name: own_name for stream, own_name in names.items()}
            chosen = _to_score(tables_of(probes, name, ignored), name)
            tables += [replace(table, file=by_file[table.file]) for table in chosen]
    for name, count in Counter([*(table.file for table in tables), *picture_names]).items():
        if count > 1:
            raise DataError("this is to be scored twice", file=name, remedy="name it once")
    tables = _shortened(tables)
    if pictures:
        tables.append(picture_table(pictures, picture_names))
    return tables


@dataclass(frozen=True)
class Survey:
    """What reading all of the inputs tells.

    digest: sha256 over names and contents of all files, the same wherever they lie. places: where the shards of a table
    begin, by its index, as far as the reading told. stamps: of the files of this machine, when they were read.
    """

    digest: str
    places: dict[int, list[Place]]
    stamps: dict[Path, str]

    def check_unchanged(self) -> None:
        """Raise DataError where a file of this machine is another one by now."""
        for path, before in self.stamps.items():
            with explained(path.name):
                if stamp(path) != before:
                    raise changed(path.name, "the same content as before", "another time or size")


def survey(tables: Sequence[Table], shard_rows: int | None = None) -> Survey:
    """Read every file once, but for those at addresses, whose store tells them apart.

    shard_rows: of a shard, for the places. Raises: DataError.
    """
    digest = hashlib.sha256()
    places: dict[int, list[Place]] = {}
    stamps: dict[Path, str] = {}
    contents: dict[Path, str] = {}
    for index, table in enumerate(tables):
        finder = RowFinder(shard_rows) if shard_rows and table.lines else None
        for path in table.paths:
            if path not in contents:  # a zip may hold many tables
                # To fetch what is at an address twice would cost more than scoring it.
                content = version(path)
                if not content:
                    stamps[path] = stamp(path)
                    content = _sha256(path, finder)
                    if finder:
                        places[index] = finder.places
                contents[path] = content
            # Of names that are no text, too: a file system takes any bytes.
            digest.update(os.fsencode(f"{table.file}\0{path.name}\0{contents[path]}\n"))
        # They are the ids, which depend on how the call names the folders of pictures.
        digest.update(os.fsencode("\0".join(table.names)))
    return Survey(digest.hexdigest(), places, stamps)


def _sha256(path: Path, finder: RowFinder | None) -> str:
    digest = hashlib.sha256()
    with explained(path.name), path.open("rb") as file:
        while chunk := file.read(BLOCK):
            digest.update(chunk)
            if finder:
                finder.feed(chunk)
    return digest.hexdigest()


def _sorted_out(streams: Iterable[Stream]) -> tuple[list[Stream], list[Probe]]:
    """Sort files into pictures and others. What has the name of a picture is not opened."""
    pictures: list[Stream] = []
    others: list[Probe] = []
    for stream in streams:
        if promises_picture(stream):
            pictures.append(stream)
            continue
        probe = stream.probe()
        if is_picture(probe):
            pictures.append(stream)
        else:
            others.append(probe)
    return pictures, others


def _streams(name: str, spool: Path) -> Iterator[tuple[Stream, str]]:
    """Yield the files that an input leads to, each with a name of its own, which begins with that of the input."""
    if name == STANDARD_INPUT:
        yield Stream("standard input", _spooled(spool)), "standard input"
        return
    paths = _paths(name)
    is_pattern = paths != [expanded(name)]
    for path in paths:
        shown = (str(path) if is_pattern else name).rstrip("/")
        for stream in streams_in(path.absolute()):  # whoever reads it may do so from another folder
            inside = stream.name.partition("/")[2]
            own_name = f"{shown}/{inside}" if inside else shown
            yield replace(stream, name=own_name) if is_pattern else stream, own_name


def _spooled(folder: Path) -> Path:
    """Return the file that standard input is copied to. Raises: DataError, StoreError."""
    path = folder / "standard-input.csv"
    if sys.stdin is None:
        raise DataError(
            "standard input is closed", expected="a CSV from a pipe or a file", remedy="name a file, or give it one"
        )
    try:
        with path.open("wb") as file:
            file.writelines(_standard_input())
    except OSError as error:
        raise unwritable(folder, error) from error
    return path


def _standard_input() -> Iterator[bytes]:
    with explained("standard input"):
        while chunk := sys.stdin.buffer.read(BLOCK):
            yield chunk


def _paths(name: str) -> list[Path]:
    """Return the paths that a pattern fits, or the path itself where it is none."""
    path = expanded(name)
    is_pattern = re.search(r"[*?[]", name)
    with explained(name):
        if path.exists():
            return [path]
        paths = matching(name) if is_pattern else []
    if not paths:
        raise DataError(
            "no file fits this pattern" if is_pattern else "there is no such file or folder",
            file=name,
            expected="tables, pictures, or folders or zips of them",
            received="nothing",
            remedy="check the path",
        )
    return paths


def _to_score(tables: list[Table], where: str) -> list[Table]:
    """Choose the test part where there is one; else all."""
    tests = [table for table in tables if begins(table.file, *TEST)]
    for table in tables if tests else ():
        if table not in tests:
            log.warning("%s: not read: what is to be scored of %s is its test part", table.file, where)
    return tests or tables


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def _shortened(tables: list[Table]) -> list[Table]:
    """Call the tables by their files' own names, where these tell them apart."""
    if max(Counter(_base(table.file) for table in tables).values(), default=0) > 1:
        return tables
    return [replace(table, file=_base(table.file)) for table in tables]
