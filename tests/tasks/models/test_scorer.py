"""A file that is no model of digits is refused in a line, whatever its checksum says."""

from pathlib import Path

import numpy as np
import pytest

from tasks.errors import PackageError
from tasks.models.scorer import Scorer
from tests.conftest import Chain


@pytest.mark.parametrize("as_bytes", [False, True])
@pytest.mark.parametrize("kept", [0, 100, 5000])
def test_a_file_that_is_no_model_is_told(chain: Chain, tmp_path: Path, kept: int, as_bytes: bool) -> None:
    content = (chain.package.path / "float32.tflite").read_bytes()[:kept]
    path = tmp_path / "float32.tflite"
    path.write_bytes(content)
    with pytest.raises(PackageError) as error:
        Scorer(content if as_bytes else path)
    name = "the model" if as_bytes else str(path)
    assert str(error.value).startswith(
        f"{name}: the model cannot be read; expected a .tflite file of a package; received "
    )


def test_a_model_of_something_else_is_told(tmp_path: Path) -> None:
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32)])
    def double(values: tf.Tensor) -> tf.Tensor:
        return values * 2

    path = tmp_path / "double.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([double.get_concrete_function()]).convert())
    with pytest.raises(PackageError) as error:
        Scorer(path)
    assert str(error.value) == (
        f"{path}: the model is not one of digits; expected images of 28 x 28 x 1 in and 10 logits out; "
        "received [1, 4] in and [1, 4] out"
    )


def test_a_model_that_cannot_be_run_is_told() -> None:
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((None, 28, 28, 1), tf.float32)])
    def of_one_image(images: tf.Tensor) -> tf.Tensor:
        return tf.reshape(images, (1, 784))[:, :10]

    model = tf.lite.TFLiteConverter.from_concrete_functions([of_one_image.get_concrete_function()]).convert()
    with pytest.raises(PackageError) as error:
        Scorer(model).logits(np.zeros((2, 28, 28), np.uint8))
    assert str(error.value).startswith(
        "the model: the model cannot be run; expected a model that answers any number of images; received "
    )
