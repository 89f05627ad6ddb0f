"""What a kill has torn is put right before Keras looks at it, and early stopping remembers what it has seen."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from tasks.training import networks, resuming
from tasks.training.resuming import METADATA, STEPS, WEIGHTS, EarlyStopping, mend_checkpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Epoch 3, and epoch 2 before it, of ten steps each."""
    for ending, epoch in (("", 3), (".bkp", 2)):
        with h5py.File(tmp_path / f"{WEIGHTS}{ending}", "w") as file:
            file[STEPS] = 10 * epoch
            file["weights"] = [float(epoch)] * 1000
        (tmp_path / f"{METADATA}{ending}").write_text(f'{{"epoch": {epoch}, "batch": 0}}')
    return tmp_path


def restorable(folder: Path) -> tuple[int, float]:
    """Return the epoch that Keras would go on from, and a weight of it."""
    with h5py.File(folder / WEIGHTS) as file:
        return json.loads((folder / METADATA).read_text())["epoch"], file["weights"][0]


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_a_whole_checkpoint_is_left_alone(folder: Path) -> None:
    assert mend_checkpoint(folder, steps=10) == 3
    assert restorable(folder) == (3, 3)


def test_for_a_torn_one_the_one_before_is_taken(folder: Path) -> None:
    tear(folder / WEIGHTS)
    assert mend_checkpoint(folder, steps=10) == 2
    assert restorable(folder) == (2, 2)


@pytest.mark.parametrize("metadata", ['{"epoch": 2, "batch": 0}', '{"epo', ""])
def test_a_kill_before_the_metadata_were_written_costs_nothing(folder: Path, metadata: str) -> None:
    (folder / METADATA).write_text(metadata)
    assert mend_checkpoint(folder, steps=10) == 3
    assert restorable(folder) == (3, 3)


def test_without_a_whole_one_there_is_none(folder: Path) -> None:
    tear(folder / WEIGHTS)
    tear(folder / f"{WEIGHTS}.bkp")
    assert mend_checkpoint(folder, steps=10) == 0
    assert not folder.exists()


def test_before_the_first_there_is_nothing_to_mend_checkpoint(tmp_path: Path) -> None:
    assert mend_checkpoint(tmp_path / "none", steps=10) == 0
    assert not (tmp_path / "none").exists()


LOGS = {"loss": 2.0, "cross_entropy": 1.5, "accuracy": 0.5, "val_loss": 2.0, "val_cross_entropy": 1.25}


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Two epochs, and a line that a full disk has cut short."""
    path = tmp_path / "history.csv"
    for number in (0, 1):
        resuming.append_epoch(path, number, LOGS)
    path.write_text(path.read_text() + "2,0.9")
    return path


def test_an_epoch_is_read_as_it_was_appended_with_its_cross_entropies_as_losses(tmp_path: Path) -> None:
    assert resuming.read_history(tmp_path / "history.csv") == []
    resuming.append_epoch(tmp_path / "history.csv", 0, LOGS)
    expected = {"epoch": 1, "accuracy": 0.5, "loss": 1.5, "val_loss": 1.25}
    assert resuming.read_history(tmp_path / "history.csv") == [expected]


def test_a_history_is_cut_to_the_whole_epochs_that_the_checkpoint_has_seen(history: Path) -> None:
    lines = history.read_text().splitlines()
    resuming.cut_history(history, 3)
    assert history.read_text().splitlines() == lines[:3]
    resuming.cut_history(history, 1)
    assert history.read_text().splitlines() == lines[:2]
    resuming.cut_history(history, 0)
    assert not history.exists()
    resuming.cut_history(history, 0)


def test_a_kill_while_the_history_is_cut_costs_no_line_of_it(history: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(handle: int) -> None:
        raise KeyboardInterrupt

    before = history.read_text()
    monkeypatch.setattr("os.fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        resuming.cut_history(history, 1)
    assert history.read_text() == before


def test_the_best_epoch_has_the_lowest_validation_loss_and_is_the_last_where_none_was_judged() -> None:
    assert resuming.best_epoch(history_of(3, 1, 2)) == 2
    assert resuming.best_epoch([{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 2.0}]) == 2


def history_of(*losses: float) -> list[resuming.Epoch]:
    return [{"epoch": number, "val_loss": loss} for number, loss in enumerate(losses, start=1)]


def test_it_is_exhausted_when_nothing_better_came_for_as_long_as_its_patience(tmp_path: Path) -> None:
    assert not EarlyStopping(tmp_path, 2, history_of(3, 1, 2)).exhausted
    assert EarlyStopping(tmp_path, 2, history_of(3, 1, 2, 2)).exhausted
    assert not EarlyStopping(tmp_path, 2, history_of(3, 1, 2, 0.5)).exhausted
    assert EarlyStopping(tmp_path, 2, history_of(3, 1, 2, 2)).best == 2


def test_the_weights_of_the_best_epoch_come_back(tmp_path: Path) -> None:
    model = networks.build("lenet", dropout=0)
    best = EarlyStopping(tmp_path / "best", patience=3)
    weights = {}
    for epoch, loss in enumerate((3.0, 1.0, 2.0), start=1):
        model.set_weights([array + epoch for array in model.get_weights()])
        weights[epoch] = model.get_weights()
        best.record(model, epoch, loss)
    after_a_kill = EarlyStopping(tmp_path / "best", 3, history_of(3, 1, 2))
    for early in (best, after_a_kill):
        early.restore(model)
        for restored, kept in zip(model.get_weights(), weights[2], strict=True):
            np.testing.assert_array_equal(restored, kept)


def test_a_best_epoch_that_a_kill_undid_leaves_the_one_before(tmp_path: Path) -> None:
    model = networks.build("lenet", dropout=0)
    best = EarlyStopping(tmp_path / "best", patience=3)
    for epoch, loss in enumerate((3.0, 2.0, 1.0), start=1):
        best.record(model, epoch, loss)
    # Killed before the checkpoint of epoch 3: the fit begins again with it, and nothing better comes.
    EarlyStopping(tmp_path / "best", 3, history_of(3, 2)).restore(model)
    assert not (tmp_path / "best" / "epoch-1.weights.h5").exists()
