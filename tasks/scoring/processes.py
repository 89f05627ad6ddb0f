"""Processes that share work: how one begins, and how it ends with the run that it works for."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, TypeVar

R = TypeVar("R")


def each(function: Callable[..., R], calls: Sequence[tuple[Any, ...]], workers: int) -> Iterator[R]:
    """The results of calls in so many processes, as they come. Raises: what the first call that fails raises."""
    context = multiprocessing.get_context("spawn")  # a fork would copy whatever threads are at
    with ProcessPoolExecutor(workers, context, initializer=begin, initargs=(share(workers),)) as pool:
        futures = [pool.submit(function, *call) for call in calls]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            kill()
            raise


def share(workers: int) -> int:
    """Threads for each of so many processes."""
    return max(1, (os.cpu_count() or 1) // workers)


def begin(threads: int) -> None:
    """What a worker does first: share the cores with the others, and watch its parent.

    A worker whose run was killed would work on, and keep what it works on from the run that is started again.
    """
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent:
            parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def kill() -> None:
    """End this process's workers in the middle of their work, which a pool would wait for."""
    for worker in multiprocessing.active_children():
        worker.kill()
