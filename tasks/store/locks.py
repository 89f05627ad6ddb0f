"""Locks between processes, as files. The system takes one back when its holder ends, however it ends."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger(__name__)


@contextlib.contextmanager
def try_lock(path: Path, patience: float = 0) -> Iterator[bool]:
    """Try to take the lock; yield whether we hold it. patience: seconds to wait where somebody else does."""
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


@contextlib.contextmanager
def locked(path: Path, wait: str) -> Iterator[None]:
    """Hold the lock; where another process has it, log why we wait, and wait for its end. Raises: OSError."""
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info(wait)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
