"""The submission goes where a person wants it: to a path, an address, or standard output."""

import os
import shutil
import sys
from typing import BinaryIO

from tasks.data.addresses import expanded, is_remote, reached
from tasks.errors import StoreError, UsageError
from tasks.scoring.outputs import SUBMISSION
from tasks.scoring.writing import writing
from tasks.store import Artifact

STANDARD_OUTPUT = "-"


def check_writable(output: str, force: bool) -> None:
    """Refuse an output that cannot be written, before the work. Raises: UsageError, StoreError."""
    if output == STANDARD_OUTPUT:
        return
    path = expanded(output)
    with reached(output):
        exists = path.exists()
    # Neither /dev/null nor /dev/stdout, a link, must give way to a file.
    if not is_remote(path) and (path.is_symlink() or (exists and not path.is_file())):
        received = f"a link to {path.readlink()}" if path.is_symlink() else "a folder or a device"
        remedy = "name a file, or for `digits score` - as standard output"
        raise UsageError("the output is no plain file", file=output, received=received, remedy=remedy)
    if exists and not force:
        remedy = "name another, or overwrite it by --force"
        raise UsageError("there is such a file already", file=output, remedy=remedy)
    if is_remote(path):
        return
    if not path.parent.is_dir():
        raise StoreError(
            "the folder of the output does not exist",
            file=output,
            expected="a folder",
            received=f"nothing at {path.parent}" if not path.parent.exists() else f"a file at {path.parent}",
            remedy="make it, or name another",
        )
    if not os.access(path.parent, os.W_OK):
        expected = "a folder that you may write to"
        raise StoreError("the folder of the output cannot be written", file=output, expected=expected)


def deliver(scores: Artifact, output: str, name: str = SUBMISSION) -> None:
    """Copy a file of scores to a path, whole or not at all; `-` is standard output. Raises: StoreError."""
    with scores.file(name).open("rb") as source:
        if output == STANDARD_OUTPUT:
            _print(source)
            return
        with writing(expanded(output)) as target:
            shutil.copyfileobj(source, target)


def _print(file: BinaryIO) -> None:
    """Copy a file to standard output. Raises: StoreError if that is closed, or full."""
    if sys.stdout is None:
        raise StoreError("standard output is closed", remedy="give --output a path")
    try:
        shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except OSError as error:
        # What is left in the buffer is flushed at the end, and needs somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise StoreError("whoever reads the output has closed it", remedy="give --output a path") from error
        raise StoreError(
            "standard output cannot be written", received=error.strerror, remedy="give --output a path"
        ) from error
