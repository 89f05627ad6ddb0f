"""Early stopping: the weights of the best epoch so far, kept on disk, and how long to wait for a better one.

Keras's EarlyStopping keeps both in memory, and so forgets them when a fit is killed.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.training.history import Epoch

if TYPE_CHECKING:
    import keras


class BestEpoch:
    """epoch: the one with the lowest validation loss, counted from 1; 0 before the first."""

    def __init__(self, folder: Path, patience: int, past: Sequence[Epoch] = ()) -> None:
        """folder: for the weights. past: epochs of an earlier, killed call, whose weights lie in the folder."""
        self._folder, self._patience = folder, patience
        self.epoch, self._loss, self._last = 0, math.inf, 0
        for epoch in past:
            self._better(int(epoch["epoch"]), epoch["val_loss"])

    @property
    def exhausted(self) -> bool:
        """Whether no better epoch has come for as long as the patience lasts."""
        return self._last - self.epoch >= self._patience

    def ended(self, model: "keras.Model", epoch: int, loss: float) -> None:
        """Judge an epoch by its validation loss; the weights of the best are written whole or not at all."""
        before = self.epoch
        if not self._better(epoch, loss):
            return
        self._folder.mkdir(exist_ok=True)
        new = self._folder / "new.weights.h5"
        model.save_weights(new)
        new.replace(self._weights(epoch))
        # The best one before stays: a fit that is killed now may begin again with the epoch that has just ended.
        for path in self._folder.glob("epoch-*"):
            if path not in (self._weights(epoch), self._weights(before)):
                path.unlink()

    def restore(self, model: "keras.Model") -> None:
        model.load_weights(self._weights(self.epoch))

    def _better(self, epoch: int, loss: float) -> bool:
        self._last = epoch
        if not loss < self._loss:
            return False
        self.epoch, self._loss = epoch, loss
        return True

    def _weights(self, epoch: int) -> Path:
        return self._folder / f"epoch-{epoch}.weights.h5"
