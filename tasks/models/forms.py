"""The LiteRT forms of a Keras model: from pixels to logits, in float32 or int8."""

from typing import TYPE_CHECKING

import numpy as np

from tasks.silence import silence

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


def float32_form(model: "keras.Model") -> bytes:
    """Return the .tflite file of a model, computing in float32."""
    with silence():
        return _converter(model).convert()


def int8_form(model: "keras.Model", typical: np.ndarray) -> bytes:
    """Return the .tflite file of a model, from uint8 pixels to float32 logits, weights and activations in int8.

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
