"""The networks: one list of layers each, from an image (28, 28, 1), 0–255, to ten probabilities.

A network scales the pixels itself, so that training, LiteRT and whoever loads `model.keras` cannot do it differently.
Its last layers are `logits`, where the packaged model ends, and `probabilities`. Each function takes the share that
dropout drops.
The numbers of parameters are those of the layers' weights, batch norm's averages included.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from tasks.data.digits import CLASSES, SIDE
from tasks.errors import FitError

if TYPE_CHECKING:
    import keras

Layers = list["keras.Layer"]


def build(name: str, dropout: float) -> "keras.Sequential":
    """Build the network of a name, with new weights. Raises: FitError if it does not fit the images or the classes."""
    import keras

    try:
        network = keras.Sequential(
            [
                keras.layers.Input((SIDE, SIDE, 1)),
                keras.layers.Rescaling(1 / 255),
                *NETWORKS[name](dropout),
            ],
            name=name,
        )
    except ValueError as error:
        raise FitError(
            f"the network {name!r} does not fit the images",
            expected=f"layers that take ({SIDE}, {SIDE}, 1)",
            received=str(error),
        ) from error
    ends = [layer.name for layer in network.layers[-2:]]
    if network.output_shape != (None, CLASSES) or ends != ["logits", "probabilities"]:
        raise FitError(
            f"the network {name!r} does not fit the classes",
            expected=f"layers logits and probabilities last, {CLASSES} values each",
            received=f"{' and '.join(ends)}, {network.output_shape[1:]}",
        )
    return network


def mlp_sigmoid(dropout: float) -> Layers:
    """Perceptron 512–128–10, sigmoid throughout, the last layer included; 468,874 parameters."""
    from keras import layers

    return [
        layers.Flatten(),
        layers.Dense(512, activation="sigmoid"),
        layers.Dense(128, activation="sigmoid"),
        layers.Dropout(dropout),
        layers.Dense(CLASSES),
        # A sigmoid in two steps, so that the softmax of these logits gives the sigmoids in their proportion.
        layers.Activation("log_sigmoid", name="logits"),
        layers.Activation("exponential", name="probabilities"),
    ]


def mlp_relu(dropout: float) -> Layers:
    """Perceptron 512–512–10 with ReLU and dropout behind each hidden layer; 669,706 parameters."""
    from keras import layers

    return [
        layers.Flatten(),
        layers.Dense(512, activation="relu"),
        layers.Dropout(dropout),
        layers.Dense(512, activation="relu"),
        layers.Dropout(dropout),
        *_answer(),
    ]


def lenet(dropout: float) -> Layers:
    """LeNet-5 (LeCun et al., Proc. IEEE 86, 1998) with fully connected second convolution; 61,706 parameters."""
    from keras import layers

    return [
        layers.Conv2D(6, 5, padding="same", activation="tanh"),
        layers.AveragePooling2D(2),
        layers.Conv2D(16, 5, activation="tanh"),
        layers.AveragePooling2D(2),
        layers.Flatten(),
        layers.Dense(120, activation="tanh"),
        layers.Dense(84, activation="tanh"),
        layers.Dropout(dropout),
        *_answer(),
    ]


def cnn_basic(dropout: float) -> Layers:
    """Convolutions 32-64-128 with pooling behind the first two, then dense 256; 390,410 parameters."""
    from keras import layers

    return [
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(128, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(256, activation="relu"),
        layers.Dropout(dropout),
        *_answer(),
    ]


def cnn_augmented(dropout: float) -> Layers:
    """Two pairs of convolutions, pooling and dropout behind each, then dense 256; 329,962 parameters.

    The convolutional part drops half of what the dense one does.
    """
    from keras import layers

    return [
        layers.Conv2D(32, 3, activation="relu"),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Dropout(dropout / 2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Dropout(dropout / 2),
        layers.Flatten(),
        layers.Dense(256, activation="relu"),
        layers.Dropout(dropout),
        *_answer(),
    ]


def mobilenetv2_small(dropout: float) -> Layers:
    """MobileNetV2 (Sandler et al., arXiv 1801.04381) of six blocks, 14 → 7 → 4 pixels a side; 45,754 parameters."""
    from keras import layers

    return [
        *_convolution(16, 3, stride=2, padding="same"),
        _inverted_residual(16, 16),
        _inverted_residual(16, 24, stride=2),
        _inverted_residual(24, 24),
        _inverted_residual(24, 40, stride=2),
        _inverted_residual(40, 40),
        *_convolution(160, 1),
        layers.GlobalAveragePooling2D(),
        layers.Dropout(dropout),
        *_answer(),
    ]


def fast(dropout: float) -> Layers:
    """A strided first convolution keeps it cheap, batch norm lets it learn at high rates; 136,106 parameters.

    The unpadded convolutions shrink 28 → 12 → 10 → 8 → (pool) 4 → 2 pixels a side.
    """
    from keras import layers

    return [
        *_convolution(32, 5, stride=2),
        *_convolution(64, 3),
        *_convolution(64, 3),
        layers.MaxPooling2D(),
        *_convolution(128, 3),
        layers.Flatten(),
        layers.Dropout(dropout),
        *_answer(),
    ]


def first(dropout: float) -> Layers:
    """The first reader of a cascade: 188,000 multiplications an image, where `fast` has 4.6 million; 9,074 parameters.

    The unpadded convolutions shrink 28 → 12 → 10 → (pool) 5 → 3 pixels a side.
    """
    from keras import layers

    return [
        *_convolution(8, 5, stride=2),
        *_convolution(16, 3),
        layers.MaxPooling2D(),
        *_convolution(32, 3),
        layers.Flatten(),
        layers.Dropout(dropout),
        *_answer(),
    ]


def _answer() -> Layers:
    from keras import layers

    return [layers.Dense(CLASSES, name="logits"), layers.Softmax(name="probabilities")]


def _convolution(filters: int, size: int, stride: int = 1, padding: str = "valid") -> Layers:
    """Convolution, batch norm, ReLU."""
    from keras import layers

    return [
        layers.Conv2D(filters, size, strides=stride, padding=padding, use_bias=False),
        # Keras's 0.99 lags behind by most of an epoch where an epoch has few steps.
        layers.BatchNormalization(momentum=0.9),
        layers.Activation("relu"),
    ]


def _inverted_residual(channels: int, filters: int, stride: int = 1) -> "keras.Model":
    """Widen fourfold by a 1 × 1 convolution, filter each channel by itself, narrow again; add the input if it fits."""
    from keras import Model, layers

    block_input = layers.Input((None, None, channels))
    inner = [
        *_convolution(4 * channels, 1),
        layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False),
        layers.BatchNormalization(momentum=0.9),
        layers.Activation("relu"),
        layers.Conv2D(filters, 1, use_bias=False),
        layers.BatchNormalization(momentum=0.9),
    ]
    output = block_input
    for layer in inner:
        output = layer(output)
    if stride == 1 and channels == filters:
        output = layers.Add()([block_input, output])
    return Model(block_input, output)


NETWORKS: dict[str, Callable[[float], Layers]] = {
    "mlp-sigmoid": mlp_sigmoid,
    "mlp-relu": mlp_relu,
    "lenet": lenet,
    "cnn-basic": cnn_basic,
    "cnn-augmented": cnn_augmented,
    "mobilenetv2-small": mobilenetv2_small,
    "fast": fast,
    "first": first,
}
