"""Processes that share work: they begin with their share of the cores, and end with the run that they work for."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, TypeVar

R = TypeVar("R")


def call_in_workers(function: Callable[..., R], calls: Sequence[tuple[Any, ...]], workers: int) -> Iterator[R]:
    """Call a function with each tuple of arguments in so many processes; yield the results as they come.

    Raises: what the first call that fails raises, once the others are ended.
    """
    context = multiprocessing.get_context("spawn")  # a fork would copy whatever threads are at
    threads = threads_per_worker(workers)
    with ProcessPoolExecutor(workers, context, initializer=begin_worker, initargs=(threads,)) as pool:
        futures = [pool.submit(function, *call) for call in calls]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            kill_workers()
            raise


def threads_per_worker(workers: int) -> int:
    """Return how many threads each of so many processes may have."""
    return max(1, (os.cpu_count() or 1) // workers)


def begin_worker(threads: int) -> None:
    """Prepare a worker: it shares the cores with the others, and ends with its parent.

    A worker whose run was killed would work on, and keep what it works on from the run that is started again.
    """
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, too, which says so
    parent = multiprocessing.parent_process()

    def end_with_parent() -> None:
        if parent:
            parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


def kill_workers() -> None:
    """End this process's workers in the middle of their work, which a pool would wait for."""
    for worker in multiprocessing.active_children():
        worker.kill()
