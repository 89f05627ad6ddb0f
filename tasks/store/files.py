"""The one way to write a file whole: into a draft beside it, synced, renamed, and the rename synced; and to a log."""

import contextlib
import os
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a new file for bytes that gets its name, in place of an earlier one, once it is written and on the disk.

    Until then, and where the writing fails, `path` stays what it was. path: also an address of universal-pathlib; in a
    bucket, which syncs by itself, an object is whole or not there.
    Raises: OSError.
    """
    draft = path.with_name(f".{path.name[:50]}.{uuid.uuid4().hex[:8]}.draft")
    local = isinstance(path, Path)
    try:
        with draft.open("wb") as file:
            yield cast(BinaryIO, file)
            if local:
                file.flush()
                os.fsync(file.fileno())
        draft.rename(path)
        if local:
            sync(path.parent)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def move(source: Path, target: Path) -> None:
    """Rename a file, and return when the disk knows it under its new name. Raises: OSError."""
    source.rename(target)
    sync(target.parent)
    sync(source.parent)


def sync(path: Path) -> None:
    """Return when a file's content, or a folder's list of names, is on the disk. Raises: OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def append(path: Path, lines: Iterable[bytes]) -> None:
    """Add lines to a log, all of them or none, and return when they are on the disk. To be called under a lock.

    A line that a crash has cut short must not swallow the next one: it is ended first. Raises: OSError.
    """
    content = b"".join(line + b"\n" for line in lines)
    is_new = not path.exists()
    with path.open("ab+", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        if end:
            file.seek(end - 1)
            content = content if file.read(1) == b"\n" else b"\n" + content
        try:
            while content:
                content = content[file.write(content) :]
            os.fsync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(end)
            raise
    if is_new:
        sync(path.parent)
