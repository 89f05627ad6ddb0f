"""Stage 4, fit: train a recipe's network on the training part.

Makes a `model`: model.keras (weights and layers, no optimizer) and history.csv (a line an epoch). A fit that was killed
goes on after its last whole epoch.
"""

import math
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.data import digits
from tasks.data.digits import Digits
from tasks.errors import DivergedError
from tasks.models.fitted import ModelMetrics, start_tensorflow
from tasks.progress import fit_progress
from tasks.stage import stage
from tasks.store import Artifact, Draft, Store
from tasks.training import learning, networks, resuming
from tasks.training.recipes import Recipe
from tasks.training.resuming import EarlyStopping, Epoch

if TYPE_CHECKING:
    import keras

HISTORY, CHECKPOINT = "history.csv", "checkpoint"
LAST_GOOD = "last-good-epoch.keras"
Watch = Callable[[int, float], None]


class GivenUp(Exception):  # noqa: N818
    """Raised by a watch to end a fit that is not worth going on with."""


def fit(
    store: Store,
    prepared: Artifact,
    recipe: Recipe,
    judged: Artifact | None = None,
    *,
    watch: Watch | None = None,
    fresh: bool = False,
) -> Artifact:
    """Return the model of a recipe on prepared data.

    judged: the model of the same recipe and data that was judged on the validation part. With it, the new model learns
        from the training and the validation part, for as many epochs as the judged one's best, and nothing judges it.
    watch: called after each epoch with its number, from 1, and the validation accuracy. It may raise GivenUp; nothing
        is kept of a watched fit that is given up, or diverges.
    Raises: FitError if the network does not fit the images, or the loss ceases to be a number.
    """

    def build(draft: Draft) -> ModelMetrics:
        training = digits.read(prepared.file("train.parquet"))
        validation = digits.read(prepared.file("validation.parquet"))
        try:
            if judged:
                metrics = judged.measured(ModelMetrics)
                model = refit_network(recipe, training, validation, metrics, draft.scratch)
            else:
                model = fit_network(recipe, training, validation, draft.scratch, watch=watch)
        except (GivenUp, DivergedError):
            if watch:
                shutil.rmtree(draft.scratch, ignore_errors=True)
            raise
        resuming.check_space(draft.folder, model)
        model.save(draft.folder / "model.keras")
        shutil.copyfile(draft.scratch / HISTORY, draft.folder / HISTORY)
        history = resuming.read_history(draft.folder / HISTORY)
        return metrics_of(recipe, model.count_params(), history, judged)

    inputs = [prepared, judged] if judged else [prepared]
    parameters = recipe.as_parameters() | ({"refit": True} if judged else {})
    return store.make("model", build, code=__name__, parameters=parameters, inputs=inputs, fresh=fresh)


def metrics_of(recipe: Recipe, parameters: int, history: list[Epoch], judged: Artifact | None) -> ModelMetrics:
    """Return the figures of a fitted model, from its learning curve."""
    best = resuming.best_epoch(history)
    kept = history[best - 1] if recipe.patience else history[-1]
    return ModelMetrics(
        recipe=recipe.name,
        seed=recipe.seed,
        epochs=len(history),
        best_epoch=best,
        accuracy=kept.get("val_accuracy"),
        parameters=parameters,
        fit_cpu_seconds=round(sum(epoch["cpu_seconds"] for epoch in history), 1),
        fit_wall_seconds=round(sum(epoch["wall_seconds"] for epoch in history), 1),
        judged=judged.name if judged else None,
    )


def fit_network(
    recipe: Recipe,
    training: Digits,
    validation: Digits | None,
    scratch: Path,
    *,
    until: int | None = None,
    watch: Watch | None = None,
) -> "keras.Model":
    """Fit a recipe's network and return it without its optimizer.

    validation: judges each epoch; nothing is learned from it.
    scratch: folder for the checkpoint and the history; what an earlier, killed call left there is gone on from, and
        ends in the same model as without the kill.
    until: last epoch to run of those that the recipe plans, and schedules its rate for.
    Raises: FitError if the network does not fit the images, or the loss ceases to be a number; what was learned up to
        the last good epoch then lies in the scratch folder.
    """
    start_tensorflow()
    import keras

    scratch.mkdir(parents=True, exist_ok=True)
    # Frees what earlier fits in this process have left in memory.
    keras.utils.clear_session()
    keras.utils.set_random_seed(recipe.seed)
    epochs, steps = epochs_for(recipe, len(training)), learning.steps_of(recipe, len(training))
    until = until or epochs
    model = learning.compiled(recipe, steps=epochs * steps)
    done = resuming.mend_checkpoint(scratch / CHECKPOINT, steps)
    resuming.cut_history(scratch / HISTORY, done)
    early = None
    if recipe.patience and validation is not None:
        early = EarlyStopping(scratch / "best", recipe.patience, resuming.read_history(scratch / HISTORY))

    with fit_progress(until, steps) as shown:
        try:
            model.fit(
                learning.training_batches(recipe, training, range(done, until)),
                validation_data=None if validation is None else learning.validation_batches(validation),
                steps_per_epoch=steps,
                epochs=done if early and early.exhausted else until,
                shuffle=False,  # the batches are; Keras would warn of it
                verbose=0,
                callbacks=[*_callbacks(recipe, model, scratch, early), shown, *([_watching(watch)] if watch else [])],
            )
        except FloatingPointError:
            raise _diverged(recipe, model, scratch) from None
    if early:
        early.restore(model)
    return _without_optimizer(recipe, model)


def refit_network(
    recipe: Recipe, training: Digits, validation: Digits, judged: ModelMetrics, scratch: Path
) -> "keras.Model":
    """Fit on both parts by the plan of the judged model; where that one stopped early, as far as its best epoch."""
    until = judged.best_epoch if recipe.patience else judged.epochs
    plan = replace(recipe, epochs=epochs_for(recipe, len(training)), min_shown=0)
    return fit_network(plan, digits.concatenate([training, validation]), None, scratch, until=until)


def epochs_for(recipe: Recipe, images: int) -> int:
    """Return the number of passes over a training set of so many images: a small one is shown for longer."""
    return max(recipe.epochs, math.ceil(recipe.min_shown / images))


def _without_optimizer(recipe: Recipe, model: "keras.Model") -> "keras.Model":
    bare = networks.build(recipe.network, recipe.dropout)
    bare.set_weights(model.get_weights())
    return bare


def _callbacks(
    recipe: Recipe, model: "keras.Model", scratch: Path, early: EarlyStopping | None
) -> "list[keras.callbacks.Callback]":
    """Return callbacks that measure an epoch, judge it and keep it: Keras calls them in this order."""
    import keras

    started: dict[str, float] = {}

    def begin_epoch(epoch: int, logs: object) -> None:
        learning.reseed(model, recipe.seed, epoch)
        started.update(cpu_seconds=time.process_time(), wall_seconds=time.perf_counter())

    def end_epoch(epoch: int, logs: dict[str, float]) -> None:
        # In the line of each epoch, so that a fit in several parts adds up.
        logs["cpu_seconds"] = time.process_time() - started["cpu_seconds"]
        logs["wall_seconds"] = time.perf_counter() - started["wall_seconds"]
        _check_loss(logs)
        resuming.check_space(scratch, model)
        if early:
            early.record(model, epoch + 1, logs["val_cross_entropy"])
            model.stop_training = early.exhausted
        resuming.append_epoch(scratch / HISTORY, epoch, logs)

    return [
        keras.callbacks.LambdaCallback(
            on_epoch_begin=begin_epoch,
            on_train_batch_end=lambda batch, logs: _check_loss(logs),
            on_epoch_end=end_epoch,
        ),
        # After the line in the history: the checkpoint says how many of its lines count.
        keras.callbacks.BackupAndRestore(scratch / CHECKPOINT, double_checkpoint=True, delete_checkpoint=False),
    ]


def _watching(watch: Watch) -> "keras.callbacks.Callback":
    import keras

    return keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: watch(epoch + 1, logs["val_accuracy"]))


def _check_loss(logs: Mapping[str, float]) -> None:
    """Raise FloatingPointError where a loss is not a number, before anything is written of that epoch."""
    if not all(math.isfinite(value) for name, value in logs.items() if name.endswith("loss")):
        raise FloatingPointError


def _diverged(recipe: Recipe, model: "keras.Model", scratch: Path) -> DivergedError:
    """Keep the model of the last good epoch, if there is one; return the error that tells of it."""
    remedy = f"use a lower rate than learning_rate={recipe.learning_rate}"
    weights = scratch / CHECKPOINT / resuming.WEIGHTS
    if weights.exists():
        model.load_weights(weights)
        _without_optimizer(recipe, model).save(scratch / LAST_GOOD)
        remedy += f"; the model of the last good epoch is kept in {scratch / LAST_GOOD}"
    else:
        shutil.rmtree(scratch)
    return DivergedError(
        "the fit diverged: its loss is not a number any more", expected="a finite loss in every epoch", remedy=remedy
    )


fit_stage = stage(fit)
