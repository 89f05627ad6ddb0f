"""The networks: each one readable list of layers from an image (28, 28, 1), 0–255, to ten probabilities.

A network scales the pixels itself, so that training, LiteRT and whoever loads `model.keras` cannot do it differently.
"""

from typing import TYPE_CHECKING

from tasks.digits import CLASSES, SIDE

if TYPE_CHECKING:
    import keras


def fast() -> "keras.Sequential":
    """A strided first convolution keeps it cheap, batch norm lets it learn at high rates; 136,106 parameters.

    The unpadded convolutions shrink 28 → 12 → 10 → 8 → (pool) 4 → 2 pixels a side.
    """
    from keras import Sequential, layers

    def convolution(filters: int, size: int, stride: int = 1) -> list["keras.Layer"]:
        return [
            layers.Conv2D(filters, size, strides=stride, use_bias=False),
            # Keras's 0.99 lags behind by most of an epoch where an epoch has few steps.
            layers.BatchNormalization(momentum=0.9),
            layers.Activation("relu"),
        ]

    return Sequential(
        [
            layers.Input((SIDE, SIDE, 1)),
            layers.Rescaling(1 / 255),
            *convolution(32, 5, stride=2),
            *convolution(64, 3),
            *convolution(64, 3),
            layers.MaxPooling2D(),
            *convolution(128, 3),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(CLASSES, name="logits"),
            layers.Softmax(name="probabilities"),
        ],
        name="fast",
    )


NETWORKS = {"fast": fast}
