"""The files that a killed fit goes on from: its checkpoint, its learning curve, the weights of its best epoch."""

import csv
import io
import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.store.files import move, sync, written_whole

if TYPE_CHECKING:
    import keras

log = logging.getLogger(__name__)

# The checkpoint: files of Keras's BackupAndRestore, which keeps the last whole epoch, and the one before as `….bkp`.
WEIGHTS, METADATA = "latest.weights.h5", "training_metadata.json"
STEPS = "optimizer/vars/0"  # Keras's counter of the steps that an optimizer has made

Epoch = dict[str, float]


def mend_checkpoint(folder: Path, steps: int) -> int:
    """Leave in the folder what can be restored: the last checkpoint, else the one before it, else nothing.

    Returns the number of whole epochs, of so many steps each, that the checkpoint has seen. A kill in the middle of
    writing tears a file, and one between Keras's two files leaves weights of an epoch that its metadata do not know;
    the weights know it.
    """
    if not folder.exists():
        return 0
    weights, earlier = folder / WEIGHTS, folder / f"{WEIGHTS}.bkp"
    seen = _steps_seen(weights)
    if seen is None:
        seen = _steps_seen(earlier)
        if seen is None:
            shutil.rmtree(folder)
            log.warning("the checkpoint is damaged, the fit starts again")
            return 0
        shutil.copyfile(earlier, weights)
        log.warning("the last checkpoint is damaged, the fit goes on from the one before")
    done = seen // steps
    (folder / METADATA).write_text(json.dumps({"epoch": done, "batch": 0}))
    log.info("the fit goes on after epoch %d", done)
    return done


def _steps_seen(weights: Path) -> int | None:
    """Return how many steps weights have been through, None where the file cannot be read."""
    import h5py

    try:
        with h5py.File(weights) as file:
            return int(file[STEPS][()])
    except (OSError, KeyError):
        return None


def read_history(path: Path) -> list[Epoch]:
    """Read the learning curve of a fit, a CSV file with a line for each epoch as Keras's CSVLogger writes it.

    Returns no epochs where there is no file; of an epoch that was repeated the last line. A line that a full disk has
    cut short does not count.

    Each epoch has its number (`epoch`, from 1), loss, accuracy, what it cost in cpu_seconds and wall_seconds and, where
    it was judged, val_loss and val_accuracy. The losses are plain cross-entropy, also where the fit minimises something
    else.
    """
    return [_epoch(number, line) for number, line in sorted(_lines(path).items())]


def cut_history(path: Path, epochs: int) -> None:
    """Leave in the file, if there is one, no more than so many epochs, each once, as they were written."""
    kept = [line for number, line in _lines(path).items() if number < epochs]
    if not kept:
        path.unlink(missing_ok=True)
        return
    with written_whole(path) as file:
        file.write(_as_csv(kept))


def write_history(path: Path, history: Sequence[Epoch]) -> None:
    """Write a learning curve, its epochs counted from 0 as CSVLogger does."""
    path.write_bytes(_as_csv([epoch | {"epoch": int(epoch["epoch"]) - 1} for epoch in history]))


def best_epoch(history: Sequence[Epoch]) -> int:
    """Return the number of the epoch with the lowest validation loss; of the last where none was judged."""
    judged = [epoch for epoch in history if "val_loss" in epoch]
    best = min(judged, key=lambda epoch: epoch["val_loss"]) if judged else history[-1]
    return int(best["epoch"])


def _lines(path: Path) -> dict[int, dict[str, str]]:
    """Read the whole lines of a learning curve, by the number of their epoch, from 0."""
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        return {int(line["epoch"]): line for line in csv.DictReader(file) if None not in line.values()}


def _epoch(number: int, line: Mapping[str, str]) -> Epoch:
    # CSVLogger has NA for what was not judged.
    values = {name: float(text) for name, text in line.items() if name != "epoch" and text != "NA"}
    for prefix in ("", "val_"):
        if f"{prefix}cross_entropy" in values:
            values[f"{prefix}loss"] = values.pop(f"{prefix}cross_entropy")
    return {"epoch": number + 1, **values}


def _as_csv(lines: Sequence[Mapping[str, object]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, lines[0])
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue().encode()


class EarlyStopping:
    """Keeps the weights of the best epoch so far on disk, and knows when to stop waiting for a better one.

    Keras's own EarlyStopping keeps both in memory, and so forgets them when a fit is killed.
    """

    def __init__(self, folder: Path, patience: int, history: Sequence[Epoch] = ()) -> None:
        """folder: for the weights. history: epochs of an earlier, killed call, whose weights lie in the folder."""
        self._folder, self._patience = folder, patience
        self._losses = {int(epoch["epoch"]): epoch["val_loss"] for epoch in history}

    @property
    def best(self) -> int:
        """The epoch with the lowest validation loss, counted from 1; 0 before the first."""
        return min(self._losses, key=self._losses.__getitem__, default=0)

    @property
    def exhausted(self) -> bool:
        """True once no better epoch has come for as long as the patience lasts."""
        return max(self._losses, default=0) - self.best >= self._patience

    def record(self, model: "keras.Model", epoch: int, loss: float) -> None:
        """Judge an epoch by its validation loss; the weights of the best are written whole or not at all."""
        before = self.best
        self._losses[epoch] = loss
        if self.best != epoch:
            return
        self._folder.mkdir(exist_ok=True)
        draft = self._folder / "draft.weights.h5"
        model.save_weights(draft)
        sync(draft)
        move(draft, self._weights(epoch))
        # The best one before stays: a fit that is killed now may begin again with the epoch that has just ended.
        for path in self._folder.glob("epoch-*"):
            if path not in (self._weights(epoch), self._weights(before)):
                path.unlink()

    def restore(self, model: "keras.Model") -> None:
        """Give a model the weights of the best epoch."""
        model.load_weights(self._weights(self.best))

    def _weights(self, epoch: int) -> Path:
        return self._folder / f"epoch-{epoch}.weights.h5"
