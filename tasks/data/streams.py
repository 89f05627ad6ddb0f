"""Bytes out of a file, a gzip or a member of a zip, unpacked on the way, never to disk; all trouble is a DataError."""

import contextlib
import functools
import gzip
import lzma
import os
import re
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from tasks.data.addresses import is_remote, reached, stamp, version
from tasks.errors import DataError, StoreError

ZIP = (b"PK\x03\x04", b"PK\x05\x06")
GZIP = b"\x1f\x8b"
# A header of 785 columns takes 7 KB; what does not show itself in this many bytes is no digits.
HEAD = 64 * 1024
FLAG_ENCRYPTED = 0x1
# What unpacking raises of a file that is not whole.
DAMAGE = (EOFError, struct.error, UnicodeError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, zipfile.BadZipFile)


@dataclass(frozen=True)
class Stream:
    """A file, or the member of one that is a zip; what is gzipped is unpacked, by its first bytes and not by its name.

    name: what messages call it.
    """

    name: str
    path: Path
    member: str | None = None

    @property
    def base(self) -> str:
        """The file's own name, without folders."""
        return (self.member or self.path.name).rpartition("/")[2]

    @contextlib.contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open it for its unpacked bytes. Raises: DataError, also for trouble in the middle of reading."""
        with self._raw() as (file, _):
            yield unpacked(file)

    def probe(self) -> "Probe":
        """Open it once and look at its beginning. Raises: DataError."""
        with self._raw() as (file, size):
            contents = unpacked(file)
            head = contents.read(HEAD)
            is_gzip = contents is not file
            if is_gzip and self.member is None:
                # Its own record of it begins again at 4 GB.
                file.seek(-4, os.SEEK_END)
                size = max(size, int.from_bytes(file.read(4), "little"))
        return Probe(self, head, size, packed=is_gzip or self.member is not None)

    @contextlib.contextmanager
    def _raw(self) -> Iterator[tuple[BinaryIO, int]]:
        """Open it as it is, perhaps gzipped; yield it with how many bytes that is."""
        with explained(self.name):
            if self.member is not None:
                archive = _archive(self.path)
                with archive.open(self.member) as member:
                    yield cast(BinaryIO, member), archive.getinfo(self.member).file_size
                return
            with self.path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(0)
                yield file, size


@dataclass(frozen=True)
class Probe:
    """What opening a stream once tells of it.

    head: its first bytes, unpacked, at most HEAD. size: about how many bytes it has, unpacked. packed: whether it can
    only be read from its beginning.
    """

    stream: Stream
    head: bytes
    size: int
    packed: bool


def unpacked(file: BinaryIO) -> BinaryIO:
    """Return the contents of a file that is at its beginning: unpacked if it is a gzip, else itself."""
    is_gzip = file.read(len(GZIP)) == GZIP
    file.seek(0)
    return cast(BinaryIO, gzip.GzipFile(fileobj=file)) if is_gzip else file


def changed(file: str, expected: str, received: str) -> DataError:
    """Return the error for a file that somebody writes while it is read."""
    return DataError(
        "the file changed while it was read",
        file=file,
        expected=expected,
        received=received,
        remedy="wait until whoever writes it is done, and run again",
    )


@contextlib.contextmanager
def explained(file: str) -> Iterator[None]:
    """Turn what reading a file can raise into a DataError that names the file; a StoreError where it may heal.

    Raises: also FetchError, as `reached`.
    """
    try:
        with reached(file):
            yield
    except FileNotFoundError as error:
        raise DataError(
            "there is no such file",
            file=file,
            expected="a file at this path",
            received="nothing",
            remedy="check the path",
        ) from error
    except PermissionError as error:
        raise DataError(
            "the file may not be read",
            file=file,
            expected="a file that you may read",
            received=error.strerror,
            remedy="give yourself the right to read it",
        ) from error
    except DAMAGE as error:
        raise DataError(
            "the file is damaged or incomplete",
            file=file,
            expected="a whole file",
            received=str(error) or type(error).__name__,
            remedy="copy or download it again",
        ) from error
    except (OSError, pa.ArrowException) as error:
        # An error of the system has a number: disk or network may be well again in a moment.
        may_heal = getattr(error, "errno", None) or isinstance(error, TimeoutError | ConnectionError)
        kind = StoreError if may_heal else DataError
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise kind(
            "the file cannot be read",
            file=file,
            expected="a file that can be read to its end",
            received=reason,
            remedy="check the disk, or copy the file again",
        ) from error
    except NotImplementedError as error:
        raise DataError(
            "the zip is packed in a way that cannot be read",
            file=file,
            expected="a zip packed by deflate",
            received=str(error),
            remedy="unpack it and give the folder",
        ) from error


def in_folder(folder: Path) -> list[Stream]:
    """Return the plain files right in a folder, by name, without hidden ones and folders. Raises: DataError."""
    with explained(str(folder)):
        by_name = sorted(folder.iterdir(), key=attrgetter("name"))
        paths = [path for path in by_name if path.is_file() and not path.name.startswith(".")]
    return [Stream(f"{folder.name}/{path.name}", path) for path in paths]


def in_zip(path: Path) -> list[Stream]:
    """Return the files in a zip, by name, without hidden ones: those of macOS have the name of a picture behind a dot.

    Raises: DataError if it is damaged, asks for a password, or has members that climb out of it, no name or the same.
    """
    with explained(path.name):
        try:
            members = [member for member in _archive(path).infolist() if not member.filename.endswith("/")]
        except zipfile.BadZipFile as error:
            raise DataError(
                "the zip is truncated or damaged",
                file=path.name,
                expected="a whole zip",
                received=f"{path.stat().st_size:,} bytes; {error}",
                remedy="download it again",
            ) from error
    for member in members:
        _check(member, path)
    counts = Counter(member.filename for member in members)
    for name, count in counts.items():
        if count > 1 or not name:
            raise DataError(
                "two files in the zip have the same name" if name else "a file in the zip has no name",
                file=path.name,
                expected="a name of its own for each",
                received=f"'{name}' twice" if name else "''",
                remedy="unpack it and give the folder",
            )
    streams = [Stream(f"{path.name}/{name}", path, name) for name in sorted(counts)]
    return [stream for stream in streams if not stream.base.startswith(".")]


def _archive(path: Path) -> zipfile.ZipFile:
    """Return a zip, opened once: to read its directory for each of its files takes the square of their number."""
    return _opened_archive(path, version(path) or stamp(path))


@functools.lru_cache(maxsize=2)
def _opened_archive(path: Path, content: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(cast(BinaryIO, path.open("rb")) if is_remote(path) else path)


def _check(member: zipfile.ZipInfo, path: Path) -> None:
    """Refuse a member that climbs out of the zip, is a link or asks for a password. Raises: DataError."""
    name = member.orig_filename
    # Nothing is ever extracted, but an archive with such names was made to do harm: nothing in it is to be trusted.
    if name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name) or re.match("[A-Za-z]:", name):
        raise DataError(
            "a name in the zip points outside of it",
            file=path.name,
            expected="names of files inside the zip",
            received=f"'{name}'",
            remedy="download it again from where it is published",
        )
    if stat.S_ISLNK(member.external_attr >> 16):
        raise DataError(
            "the zip holds a link",
            file=path.name,
            expected="files",
            received=f"a link '{name}'",
            remedy="pack the file itself",
        )
    if member.flag_bits & FLAG_ENCRYPTED:
        raise DataError(
            "the zip asks for a password",
            file=path.name,
            expected="a zip without one",
            received=f"'{name}' encrypted",
            remedy="unpack it and give the folder",
        )
