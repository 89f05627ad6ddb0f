"""Fitted Keras models: loading, answers, and the LiteRT forms of them."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.data.digits import SIDE
from tasks.errors import PackageError
from tasks.silence import silence

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

PREDICTION_BATCH = 1000  # images


def start_tensorflow() -> None:
    """Import TensorFlow without what it tells of graphics cards that are not there, whatever its log level says."""
    if "tensorflow" not in sys.modules:
        with silence():
            import keras  # noqa: F401


def load(path: Path) -> "keras.Model":
    """The model of a .keras file. Code inside it (Lambda layers) is refused by Keras's safe mode.

    Raises: PackageError for another ending: in HDF5 a model may hold pickled code.
    """
    if path.suffix != ".keras":
        raise PackageError("a model of this kind is not opened", file=path.name, expected="a .keras file")
    start_tensorflow()
    import keras

    return keras.models.load_model(path, compile=False, safe_mode=True)


def predict(model: "keras.Model", images: np.ndarray) -> np.ndarray:
    """Keras's own answers: probabilities float32 (n, 10) of images uint8 (n, 28, 28)."""
    batches = (images[start : start + PREDICTION_BATCH] for start in range(0, len(images), PREDICTION_BATCH))
    return np.concatenate([model.predict_on_batch(batch[..., None].astype(np.float32)) for batch in batches])


def averaged(members: "Sequence[keras.Model]") -> "keras.Model":
    """One model whose logits are the mean of its members'."""
    import keras

    given = keras.Input((SIDE, SIDE, 1))
    networks = [
        keras.Model(member.inputs, member.get_layer("logits").output, name=f"member-{number}")
        for number, member in enumerate(members, start=1)
    ]
    mean = keras.layers.Average(name="logits")([network(given) for network in networks])
    return keras.Model(given, keras.layers.Softmax(name="probabilities")(mean), name="members")


def float32_form(model: "keras.Model") -> bytes:
    """The .tflite file of a model, from pixels to logits, computing in float32."""
    with silence():
        return _converter(model).convert()


def int8_form(model: "keras.Model", typical: np.ndarray) -> bytes:
    """The .tflite file of a model, from uint8 pixels to float32 logits, weights and activations in int8.

    typical: uint8 (n, 28, 28), training images that the ranges of the activations are read from.
    """
    import tensorflow as tf

    converter = _converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None, ..., None].astype(np.float32)] for image in typical)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    with silence():
        return converter.convert()


def _converter(model: "keras.Model") -> "tf.lite.TFLiteConverter":
    import keras
    import tensorflow as tf

    return tf.lite.TFLiteConverter.from_keras_model(keras.Model(model.inputs, model.get_layer("logits").output))
