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
    if exists and not force:
        remedy = "name another, or overwrite it by --force"
        raise UsageError("there is such a file already", file=output, remedy=remedy)
    if not is_remote(path) and not (path.parent.is_dir() and os.access(path.parent, os.W_OK)):
        expected = "a folder that you may write to"
        raise StoreError("the folder of the output cannot be written", file=output, expected=expected)


def deliver(scores: Artifact, output: str) -> None:
    """Copy the submission to a path, whole or not at all; `-` is standard output. Raises: StoreError."""
    with scores.file(SUBMISSION).open("rb") as submission:
        if output == STANDARD_OUTPUT:
            _print(submission)
            return
        with reached(output), writing(expanded(output)) as file:
            shutil.copyfileobj(submission, file)


def _print(file: BinaryIO) -> None:
    """Copy a file to standard output. Raises: StoreError if that is closed."""
    try:
        shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except BrokenPipeError as error:
        # What is left in the buffer is flushed at the end, and needs somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise StoreError("whoever reads the output has closed it", remedy="give --output a path") from error
