"""Early stopping remembers what it has seen, also across a kill."""

from pathlib import Path

import numpy as np

from tasks.training import networks
from tasks.training.best_epoch import BestEpoch


def epochs(*losses: float) -> list[dict[str, float]]:
    return [{"epoch": number, "val_loss": loss} for number, loss in enumerate(losses, start=1)]


def test_it_is_exhausted_when_nothing_better_came_for_as_long_as_its_patience(tmp_path: Path) -> None:
    assert not BestEpoch(tmp_path, 2, epochs(3, 1, 2)).exhausted
    assert BestEpoch(tmp_path, 2, epochs(3, 1, 2, 2)).exhausted
    assert not BestEpoch(tmp_path, 2, epochs(3, 1, 2, 0.5)).exhausted
    assert BestEpoch(tmp_path, 2, epochs(3, 1, 2, 2)).epoch == 2


def test_the_weights_of_the_best_epoch_come_back(tmp_path: Path) -> None:
    model = networks.build("lenet", dropout=0)
    best = BestEpoch(tmp_path / "best", patience=3)
    weights = {}
    for epoch, loss in enumerate((3.0, 1.0, 2.0), start=1):
        model.set_weights([array + epoch for array in model.get_weights()])
        weights[epoch] = model.get_weights()
        best.ended(model, epoch, loss)
    after_a_kill = BestEpoch(tmp_path / "best", 3, epochs(3, 1, 2))
    for one in (best, after_a_kill):
        one.restore(model)
        for restored, kept in zip(model.get_weights(), weights[2], strict=True):
            np.testing.assert_array_equal(restored, kept)


def test_a_best_epoch_that_a_kill_undid_leaves_the_one_before(tmp_path: Path) -> None:
    model = networks.build("lenet", dropout=0)
    best = BestEpoch(tmp_path / "best", patience=3)
    for epoch, loss in enumerate((3.0, 2.0, 1.0), start=1):
        best.ended(model, epoch, loss)
    # Killed before the checkpoint of epoch 3: the fit begins again with it, and nothing better comes.
    BestEpoch(tmp_path / "best", 3, epochs(3, 2)).restore(model)
    assert not (tmp_path / "best" / "epoch-1.weights.h5").exists()
