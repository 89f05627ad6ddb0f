"""A fit learns, repeats, goes on after a kill, and stops when it diverges."""

import errno
import math
import multiprocessing
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tasks import fit as fit_module
from tasks.data import digits
from tasks.data.digits import Digits
from tasks.errors import FitError, StoreError
from tasks.fit import epochs_for, fit, fit_network
from tasks.models.fitted import ModelMetrics, load, predict
from tasks.store import Store
from tasks.training import networks, recipes
from tasks.training.resuming import best_epoch, read_history
from tests import making
from tests.conftest import Chain

# All that `fast` does with its images and its rate, in the network that is quickest to begin with.
QUICK = replace(recipes.find("fast", ["epochs=2", "min_shown=0", "batch=32"]), network="mlp-relu")


@pytest.fixture(scope="module")
def parts(chain: Chain) -> tuple[Digits, Digits]:
    """Few digits to learn from and to judge by."""
    training = digits.read(chain.prepared.path / "train.parquet")
    return training[slice(0, 320)], training[slice(320, 400)]


def test_the_model_has_learned(chain: Chain) -> None:
    epochs = read_history(chain.model.path / "history.csv")
    assert [epoch["epoch"] for epoch in epochs] == [1, 2]
    assert epochs[-1]["loss"] < epochs[0]["loss"]
    assert epochs[-1]["val_accuracy"] > 0.8
    metrics = chain.model.measured(ModelMetrics)
    assert metrics.fit_cpu_seconds > 0
    assert metrics.parameters == 136_106


def test_the_same_seed_repeats_the_fit_and_another_does_not(parts: tuple[Digits, Digits], tmp_path: Path) -> None:
    answers = [
        predict(fit_network(replace(QUICK, epochs=1, seed=seed), *parts, tmp_path / name), parts[1].images)
        for name, seed in (("first", 1), ("again", 1), ("other", 2))
    ]
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-4)
    assert np.abs(answers[0] - answers[2]).max() > 1e-3


def killed_after_two_epochs(parts: tuple[Digits, Digits], scratch: Path) -> None:
    def kill(epoch: int, accuracy: float) -> None:
        if epoch == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    fit_network(replace(QUICK, epochs=4), *parts, scratch, watch=kill)


def test_a_killed_fit_goes_on_after_its_last_whole_epoch(parts: tuple[Digits, Digits], tmp_path: Path) -> None:
    # Spawned: TensorFlow does not survive a fork.
    process = multiprocessing.get_context("spawn").Process(target=killed_after_two_epochs, args=(parts, tmp_path))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    before = read_history(tmp_path / "history.csv")
    assert len(before) == 2
    resumed = fit_network(replace(QUICK, epochs=4), *parts, tmp_path)
    after = read_history(tmp_path / "history.csv")
    assert after[:2] == before
    assert [epoch["epoch"] for epoch in after] == [1, 2, 3, 4]
    unbroken = fit_network(replace(QUICK, epochs=4), *parts, tmp_path / "unbroken")
    images = parts[1].images
    np.testing.assert_allclose(predict(resumed, images), predict(unbroken, images), atol=1e-4)


def test_a_fit_that_was_done_when_it_was_killed_is_not_done_again(parts: tuple[Digits, Digits], tmp_path: Path) -> None:
    first = predict(fit_network(QUICK, *parts, tmp_path), parts[1].images)
    before = (tmp_path / "history.csv").read_text()
    again = predict(fit_network(QUICK, *parts, tmp_path), parts[1].images)
    np.testing.assert_array_equal(first, again)
    assert (tmp_path / "history.csv").read_text() == before


def test_a_disk_that_is_full_at_a_checkpoint_costs_that_epoch_and_not_the_fit(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    prepared = making.prepared(store, making.digits(200), making.digits(40, start=200))
    recipe = recipes.find("mlp-relu", ["epochs=3", "batch=32"])
    real, saved = keras.Model.save_weights, []

    def full_at_the_second(model: keras.Model, filepath: str, **options: object) -> None:
        saved.append(filepath)
        if len(saved) == 2:
            Path(filepath).write_bytes(b"torn")
            raise OSError(errno.ENOSPC, "Can't synchronously write data (file write failed: …)")
        real(model, filepath, **options)

    monkeypatch.setattr(keras.Model, "save_weights", full_at_the_second)
    with pytest.raises(StoreError, match="cannot be written; received No space left on device; to go on, free space"):
        fit(store, prepared, recipe)
    assert "model" not in {artifact.kind for artifact in store.all()}
    model = fit(store, prepared, recipe)
    assert len(saved) == 4
    assert [epoch["epoch"] for epoch in read_history(model.path / "history.csv")] == [1, 2, 3]


def test_a_torn_checkpoint_costs_an_epoch_and_not_the_fit(parts: tuple[Digits, Digits], tmp_path: Path) -> None:
    fit_network(QUICK, *parts, tmp_path)
    path = tmp_path / "checkpoint" / "latest.weights.h5"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (tmp_path / "history.csv").unlink()
    fit_network(QUICK, *parts, tmp_path)
    assert [epoch["epoch"] for epoch in read_history(tmp_path / "history.csv")] == [2]


def test_a_fit_that_diverges_at_once_is_stopped_and_leaves_nothing(
    parts: tuple[Digits, Digits], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explosive(dropout: float) -> list[object]:
        from keras import layers

        scale = layers.Rescaling(1e38)
        return [scale, layers.Flatten(), layers.Dense(10, name="logits"), layers.Softmax(name="probabilities")]

    monkeypatch.setitem(networks.NETWORKS, "fast", explosive)
    with pytest.raises(FitError, match=r"its loss is not a number.*use a lower rate than learning_rate=0.006$"):
        fit_network(replace(QUICK, network="fast"), *parts, tmp_path / "scratch")
    assert not (tmp_path / "scratch").exists()


def test_a_fit_that_diverges_later_keeps_the_last_good_epoch(
    parts: tuple[Digits, Digits], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # At which epoch a real fit diverges depends on the last bit of every sum; here it is the third.
    epochs_seen = []
    check_loss = fit_module._check_loss

    def check(logs: dict[str, float]) -> None:
        if "val_loss" in logs:  # at the end of an epoch
            epochs_seen.append(logs)
        check_loss({"loss": math.nan} if len(epochs_seen) == 3 else logs)

    monkeypatch.setattr(fit_module, "_check_loss", check)
    with pytest.raises(FitError, match=r"not a number.*the model of the last good epoch is kept in .*\.keras$"):
        fit_network(replace(QUICK, network="mlp-relu", epochs=5), *parts, tmp_path)
    epochs = read_history(tmp_path / "history.csv")
    assert len(epochs) == 2
    answers = predict(load(tmp_path / "last-good-epoch.keras"), parts[1].images).argmax(axis=1)
    assert (answers == parts[1].known_labels).mean() == pytest.approx(epochs[-1]["val_accuracy"])


# Of `best`, each member is fitted as `fast` is.
@pytest.mark.parametrize("name", [name for name in recipes.RECIPES if name != "best"])
def test_every_recipe_fits(name: str, parts: tuple[Digits, Digits], tmp_path: Path) -> None:
    training, judging = parts
    short = replace(recipes.find(name), epochs=1, min_shown=0, batch=16)
    model = fit_network(short, training[slice(0, 64)], judging[slice(0, 20)], tmp_path)
    (epoch,) = read_history(tmp_path / "history.csv")
    assert 0 < epoch["val_loss"] < 10
    assert predict(model, judging.images).shape == (80, 10)


def test_a_fit_that_had_stopped_early_when_it_was_killed_goes_back_to_its_best_epoch(
    parts: tuple[Digits, Digits], tmp_path: Path
) -> None:
    # So rough that it does not get better for long.
    still = recipes.find("mlp-relu", ["epochs=30", "patience=2", "optimizer=sgd", "learning_rate=0.5", "dropout=0.9"])
    first = predict(fit_network(still, *parts, tmp_path), parts[1].images)
    epochs = read_history(tmp_path / "history.csv")
    best = best_epoch(epochs)
    assert len(epochs) == best + 2 < 30
    again = predict(fit_network(still, *parts, tmp_path), parts[1].images)
    np.testing.assert_array_equal(first, again)
    assert read_history(tmp_path / "history.csv") == epochs
    right = (first.argmax(axis=1) == parts[1].known_labels).mean()
    assert right == pytest.approx(epochs[best - 1]["val_accuracy"])


def test_a_small_set_is_learned_for_longer() -> None:
    recipe = recipes.find("fast", ["epochs=9", "min_shown=100000"])
    assert (epochs_for(recipe, 1_000), epochs_for(recipe, 100_000)) == (100, 9)


def test_a_disk_that_is_full_is_named_before_anything_is_written_to_it(
    store: Store, parts: tuple[Digits, Digits], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = making.prepared(store, *parts)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1_000_000))
    with pytest.raises(StoreError) as error:
        fit(store, prepared, QUICK)
    assert str(error.value) == (
        f"{store.root}: the artifacts folder cannot be written; received No space left on device; "
        "to go on, free space, mend the permissions, or set DIGITS_HOME to another folder"
    )
    assert not list((store.root / ".scratch").rglob("*.h5"))
