"""Random changes of training images, as TensorFlow operations on whole batches."""

import math
from typing import TYPE_CHECKING

from tasks.digits import SIDE

if TYPE_CHECKING:
    import tensorflow as tf

    from tasks.recipes import Augmentation


def augment(images: "tf.Tensor", seed: "tf.Tensor", ranges: "Augmentation") -> "tf.Tensor":
    """Rotate, zoom, shear and shift each image by its own random amounts, in one interpolation.

    images: float32 (n, 28, 28, 1). seed: int (2,); the same seed gives the same changes. Returns the same shape.
    """
    import tensorflow as tf

    draws = tf.random.stateless_uniform((6, tf.shape(images)[0]), seed, -1.0, 1.0)
    angle = draws[0] * math.radians(ranges.rotation)
    shear = draws[1] * ranges.shear
    width, height = 1 + draws[2] * ranges.zoom, 1 + draws[3] * ranges.zoom
    right, down = draws[4] * ranges.shift, draws[5] * ranges.shift
    # Where in the old image each pixel of the new one comes from: [x, y] = [[a, b], [d, e]] · [x', y'] + [c, f].
    a, b = width * tf.cos(angle), shear - height * tf.sin(angle)
    d, e = width * tf.sin(angle), height * tf.cos(angle)
    centre = (SIDE - 1) / 2
    c = centre - centre * (a + b) + right
    f = centre - centre * (d + e) + down
    flat = tf.zeros_like(a)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([a, b, c, d, e, f, flat, flat], axis=1),
        output_shape=[SIDE, SIDE],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
