"""What a kill has torn is put right before Keras looks at it."""

from pathlib import Path

import h5py
import pytest

from tasks.checkpoint import METADATA, WEIGHTS, mend


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Epoch 3, and epoch 2 before it."""
    for ending, epoch in (("", 3), (".bkp", 2)):
        with h5py.File(tmp_path / f"{WEIGHTS}{ending}", "w") as file:
            file["weights"] = [float(epoch)] * 1000
        (tmp_path / f"{METADATA}{ending}").write_text(f'{{"epoch": {epoch}}}')
    return tmp_path


def epochs(folder: Path) -> tuple[str, float]:
    with h5py.File(folder / WEIGHTS) as file:
        return (folder / METADATA).read_text(), file["weights"][0]


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_a_whole_checkpoint_is_left_alone(folder: Path) -> None:
    mend(folder)
    assert epochs(folder) == ('{"epoch": 3}', 3)


@pytest.mark.parametrize("torn", [WEIGHTS, METADATA])
def test_for_a_torn_one_the_one_before_is_taken(folder: Path, torn: str) -> None:
    tear(folder / torn)
    mend(folder)
    assert epochs(folder) == ('{"epoch": 2}', 2)


def test_without_a_whole_one_there_is_none(folder: Path) -> None:
    tear(folder / WEIGHTS)
    (folder / f"{METADATA}.bkp").write_text("")
    mend(folder)
    assert not folder.exists()


def test_before_the_first_there_is_nothing_to_mend(tmp_path: Path) -> None:
    mend(tmp_path / "none")
    assert not (tmp_path / "none").exists()
