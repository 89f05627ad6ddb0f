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


def test_a_model_with_code_in_it_is_refused(tmp_path: Path) -> None:
    import keras

    path = tmp_path / "model.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda values: values * 2)]).save(path)
    with pytest.raises(PackageError) as error:
        load(path)
    assert str(error.value).startswith(
        "model.keras: the model cannot be opened; expected a whole .keras file without code of its own, which a Lambda "
        "layer is; received "
    )


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04"])
def test_a_file_that_is_no_keras_model_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.keras").write_bytes(content)
    with pytest.raises(PackageError, match=r"model\.keras: the model cannot be opened; expected a whole \.keras file"):
        load(tmp_path / "model.keras")
