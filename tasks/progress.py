"""How far work has come: a bar on a terminal, log lines elsewhere, and for a listener such as Prefect's UI."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

log = logging.getLogger(__name__)

EVERY = 10  # seconds between two lines

Listener = Callable[[float], None]  # called with the share of the work that is done, from 0 to 1
_listener: ContextVar[Listener] = ContextVar("_listener", default=lambda share: None)


@contextlib.contextmanager
def reported_to(listener: Listener) -> Iterator[None]:
    """Let this listener hear how far the work in this thread has come, until the context ends."""
    before = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(before)


@contextlib.contextmanager
def fit_progress(epochs: int, steps: int) -> "Iterator[keras.callbacks.Callback]":
    """Yield a Keras callback that shows how far a fit of so many epochs of so many steps has come."""
    import keras
    from rich.console import Console

    listener = _listener.get()
    console = Console(stderr=True)
    if not console.is_terminal:

        def ended(epoch: int, logs: Mapping[str, float]) -> None:
            log.info("epoch %d of %d: %s", epoch + 1, epochs, _words(logs))
            listener((epoch + 1) / epochs)

        yield keras.callbacks.LambdaCallback(on_epoch_end=ended)
        return

    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[scores]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        bar = bars.add_task("fit", total=epochs * steps, scores="")

        def scored(epoch: int, logs: Mapping[str, float]) -> None:
            bars.update(bar, scores=_words(logs))
            listener((epoch + 1) / epochs)

        yield keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: bars.update(
                bar, completed=epoch * steps, description=f"epoch {epoch + 1} of {epochs}"
            ),
            on_train_batch_end=lambda batch, logs: bars.advance(bar),
            on_epoch_end=scored,
        )


def _words(logs: Mapping[str, float]) -> str:
    split, prefix = ("validation", "val_") if "val_accuracy" in logs else ("training", "")
    accuracy, loss = 100 * logs[f"{prefix}accuracy"], logs[f"{prefix}cross_entropy"]
    return f"{split} accuracy {accuracy:.2f}\u00a0%, loss {loss:.4f}"


@contextlib.contextmanager
def rows_progress(total: int | None) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with each number of rows that are done.

    total: about how many there are, None where nobody knows.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield rows_in_lines(total)
        return

    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("scoring"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} rows"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        bar = bars.add_task("scoring", total=total, rate="")
        started = time.perf_counter()

        def tell(rows: int) -> None:
            done = bars.tasks[bar].completed + rows
            bars.update(bar, advance=rows, rate=f"{done / (time.perf_counter() - started):,.0f} rows/s")

        yield tell


def rows_in_lines(total: int | None) -> Callable[[int], None]:
    """Return a function as `rows_progress` yields, which writes a log line every few seconds."""
    done, started = 0, time.perf_counter()
    last = started
    listener = _listener.get()

    def tell(rows: int) -> None:
        nonlocal done, last
        done += rows
        now = time.perf_counter()
        if now - last >= EVERY:
            last = now
            of = f" of about {total:,}" if total else ""
            log.info("%s%s rows scored, %s a second", f"{done:,}", of, f"{done / (now - started):,.0f}")
            if total:
                listener(min(1.0, done / total))

    return tell
