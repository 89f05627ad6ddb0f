"""What a kill has torn is put right before Keras looks at it."""

import json
from pathlib import Path

import h5py
import pytest

from tasks.training.checkpoint import METADATA, STEPS, WEIGHTS, mend


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Epoch 3, and epoch 2 before it, of ten steps each."""
    for ending, epoch in (("", 3), (".bkp", 2)):
        with h5py.File(tmp_path / f"{WEIGHTS}{ending}", "w") as file:
            file[STEPS] = 10 * epoch
            file["weights"] = [float(epoch)] * 1000
        (tmp_path / f"{METADATA}{ending}").write_text(f'{{"epoch": {epoch}, "batch": 0}}')
    return tmp_path


def epochs(folder: Path) -> tuple[int, float]:
    with h5py.File(folder / WEIGHTS) as file:
        return json.loads((folder / METADATA).read_text())["epoch"], file["weights"][0]


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_a_whole_checkpoint_is_left_alone(folder: Path) -> None:
    assert mend(folder, steps=10) == 3
    assert epochs(folder) == (3, 3)


def test_for_a_torn_one_the_one_before_is_taken(folder: Path) -> None:
    tear(folder / WEIGHTS)
    assert mend(folder, steps=10) == 2
    assert epochs(folder) == (2, 2)


@pytest.mark.parametrize("metadata", ['{"epoch": 2, "batch": 0}', '{"epo', ""])
def test_a_kill_before_the_metadata_were_written_costs_nothing(folder: Path, metadata: str) -> None:
    (folder / METADATA).write_text(metadata)
    assert mend(folder, steps=10) == 3
    assert epochs(folder) == (3, 3)


def test_without_a_whole_one_there_is_none(folder: Path) -> None:
    tear(folder / WEIGHTS)
    tear(folder / f"{WEIGHTS}.bkp")
    assert mend(folder, steps=10) == 0
    assert not folder.exists()


def test_before_the_first_there_is_nothing_to_mend(tmp_path: Path) -> None:
    assert mend(tmp_path / "none", steps=10) == 0
    assert not (tmp_path / "none").exists()
