"""How far work has come: a bar on a terminal, log lines elsewhere, and for a listener such as Prefect's UI."""

import contextlib
import functools
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras
    from rich.console import Console

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

        def log_epoch(epoch: int, logs: Mapping[str, float]) -> None:
            log.info("epoch %d of %d: %s", epoch + 1, epochs, _words(logs))
            listener((epoch + 1) / epochs)

        yield keras.callbacks.LambdaCallback(on_epoch_end=log_epoch)
        return

    with _bar(console, "fit", epochs * steps) as update:

        def show_epoch(epoch: int, logs: Mapping[str, float]) -> None:
            update(note=_words(logs))
            listener((epoch + 1) / epochs)

        yield keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: update(
                completed=epoch * steps, description=f"epoch {epoch + 1} of {epochs}"
            ),
            on_train_batch_end=lambda batch, logs: update(advance=1),
            on_epoch_end=show_epoch,
        )


def _words(logs: Mapping[str, float]) -> str:
    split, prefix = ("validation", "val_") if "val_accuracy" in logs else ("training", "")
    accuracy, loss = 100 * logs[f"{prefix}accuracy"], logs[f"{prefix}cross_entropy"]
    return f"{split} accuracy {accuracy:.2f}\u00a0%, loss {loss:.4f}"


@contextlib.contextmanager
def rows_progress(total: int | None, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with each number of rows that are done.

    total: about how many there are, None where nobody knows. quiet: show no bar, and leave only the lines of the log.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield rows_in_lines(total)
        return

    done, started = 0, time.perf_counter()
    with _bar(console, "scoring", total, transient=True) as update:

        def show_rows(rows: int) -> None:
            nonlocal done
            done += rows
            rate = done / (time.perf_counter() - started)
            update(completed=done, note=f"{done:,} rows {rate:,.0f} rows/s")

        yield show_rows


@contextlib.contextmanager
def _bar(
    console: "Console", description: str, total: int | None, *, transient: bool = False
) -> Iterator[Callable[..., None]]:
    """Show a bar with a note behind it; yield what changes it, with the arguments of rich's `Progress.update`."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    description_column, note_column = TextColumn("{task.description}"), TextColumn("{task.fields[note]}")
    columns = (description_column, BarColumn(), note_column, TimeRemainingColumn())
    with Progress(*columns, console=console, transient=transient) as bars:
        bar = bars.add_task(description, total=total, note="")
        yield functools.partial(bars.update, bar)


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
            listener(min(1.0, done / total) if total else 0.0)

    return tell
