"""A recipe in Keras's terms: batches, a compiled network, a rate for every step."""

from typing import TYPE_CHECKING

from tasks.data import digits
from tasks.data.digits import Digits
from tasks.training import networks
from tasks.training.augmentation import augment
from tasks.training.recipes import Recipe

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

EVALUATION_BATCH = 500  # images; larger ones only cost memory


def steps_of(recipe: Recipe, images: int) -> int:
    """Return the number of steps in an epoch.

    There is no last batch of a few images: it would count as much in batch norm as a full one.
    """
    return images // min(recipe.batch, images)


def training_batches(recipe: Recipe, training: Digits, epochs: range) -> "tf.data.Dataset":
    """Return shuffled, augmented batches of these epochs: images float32 (batch, 28, 28, 1), 0–255, one-hot labels.

    Order and augmentation of an epoch depend only on the seed and its number, so that a fit which goes on after a kill
    is shown the same as without it.
    """
    import tensorflow as tf

    images = tf.constant(training.images[..., None])
    labels = tf.one_hot(training.known_labels, digits.CLASSES)
    rows = tf.range(len(training), dtype=tf.int64)
    steps, size = steps_of(recipe, len(training)), min(recipe.batch, len(training))

    def seed_of(number: "tf.Tensor") -> "tf.Tensor":
        return tf.stack([tf.cast(recipe.seed, tf.int64), number])

    def epoch(number: "tf.Tensor") -> "tf.data.Dataset":
        order = tf.random.experimental.stateless_shuffle(rows, seed=seed_of(number))
        batches = tf.data.Dataset.from_tensor_slices(order).batch(size, drop_remainder=True)
        return tf.data.Dataset.zip(tf.data.Dataset.range(number * steps, (number + 1) * steps), batches)

    def batch(step: "tf.Tensor", rows: "tf.Tensor") -> "tuple[tf.Tensor, tf.Tensor]":
        shown = tf.cast(tf.gather(images, rows), tf.float32)
        return augment(shown, seed_of(step), recipe.augmentation), tf.gather(labels, rows)

    numbers = tf.data.Dataset.range(epochs.start, epochs.stop)
    return numbers.flat_map(epoch).map(batch, num_parallel_calls=1).prefetch(2)


def reseed(model: "keras.Model", seed: int, epoch: int) -> None:
    """Seed dropout by recipe and epoch: Keras's checkpoints do not keep how far its generators were."""
    for number, layer in enumerate(model._flatten_layers()):
        if hasattr(layer, "seed_generator"):
            layer.seed_generator.state.assign([seed % 2**32, 1000 * epoch + number])


def validation_batches(validation: Digits) -> "tf.data.Dataset":
    """Return batches of the images in their order, unchanged, and one-hot labels."""
    import tensorflow as tf

    images, labels = validation.images[..., None], tf.one_hot(validation.known_labels, digits.CLASSES)
    return (
        tf.data.Dataset.from_tensor_slices((images, labels))
        .batch(EVALUATION_BATCH)
        .map(lambda shown, truth: (tf.cast(shown, tf.float32), truth))
    )


def compiled(recipe: Recipe, steps: int) -> "keras.Model":
    """Build the recipe's network with its optimizer and loss, for a fit of so many steps in all."""
    import keras

    smoothing = recipe.label_smoothing
    losses = {
        "categorical_crossentropy": keras.losses.CategoricalCrossentropy(label_smoothing=smoothing),
        "binary_crossentropy": keras.losses.BinaryCrossentropy(label_smoothing=smoothing),
    }
    model = networks.build(recipe.network, recipe.dropout)
    model.compile(
        optimizer=_optimizer(recipe, steps),
        loss=losses[recipe.loss],
        # The loss differs between recipes; the cross-entropy can be compared among them.
        metrics=["accuracy", keras.metrics.CategoricalCrossentropy(name="cross_entropy")],
    )
    _make_variables(model)
    return model


def _make_variables(model: "keras.Model") -> None:
    """Have a compiled model make all its variables now.

    Those that the step of a fit makes when it is first traced have TensorFlow trace it twice, a second or so each.
    """
    import tensorflow as tf

    model.optimizer.build(model.trainable_variables)
    answer = tf.zeros((1, digits.CLASSES))
    model.compute_loss(y=answer, y_pred=answer)
    model.compute_metrics(None, answer, answer)
    model.reset_metrics()


def _optimizer(recipe: Recipe, steps: int) -> "keras.Optimizer":
    from keras import optimizers

    rate = _schedule(recipe, steps)
    decay = recipe.weight_decay or None
    match recipe.optimizer:
        case "adam":
            return optimizers.Adam(rate, weight_decay=decay)
        case "adamw":
            return optimizers.AdamW(rate, weight_decay=recipe.weight_decay)
        case "rmsprop":
            return optimizers.RMSprop(rate, weight_decay=decay)
        case _:
            return optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=decay)


def _schedule(recipe: Recipe, steps: int) -> "float | keras.optimizers.schedules.LearningRateSchedule":
    import keras

    if recipe.schedule == "constant":
        return recipe.learning_rate
    warm_up = int(steps * recipe.warm_up)
    return keras.optimizers.schedules.CosineDecay(
        0.0, steps - warm_up, warmup_target=recipe.learning_rate, warmup_steps=warm_up
    )
