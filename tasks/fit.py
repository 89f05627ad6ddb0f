"""Stage 4, fit: train a recipe's network on the training part.

Makes a `model`: model.keras (weights and layers, no optimizer) and history.csv (a line an epoch). A fit that was killed
goes on after its last whole epoch.
"""

import math
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks import digits, history
from tasks.augmentation import augment
from tasks.checkpoint import mend
from tasks.digits import Digits
from tasks.errors import FitError
from tasks.models import start_tensorflow
from tasks.networks import NETWORKS
from tasks.progress import progress
from tasks.recipes import Recipe
from tasks.stage import stage
from tasks.store import Artifact, Draft, Store

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

HISTORY = "history.csv"
EVALUATION_BATCH = 500  # images; larger ones only cost memory


def fit(store: Store, prepared: Artifact, recipe: Recipe, *, fresh: bool = False) -> Artifact:
    """The model of a recipe on prepared data.

    Raises: FitError if the loss ceases to be a number.
    """

    def build(draft: Draft) -> dict[str, Any]:
        training = digits.read(prepared.path / "train.parquet")
        judging = digits.read(prepared.path / "validation.parquet")
        started = time.process_time()
        model = train(recipe, training, judging, draft.scratch)
        model.save(draft.folder / "model.keras")
        epochs = history.read(draft.scratch / HISTORY)
        history.write(draft.folder / HISTORY, epochs)
        return {
            "recipe": recipe.name,
            "epochs": len(epochs),
            "parameters": model.count_params(),
            "fit_cpu_seconds": round(time.process_time() - started, 1),
        } | {f"last_{name}": value for name, value in epochs[-1].items() if name != "epoch"}

    return store.make("model", build, code=__name__, parameters=recipe.as_parameters(), inputs=[prepared], fresh=fresh)


def train(recipe: Recipe, training: Digits, judging: Digits, scratch: Path) -> "keras.Model":
    """A fitted model without its optimizer; epochs are judged on `judging`, which nothing is learned from.

    scratch: folder for the checkpoint and the history; what an earlier, killed call left there is gone on from.
    Raises: FitError if the loss ceases to be a number.
    """
    start_tensorflow()
    import keras

    scratch.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(recipe.seed)
    batches = _training_batches(recipe, training)
    epochs = epochs_for(recipe, len(training))
    model = NETWORKS[recipe.network]()
    model.compile(
        optimizer=_optimizer(recipe, steps=epochs * len(batches)),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing),
        # Beside the loss, which label smoothing lifts: what can be compared among recipes.
        metrics=["accuracy", keras.metrics.CategoricalCrossentropy(name="cross_entropy")],
    )
    checkpoint = scratch / "checkpoint"
    mend(checkpoint)
    with progress(epochs, len(batches)) as shown:
        model.fit(
            batches,
            validation_data=_judging_batches(judging),
            epochs=epochs,
            verbose=0,
            shuffle=False,  # the batches are
            callbacks=[
                keras.callbacks.TerminateOnNaN(),
                # Before the checkpoint: a kill between the two repeats a line, which `history.read` drops.
                keras.callbacks.CSVLogger(scratch / HISTORY, append=True),
                keras.callbacks.BackupAndRestore(checkpoint, double_checkpoint=True, delete_checkpoint=False),
                shown,
            ],
        )
    if not all(math.isfinite(epoch["loss"]) for epoch in history.read(scratch / HISTORY)):
        shutil.rmtree(scratch)
        raise FitError(
            "the fit diverged: its loss is not a number any more",
            expected="a finite loss in every epoch",
            remedy=f"use a lower rate than peak_rate={recipe.peak_rate}",
        )
    bare = NETWORKS[recipe.network]()
    bare.set_weights(model.get_weights())
    return bare


def epochs_for(recipe: Recipe, images: int) -> int:
    """Passes over a training set of so many images: a small one is shown for longer."""
    return max(recipe.epochs, math.ceil(recipe.min_shown / images))


def _training_batches(recipe: Recipe, training: Digits) -> "tf.data.Dataset":
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


def _judging_batches(judging: Digits) -> "tf.data.Dataset":
    import tensorflow as tf

    images, labels = judging.images[..., None], tf.one_hot(judging.known_labels, digits.CLASSES)
    return (
        tf.data.Dataset.from_tensor_slices((images, labels))
        .batch(EVALUATION_BATCH)
        .map(lambda shown, truth: (tf.cast(shown, tf.float32), truth))
    )


def _optimizer(recipe: Recipe, steps: int) -> "keras.Optimizer":
    import keras

    warm_up = int(steps * recipe.warm_up)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warm_up, warmup_target=recipe.peak_rate, warmup_steps=warm_up
    )
    return keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay)


fit_stage = stage(fit)
