"""How long work is watched: a bar on a terminal, log lines elsewhere."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

log = logging.getLogger(__name__)

EVERY = 10  # seconds between two lines


@contextlib.contextmanager
def progress(epochs: int, steps: int) -> "Iterator[keras.callbacks.Callback]":
    """A Keras callback that shows how far a fit of so many epochs of so many steps has come."""
    import keras
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: log.info("epoch %d of %d: %s", epoch + 1, epochs, _words(logs))
        )
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
        yield keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: bars.update(
                bar, completed=epoch * steps, description=f"epoch {epoch + 1} of {epochs}"
            ),
            on_train_batch_end=lambda batch, logs: bars.advance(bar),
            on_epoch_end=lambda epoch, logs: bars.update(bar, scores=_words(logs)),
        )


def _words(logs: Mapping[str, float]) -> str:
    if "val_accuracy" not in logs:
        return f"training accuracy {logs['accuracy']:.2%}, loss {logs['cross_entropy']:.4f}"
    return f"validation accuracy {logs['val_accuracy']:.2%}, loss {logs['val_cross_entropy']:.4f}"


@contextlib.contextmanager
def rows_progress(total: int | None) -> Iterator[Callable[[int], None]]:
    """What to call with each number of rows that are done; total: about how many there are, None where nobody knows."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _line_now_and_then(total)
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


def _line_now_and_then(total: int | None) -> Callable[[int], None]:
    done, started = 0, time.perf_counter()
    last = started

    def tell(rows: int) -> None:
        nonlocal done, last
        done += rows
        now = time.perf_counter()
        if now - last >= EVERY:
            last = now
            of = f" of about {total:,}" if total else ""
            log.info("%s%s rows scored, %s a second", f"{done:,}", of, f"{done / (now - started):,.0f}")

    return tell
