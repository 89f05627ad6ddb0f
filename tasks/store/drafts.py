"""Drafts: the folders in which artifacts are made, each named after the machine and process that work in it."""

import contextlib
import os
import shutil
import socket
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import StoreError


@dataclass(frozen=True)
class Draft:
    """An artifact in the making.

    folder: where its files are written; becomes the artifact when the work is done, and vanishes when it fails.
    scratch: a folder that outlives a kill, for checkpoints; removed when the artifact is published.
    """

    folder: Path
    scratch: Path


def drafts(root: Path) -> list[Path]:
    """Return the draft folders of a store, oldest name first."""
    return sorted((root / ".drafts").glob("*"))


def new_draft(root: Path, name: str) -> Path:
    """Return a path for a draft of this process; nothing is made yet."""
    return root / ".drafts" / f"{name}@{socket.gethostname()}@{os.getpid()}@{uuid.uuid4().hex[:8]}"


@contextlib.contextmanager
def draft_folder(root: Path, name: str) -> Iterator[Path]:
    """Make a folder of this process, which goes with the context; sweep those of killed runs. Raises: StoreError."""
    folder = new_draft(root, name)
    try:
        sweep(root)
        folder.mkdir(parents=True)
    except OSError as error:
        raise unwritable(root, error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_elsewhere(draft: Path) -> bool:
    """Return whether a draft is another machine's, whose processes cannot be asked for."""
    return f"@{socket.gethostname()}@" not in draft.name


def is_alive(draft: Path) -> bool:
    """Return whether the process that a draft is named after, of this machine, lives."""
    parts = draft.name.split("@")
    if len(parts) < 4 or is_elsewhere(draft):
        return False
    try:
        os.kill(int(parts[2]), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:  # somebody else's process
        return True
    return True


def sweep(root: Path) -> None:
    """Remove the drafts of processes of this machine that are gone."""
    for draft in drafts(root):
        if not is_elsewhere(draft) and not is_alive(draft):
            shutil.rmtree(draft, ignore_errors=True)


def unwritable(root: Path, error: OSError) -> StoreError:
    """Return the error for a store that cannot be written."""
    return StoreError(
        "the artifacts folder cannot be written",
        file=str(root),
        # HDF5 puts a paragraph where others have "No space left on device".
        received=os.strerror(error.errno) if error.errno else str(error),
        remedy="free space, mend the permissions, or set DIGITS_HOME to another folder",
    )
