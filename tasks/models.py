"""Fitted Keras models: loading, answers, and the LiteRT forms of them."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.digits import SIDE
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
    """The model of a .keras file. Code inside it (Lambda layers) is refused by Keras's safe mode."""
    start_tensorflow()
    import keras

    return keras.models.load_model(path, compile=False, safe_mode=True)


def predict(model: "keras.Model", images: np.ndarray) -> np.ndarray:
    """Keras's own answers: probabilities float32 (n, 10) of images uint8 (n, 28, 28)."""
    batches = (images[start : start + PREDICTION_BATCH] for start in range(0, len(images), PREDICTION_BATCH))
    return np.concatenate([model.predict_on_batch(batch[..., None].astype(np.float32)) for batch in batches])


def averaged(members: "Sequence[keras.Model]", views: int = 0) -> "keras.Model":
    """One model whose logits are the mean of its members'.

    views: pixels by which each image is also shown shifted, up, down, left and right; 0: only as it is.
    """
    import keras

    given = keras.Input((SIDE, SIDE, 1))
    shown = [given]
    if views:
        padded = keras.layers.ZeroPadding2D(views)(given)
        for down, right in ((0, 1), (2, 1), (1, 0), (1, 2)):
            cropping = ((down * views, (2 - down) * views), (right * views, (2 - right) * views))
            shown.append(keras.layers.Cropping2D(cropping)(padded))
    networks = [
        keras.Model(member.inputs, member.get_layer("logits").output, name=f"member-{number}")
        for number, member in enumerate(members, start=1)
    ]
    logits = [network(view) for network in networks for view in shown]
    mean = keras.layers.Average(name="logits")(logits)
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
