"""What a recipe turns into for Keras: batches, a compiled network, a rate for every step."""

from typing import TYPE_CHECKING

from tasks import digits, networks
from tasks.augmentation import augment
from tasks.digits import Digits
from tasks.recipes import Recipe

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

EVALUATION_BATCH = 500  # images; larger ones only cost memory


def training_batches(recipe: Recipe, training: Digits) -> "tf.data.Dataset":
    """Shuffled, augmented batches: images float32 (batch, 28, 28, 1), 0–255, and one-hot labels."""
    import tensorflow as tf

    images = tf.constant(training.images[..., None])
    labels = tf.one_hot(training.known_labels, digits.CLASSES)
    # A last batch of a few images would count as much in batch norm as a full one.
    whole = min(recipe.batch, len(training))
    order = tf.data.Dataset.range(len(training)).shuffle(len(training), recipe.seed).batch(whole, drop_remainder=True)
    seeds = tf.data.Dataset.random(recipe.seed, rerandomize_each_iteration=True).batch(2)

    def batch(rows: "tf.Tensor", seed: "tf.Tensor") -> "tuple[tf.Tensor, tf.Tensor]":
        shown = tf.cast(tf.gather(images, rows), tf.float32)
        return augment(shown, seed, recipe.augmentation), tf.gather(labels, rows)

    return tf.data.Dataset.zip(order, seeds).map(batch, num_parallel_calls=1).prefetch(2)


def judging_batches(judging: Digits) -> "tf.data.Dataset":
    """Batches in their order, as they are."""
    import tensorflow as tf

    images, labels = judging.images[..., None], tf.one_hot(judging.known_labels, digits.CLASSES)
    return (
        tf.data.Dataset.from_tensor_slices((images, labels))
        .batch(EVALUATION_BATCH)
        .map(lambda shown, truth: (tf.cast(shown, tf.float32), truth))
    )


def compiled(recipe: Recipe, steps: int) -> "keras.Model":
    """The recipe's network with its optimizer and loss, for a fit of so many steps in all."""
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
        # Beside the loss, which differs between recipes: what can be compared among them.
        metrics=["accuracy", keras.metrics.CategoricalCrossentropy(name="cross_entropy")],
    )
    return model


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
