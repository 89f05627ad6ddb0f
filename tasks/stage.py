"""Stages: plain functions as Prefect tasks, which are tried again where a fault may heal by itself.

This is the only place between the plain functions and Prefect.
"""

import contextlib
import functools
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar, cast
from uuid import UUID

import httpx
from prefect import Task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.events import emit_event
from prefect.runtime import flow_run
from prefect.states import Completed
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner
from prefect.utilities.callables import get_call_parameters

from tasks import progress
from tasks.errors import AccessError, DigitsError, FetchError, StoreError, UsageError
from tasks.scoring import processes
from tasks.store import Artifact

PROGRESS_EVERY = 2.0  # seconds
PROGRESS = "digitflow.progress"  # event of a run that gets on; the server ends one of which it hears nothing for long
PROGRESS_EVENT_EVERY = 60.0  # seconds

P = ParamSpec("P")
R = TypeVar("R")

# INFO, for the lines of the plain functions to reach the run's page; a library's logger starts with WARNING.
for _name in ("tasks", "flows"):
    logging.getLogger(_name).setLevel(logging.INFO)


def _may_heal(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Return whether to try again: after a fault of disk or network; not after bad data, refusals and bugs."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, OSError | StoreError | FetchError) and not isinstance(error, AccessError)


class _NoTraceback(logging.Filter):
    """Cuts an error that is meant for a person to its one line, in the run's log as well."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], DigitsError):
            record.exc_info = None
            record.for_a_person = True
        return True


for _name in ("prefect.task_runs", "prefect.flow_runs"):
    logging.getLogger(_name).addFilter(_NoTraceback())


def stage(function: Callable[P, R], run_name: str | None = None) -> Callable[P, R]:
    """Make a stage of a function: a Prefect task that is named after it.

    run_name: the name of each of its runs, with the function's arguments in braces.

    Prefect neither caches nor keeps its result: the store finds what is done, across runs and machines. To the type
    checker a stage is its function; in a flow, calling it runs the task and waits for it. Where an artifact was there
    already, the task run's state is called `Reused`.
    """
    task = _Stage(
        _in_the_ui(function),
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


class _Stage(Task[..., Any]):
    """A task that returns, when called, what its function returns, whatever the name of its state."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = super().__call__(*args, **kwargs)
        return result.result() if isinstance(result, State) else result


def _in_the_ui(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function show its progress as an artifact of Prefect, and its state say whether there was work to do."""

    @functools.wraps(function)
    def shown(*args: Any, **kwargs: Any) -> Any:
        artifact = _ProgressArtifact(function.__name__.replace("_", "-"))
        artifact.emit()
        with progress.reported_to(artifact):
            result = function(*args, **kwargs)
        artifact.finish()
        if isinstance(result, Artifact) and result.reused:
            return Completed(name="Reused", message=f"{result.name} was there", data=result)
        return result

    return shown


class _ProgressArtifact:
    """The progress of the task run that it is called in, in Prefect's UI from the first call on."""

    emitted = -PROGRESS_EVENT_EVERY  # when this process has last sent an event

    def __init__(self, key: str) -> None:
        self.key = key
        self.id: UUID | None = None
        self.sent = self.share = 0.0

    def finish(self) -> None:
        """Show the end, however far the estimate of the work was off."""
        if self.id and self.share < 1:
            self(1.0)

    @classmethod
    def emit(cls) -> None:
        """Send the event PROGRESS of the flow run, unless that was done just now."""
        now = time.monotonic()
        if now - cls.emitted >= PROGRESS_EVENT_EVERY:
            cls.emitted = now
            emit_event(PROGRESS, {"prefect.resource.id": f"prefect.flow-run.{flow_run.get_id()}"})

    def __call__(self, share: float) -> None:
        self.emit()
        now, percent = time.monotonic(), 100 * share
        if self.id and share < 1 and now - self.sent < PROGRESS_EVERY:
            return
        self.sent, self.share = now, share
        # A server that is being started anew must not end a fit of hours.
        with contextlib.suppress(httpx.HTTPError):
            if self.id:
                update_progress_artifact(self.id, progress=percent)
            else:
                self.id = cast(UUID, create_progress_artifact(percent, key=self.key, description=self.key))


def run_all(
    function: Callable[..., R],
    calls: Sequence[tuple[Any, ...]],
    *,
    workers: int = 1,
    runner: TaskRunner[Any] | None = None,
    **options: Any,
) -> list[R]:
    """Run a stage in a flow once for every tuple of arguments; return the results in their order.

    workers: processes that share the work through Prefect's task runner; with one, the calls run here, one by one.
    runner: a task runner to use instead, such as `dask`.
    """
    if runner is None and (workers == 1 or len(calls) == 1):
        return [function(*call, **options) for call in calls]
    task = cast("Task[..., R]", function)
    with runner or _processes(workers) as runs:
        # A runner wants arguments by name.
        named = [get_call_parameters(task.fn, call, options) for call in calls]
        futures = [runs.submit(task, parameters=parameters) for parameters in named]
        try:
            return [future.result() for future in futures]
        except BaseException:
            # The runner would wait for calls under way, which may take hours; a checkpoint loses an epoch at most.
            processes.kill_workers()
            raise


def _processes(workers: int) -> TaskRunner[Any]:
    threads = processes.threads_per_worker(workers)
    return ProcessPoolTaskRunner(max_workers=workers, initializer=processes.begin_worker, initargs=(threads,))


def dask(workers: int, address: str | None) -> TaskRunner[Any]:
    """Return a runner on the Dask cluster at an address, tcp://…, or on one of so many processes of this machine.

    Raises: UsageError if Dask is not installed.
    """
    try:
        from prefect_dask.task_runners import DaskTaskRunner
    except ImportError as error:
        raise UsageError(
            "Dask is not installed", remedy="in the clone: .venv/bin/python -m pip install -e '.[dask]'"
        ) from error
    if address:
        return DaskTaskRunner(address=address)
    return DaskTaskRunner(cluster_kwargs={"n_workers": workers, "threads_per_worker": 1})
