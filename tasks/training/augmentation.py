"""Random changes of training images, as TensorFlow operations on whole batches."""

import math
from typing import TYPE_CHECKING

from tasks.data.digits import SIDE

if TYPE_CHECKING:
    import tensorflow as tf

    from tasks.training.recipes import Augmentation

CENTRE = (SIDE - 1) / 2
# Nodes a side of the grid whose random displacements are smoothed to an elastic one: one in about five pixels.
GRID = 6
PHOTOMETRIC = 0.5  # share of the images that lose contrast and get noise


def augment(images: "tf.Tensor", seed: "tf.Tensor", ranges: "Augmentation") -> "tf.Tensor":
    """Rotate, zoom, shear, shift and bend each image by its own random amounts, in one interpolation; then dim it.

    images: float32 (n, 28, 28, 1), 0–255. seed: int (2,); the same seed gives the same changes. Returns the same shape.
    """
    import tensorflow as tf

    seed = tf.convert_to_tensor(seed)
    matrix = _affine(images, seed, ranges)
    moved = _bend(images, matrix, seed, ranges.elastic) if ranges.elastic else _move(images, matrix)
    return _dim(moved, seed, ranges) if ranges.contrast or ranges.noise else moved


def _affine(images: "tf.Tensor", seed: "tf.Tensor", ranges: "Augmentation") -> "list[tf.Tensor]":
    """Draw the map from pixels of the new image to those of the old: [x, y] = [[a, b], [d, e]] · [x', y'] + [c, f].

    Returns a, b, c, d, e, f, float32 (n,) each.
    """
    import tensorflow as tf

    draws = tf.random.stateless_uniform((6, tf.shape(images)[0]), seed, -1.0, 1.0)
    angle = draws[0] * math.radians(ranges.rotation)
    shear = draws[1] * ranges.shear
    width, height = 1 + draws[2] * ranges.zoom, 1 + draws[3] * ranges.zoom
    right, down = draws[4] * ranges.shift, draws[5] * ranges.shift
    a, b = width * tf.cos(angle), shear - height * tf.sin(angle)
    d, e = width * tf.sin(angle), height * tf.cos(angle)
    return [a, b, CENTRE - CENTRE * (a + b) + right, d, e, CENTRE - CENTRE * (d + e) + down]


def _move(images: "tf.Tensor", matrix: "list[tf.Tensor]") -> "tf.Tensor":
    """Move the images by the matrix."""
    import tensorflow as tf

    flat = tf.zeros_like(matrix[0])
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([*matrix, flat, flat], axis=1),
        output_shape=[SIDE, SIDE],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )


def _bend(images: "tf.Tensor", matrix: "list[tf.Tensor]", seed: "tf.Tensor", elastic: float) -> "tf.Tensor":
    """Move the images by the matrix and by a smooth random displacement of every pixel."""
    import tensorflow as tf

    count = tf.shape(images)[0]
    nodes = tf.random.stateless_normal((count, GRID, GRID, 2), seed + 1, stddev=elastic)
    displacement = tf.image.resize(nodes, (SIDE, SIDE), "bicubic")
    across, down = tf.meshgrid(tf.range(float(SIDE)), tf.range(float(SIDE)))
    a, b, c, d, e, f = (value[:, None, None] for value in matrix)
    # Pixels from outside are taken from the border, which is empty.
    x = tf.clip_by_value(a * across + b * down + c + displacement[..., 0], 0.0, SIDE - 1.001)
    y = tf.clip_by_value(d * across + e * down + f + displacement[..., 1], 0.0, SIDE - 1.001)
    left, top = tf.floor(x), tf.floor(y)
    x, y = x - left, y - top
    corner = tf.cast(top * SIDE + left, tf.int32)
    pixels = tf.reshape(images, (count, SIDE * SIDE))

    def neighbour(offset: int) -> "tf.Tensor":
        return tf.gather(pixels, corner + offset, batch_dims=1)

    upper = neighbour(0) * (1 - x) + neighbour(1) * x
    lower = neighbour(SIDE) * (1 - x) + neighbour(SIDE + 1) * x
    return (upper * (1 - y) + lower * y)[..., None]


def _dim(images: "tf.Tensor", seed: "tf.Tensor", ranges: "Augmentation") -> "tf.Tensor":
    """Take contrast away, leaving pale ink on a gray ground, and add the noise of a sensor."""
    import tensorflow as tf

    draws = tf.random.stateless_uniform((4, tf.shape(images)[0], 1, 1, 1), seed + 2)
    changed = tf.cast(draws[0] < PHOTOMETRIC, tf.float32)
    lost = changed * ranges.contrast * draws[1]
    ground = 255 * lost * draws[2]
    noise = 255 * changed * ranges.noise * draws[3] * tf.random.stateless_normal(tf.shape(images), seed + 3)
    return tf.clip_by_value(images * (1 - lost) + ground + noise, 0.0, 255.0)
