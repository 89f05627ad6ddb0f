"""The one way to write a file whole: into a draft beside it, synced, renamed, and the rename synced."""

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a new file for bytes that gets its name, in place of an earlier one, once it is written and on the disk.

    Until then, and where the writing fails, `path` stays what it was. path: also an address of universal-pathlib; in a
    bucket, which syncs by itself, an object is whole or not there.
    Raises: OSError.
    """
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.draft")
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
