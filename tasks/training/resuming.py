"""The files that a killed fit goes on from: its checkpoint, its learning curve, the weights of its best epoch."""

import csv
import errno
import io
import json
import logging
import os
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


def check_space(folder: Path, model: "keras.Model") -> None:
    """Raise OSError where a disk has no room for a checkpoint and the best weights: HDF5 may crash where it is full."""
    # Four bytes a weight, thrice with what an optimizer keeps of it, and twice that for what is being replaced.
    needed = 6 * 4 * model.count_params() + 1_000_000
    if shutil.disk_usage(folder).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


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


def append_epoch(path: Path, number: int, logs: Mapping[str, float]) -> None:
    """Append an epoch to the learning curve of a fit, a CSV file with a line for each epoch.

    number: from 0. logs: those of Keras; of each loss the plain cross-entropy is written, as what the fit minimises
        differs between recipes.
    """
    figures = dict(logs)
    for prefix in ("", "val_"):
        if f"{prefix}cross_entropy" in figures:
            figures[f"{prefix}loss"] = figures.pop(f"{prefix}cross_entropy")
    line = {"epoch": number, **dict(sorted(figures.items()))}
    begins = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, line)
        if begins:
            writer.writeheader()
        writer.writerow(line)


def read_history(path: Path | None) -> list[Epoch]:
    """Read the learning curve of a fit; it has no epochs where there is no file, as for a combined model.

    Each epoch has its number (`epoch`, from 1), loss, accuracy, what it cost in cpu_seconds and wall_seconds and, where
    it was judged, val_loss and val_accuracy.
    """
    epochs = [{name: float(text) for name, text in line.items()} for line in _lines(path)]
    return [epoch | {"epoch": int(epoch["epoch"]) + 1} for epoch in epochs]


def cut_history(path: Path, epochs: int) -> None:
    """Leave in the file, if there is one, no more than so many epochs, and no line that a full disk has cut short."""
    kept = [line for line in _lines(path) if int(line["epoch"]) < epochs]
    if not kept:
        path.unlink(missing_ok=True)
        return
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, kept[0])
    writer.writeheader()
    writer.writerows(kept)
    with written_whole(path) as file:
        file.write(text.getvalue().encode())


def best_epoch(history: Sequence[Epoch]) -> int:
    """Return the number of the epoch with the lowest validation loss; of the last where none was judged."""
    judged = [epoch for epoch in history if "val_loss" in epoch]
    best = min(judged, key=lambda epoch: epoch["val_loss"]) if judged else history[-1]
    return int(best["epoch"])


def _lines(path: Path | None) -> list[dict[str, str]]:
    """Read the whole lines of a learning curve."""
    if path is None or not path.exists():
        return []
    with path.open(newline="") as file:
        return [line for line in csv.DictReader(file) if None not in line.values()]


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
