"""How a fit is watched: a bar on a terminal, a log line an epoch elsewhere."""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

log = logging.getLogger(__name__)


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
