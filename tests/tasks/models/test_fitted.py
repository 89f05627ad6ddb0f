"""What is opened as a model, and what is not."""

from pathlib import Path

import pytest

from tasks.errors import PackageError
from tasks.models.fitted import load


@pytest.mark.parametrize("name", ["model.h5", "model.hdf5", "model.pkl", "model"])
def test_only_keras_files_are_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x89HDF")
    with pytest.raises(PackageError, match=rf"{name}: a model of this kind is not opened; expected a \.keras file"):
        load(tmp_path / name)


def test_code_inside_a_model_is_refused(tmp_path: Path) -> None:
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x + 1)])
    model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="unsafe"):
        load(tmp_path / "model.keras")
