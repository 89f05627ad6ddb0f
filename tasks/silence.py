"""Silence for libraries written in C++, which write to the terminal past Python, whatever their log level is."""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

_lock = threading.Lock()
# What stdout and stderr were when each context began: in the first place the terminal, which the last to end puts back.
_before: list[tuple[int, int]] = []


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Throw away what this process writes to stdout and stderr until the context ends; exceptions pass.

    Threads may be in it at the same time.
    """
    with _lock:
        for stream in filter(None, (sys.stdout, sys.stderr)):  # one that is closed is None
            stream.flush()
        _before.append((os.dup(1), os.dup(2)))
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        with _lock:
            for number, copy in enumerate(_before.pop(), start=1):
                if not _before:
                    os.dup2(copy, number)
                os.close(copy)
