"""Silence for libraries written in C++, which write to the terminal past Python, whatever their log level is."""

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Throw away what this process writes to stdout and stderr until the context ends; exceptions pass."""
    for stream in filter(None, (sys.stdout, sys.stderr)):  # one that is closed is None
        stream.flush()
    terminal = os.dup(1), os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        for number, copy in enumerate(terminal, start=1):
            os.dup2(copy, number)
            os.close(copy)
