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
from typing import TYPE_CHECKING, Any

from tasks.data import digits
from tasks.data.digits import Digits
from tasks.errors import DivergedError
from tasks.models.fitted import start_tensorflow
from tasks.progress import progress
from tasks.stage import stage
from tasks.store import Artifact, Draft, Store
from tasks.training import history, learning, networks
from tasks.training.best_epoch import BestEpoch
from tasks.training.checkpoint import WEIGHTS, mend
from tasks.training.recipes import Recipe

if TYPE_CHECKING:
    import keras

HISTORY, CHECKPOINT = "history.csv", "checkpoint"
LAST_GOOD = "last-good-epoch.keras"
Watch = Callable[[int, float], None]


class GivenUp(Exception):  # noqa: N818
    """What a watch raises to end a fit that is not worth going on with; nothing of it is kept."""


def fit(
    store: Store,
    prepared: Artifact,
    recipe: Recipe,
    judged: Artifact | None = None,
    *,
    watch: Watch | None = None,
    fresh: bool = False,
) -> Artifact:
    """The model of a recipe on prepared data.

    judged: the model of the same recipe and data that was judged on the validation part. Given one, this one learns
        from the training and the validation part, for as many epochs as that one's best, and nothing judges it.
    watch: called after each epoch with its number, from 1, and the validation accuracy; may raise GivenUp.
    Raises: FitError if the network does not fit the images, or the loss ceases to be a number.
    """

    def build(draft: Draft) -> dict[str, Any]:
        training = digits.read(prepared.path / "train.parquet")
        judging = digits.read(prepared.path / "validation.parquet")
        if judged:
            model = _refitted(recipe, training, judging, judged, draft.scratch)
        elif watch:
            model = _watched(recipe, training, judging, draft.scratch, watch)
        else:
            model = train(recipe, training, judging, draft.scratch)
        model.save(draft.folder / "model.keras")
        epochs = history.read(draft.scratch / HISTORY)
        history.write(draft.folder / HISTORY, epochs)
        kept = history.best(epochs) if recipe.patience else len(epochs)
        return {
            "recipe": recipe.name,
            "seed": recipe.seed,
            "epochs": len(epochs),
            "best_epoch": history.best(epochs),
            "accuracy": None if judged else epochs[kept - 1]["val_accuracy"],
            "parameters": model.count_params(),
            "fit_cpu_seconds": round(sum(epoch["cpu_seconds"] for epoch in epochs), 1),
            "fit_wall_seconds": round(sum(epoch["wall_seconds"] for epoch in epochs), 1),
            "judged": judged.name if judged else None,
        }

    inputs = [prepared, judged] if judged else [prepared]
    parameters = recipe.as_parameters() | ({"refit": True} if judged else {})
    return store.make("model", build, code=__name__, parameters=parameters, inputs=inputs, fresh=fresh)


def train(
    recipe: Recipe,
    training: Digits,
    judging: Digits | None,
    scratch: Path,
    *,
    until: int | None = None,
    watch: Watch | None = None,
) -> "keras.Model":
    """A fitted model without its optimizer; epochs are judged on `judging`, which nothing is learned from.

    scratch: folder for the checkpoint and the history; what an earlier, killed call left there is gone on from, and
        ends in the same model as without the kill.
    until: last epoch to run of those that the recipe plans, and schedules its rate for.
    Raises: FitError if the network does not fit the images, or the loss ceases to be a number; what was learned up to
        the last good epoch then lies in the scratch folder.
    """
    start_tensorflow()
    import keras

    scratch.mkdir(parents=True, exist_ok=True)
    # What many fits in one process leave behind is let go.
    keras.utils.clear_session()
    keras.utils.set_random_seed(recipe.seed)
    epochs, steps = epochs_for(recipe, len(training)), learning.steps_of(recipe, len(training))
    until = until or epochs
    model = learning.compiled(recipe, steps=epochs * steps)
    done = mend(scratch / CHECKPOINT, steps)
    history.cut(scratch / HISTORY, done)
    early = recipe.patience and judging is not None
    best = BestEpoch(scratch / "best", recipe.patience, history.read(scratch / HISTORY)) if early else None

    with progress(until, steps) as shown:
        try:
            model.fit(
                learning.training_batches(recipe, training, range(done, until)),
                validation_data=None if judging is None else learning.judging_batches(judging),
                steps_per_epoch=steps,
                epochs=done if best and best.exhausted else until,
                shuffle=False,  # the batches are; Keras would warn of it
                verbose=0,
                callbacks=[*_callbacks(recipe, model, scratch, best), shown, _telling(watch)],
            )
        except FloatingPointError:
            raise _diverged(recipe, model, scratch) from None
    if best:
        best.restore(model)
    return _bare(recipe, model)


def _refitted(recipe: Recipe, training: Digits, judging: Digits, judged: Artifact, scratch: Path) -> "keras.Model":
    """The same plan on all images; where the judged one stopped early, as far as its best epoch."""
    found = judged.metrics
    planned = epochs_for(recipe, len(training))
    until = found["best_epoch"] if recipe.patience else found["epochs"]
    recipe = replace(recipe, epochs=planned, min_shown=0)
    return train(recipe, digits.concatenate([training, judging]), None, scratch, until=until)


def _watched(recipe: Recipe, training: Digits, judging: Digits, scratch: Path, watch: Watch) -> "keras.Model":
    """Nothing stays of a fit that is given up, or that diverges."""
    try:
        return train(recipe, training, judging, scratch, watch=watch)
    except (GivenUp, DivergedError) as error:
        shutil.rmtree(scratch, ignore_errors=True)
        raise GivenUp("diverged" if isinstance(error, DivergedError) else str(error)) from error


def epochs_for(recipe: Recipe, images: int) -> int:
    """Passes over a training set of so many images: a small one is shown for longer."""
    return max(recipe.epochs, math.ceil(recipe.min_shown / images))


def _bare(recipe: Recipe, model: "keras.Model") -> "keras.Model":
    """The model without its optimizer."""
    bare = networks.build(recipe.network, recipe.dropout)
    bare.set_weights(model.get_weights())
    return bare


def _callbacks(
    recipe: Recipe, model: "keras.Model", scratch: Path, best: BestEpoch | None
) -> "list[keras.callbacks.Callback]":
    """In their order: what an epoch costs and whether it is good, then what is kept of it."""
    import keras

    def judge(epoch: int, logs: dict[str, float]) -> None:
        _check(logs)
        if best:
            best.ended(model, epoch + 1, logs["val_cross_entropy"])
            model.stop_training = best.exhausted

    return [
        _clock(),
        keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: learning.reseed(model, recipe.seed, epoch),
            on_train_batch_end=lambda batch, logs: _check(logs),
            on_epoch_end=judge,
        ),
        # Before the checkpoint, which says what of it counts.
        keras.callbacks.CSVLogger(scratch / HISTORY, append=True),
        keras.callbacks.BackupAndRestore(scratch / CHECKPOINT, double_checkpoint=True, delete_checkpoint=False),
    ]


def _telling(watch: Watch | None) -> "keras.callbacks.Callback":
    import keras

    def tell(epoch: int, logs: dict[str, float]) -> None:
        if watch:
            watch(epoch + 1, logs["val_accuracy"])

    return keras.callbacks.LambdaCallback(on_epoch_end=tell)


def _clock() -> "keras.callbacks.Callback":
    """Adds to each epoch's line what it has cost, so that the cost of a fit in several parts adds up."""
    import keras

    started: dict[str, float] = {}

    def begin(epoch: int, logs: object) -> None:
        started.update(cpu_seconds=time.process_time(), wall_seconds=time.perf_counter())

    def end(epoch: int, logs: dict[str, float]) -> None:
        logs["cpu_seconds"] = time.process_time() - started["cpu_seconds"]
        logs["wall_seconds"] = time.perf_counter() - started["wall_seconds"]

    return keras.callbacks.LambdaCallback(on_epoch_begin=begin, on_epoch_end=end)


def _check(logs: Mapping[str, float]) -> None:
    """Raises FloatingPointError where a loss is not a number, before anything is written of that epoch."""
    if not all(math.isfinite(value) for name, value in logs.items() if name.endswith("loss")):
        raise FloatingPointError


def _diverged(recipe: Recipe, model: "keras.Model", scratch: Path) -> DivergedError:
    remedy = f"use a lower rate than learning_rate={recipe.learning_rate}"
    weights = scratch / CHECKPOINT / WEIGHTS
    if weights.exists():
        model.load_weights(weights)
        _bare(recipe, model).save(scratch / LAST_GOOD)
        remedy += f"; the model of the last good epoch is kept in {scratch / LAST_GOOD}"
    else:
        shutil.rmtree(scratch)
    return DivergedError(
        "the fit diverged: its loss is not a number any more", expected="a finite loss in every epoch", remedy=remedy
    )


fit_stage = stage(fit)
