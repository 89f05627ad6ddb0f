"""How a plain function becomes a stage: a Prefect task that tries again what may heal by itself.

Between the plain functions and Prefect, and the only thing that the stages share with it.
"""

import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar, cast

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.task_runners import ProcessPoolTaskRunner
from prefect.utilities.callables import get_call_parameters

from tasks.errors import AccessError, DigitsError, FetchError, StoreError

P = ParamSpec("P")
R = TypeVar("R")

# INFO, for the lines of the plain functions to reach the run's page; a library's logger starts with WARNING.
for _name in ("tasks", "flows"):
    logging.getLogger(_name).setLevel(logging.INFO)


def _may_heal(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """The world's faults (disk, network) are worth another try; bad data, refusals and bugs are not."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, OSError | StoreError | FetchError) and not isinstance(error, AccessError)


class _NoTraceback(logging.Filter):
    """An error that is meant for a person is told in its one line, in the run's log as well."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], DigitsError):
            record.exc_info = None
            record.for_a_person = True
        return True


for _name in ("prefect.task_runs", "prefect.flow_runs"):
    logging.getLogger(_name).addFilter(_NoTraceback())


def stage(function: Callable[P, R], run_name: str | None = None) -> Callable[P, R]:
    """The task of a stage, named after its function.

    run_name: of each of its runs, with the function's arguments in braces.

    Prefect neither caches nor keeps its result: the store finds what is done, across runs and machines. To the type
    checker a stage is its function; in a flow, calling it runs the task and waits for it.
    """
    task = Task(
        function,
        name=function.__name__,
        task_run_name=run_name,
        retries=2,
        retry_delay_seconds=[2, 10],
        retry_jitter_factor=0.5,
        retry_condition_fn=_may_heal,
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    return cast(Callable[P, R], task)


def each(function: Callable[..., R], calls: Sequence[tuple[Any, ...]], *, workers: int = 1, **options: Any) -> list[R]:
    """Run a stage in a flow once for every tuple of arguments; the results in their order.

    workers: processes that share the work through Prefect's task runner; with one, each call runs here, in its turn.
    """
    if workers == 1 or len(calls) == 1:
        return [function(*call, **options) for call in calls]
    task = cast("Task[..., R]", function)
    threads = max(1, (os.cpu_count() or 1) // workers)
    with ProcessPoolTaskRunner(max_workers=workers, initializer=_begin, initargs=(threads,)) as runner:
        # By name, as a runner wants them.
        given = [get_call_parameters(task.fn, call, options) for call in calls]
        futures = [runner.submit(task, parameters=parameters) for parameters in given]
        try:
            return [future.result() for future in futures]
        except BaseException:
            # The runner would wait for what they are at, which may take hours; a checkpoint loses an epoch at most.
            for worker in multiprocessing.active_children():
                worker.kill()
            raise


def _begin(threads: int) -> None:
    """What a worker does first: share the cores with the others, and watch its parent.

    A worker whose run was killed would fit on, and keep what it works on from the run that is started again.
    """
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent:
            parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
