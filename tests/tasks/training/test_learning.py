"""What a recipe turns into for Keras."""

import numpy as np
import pytest

from tasks.training import learning, recipes
from tests import making


def test_the_one_cycle_rate_rises_to_its_peak_and_falls_to_nothing() -> None:
    recipe = recipes.find("fast", ["learning_rate=0.01", "warm_up=0.2"])
    rate = learning.compiled(recipe, steps=100).optimizer._learning_rate
    rates = [float(rate(step)) for step in range(101)]
    assert rates[0] == 0
    assert max(rates) == rates[20] == pytest.approx(0.01)
    assert rates[100] == pytest.approx(0, abs=1e-6)
    assert rates[:21] == sorted(rates[:21])
    assert rates[20:] == sorted(rates[20:], reverse=True)


@pytest.mark.parametrize(
    ("name", "kind"), [("adam", "Adam"), ("adamw", "AdamW"), ("rmsprop", "RMSprop"), ("sgd", "SGD")]
)
def test_a_recipe_names_its_optimizer(name: str, kind: str) -> None:
    recipe = recipes.find("lenet", [f"optimizer={name}", "weight_decay=0.01", "learning_rate=0.005"])
    optimizer = learning.compiled(recipe, steps=10).optimizer
    assert type(optimizer).__name__ == kind
    assert (optimizer.weight_decay, float(optimizer.learning_rate)) == (0.01, pytest.approx(0.005))


def test_a_recipe_names_its_loss() -> None:
    assert type(learning.compiled(recipes.find("mlp-sigmoid"), steps=1).loss).__name__ == "BinaryCrossentropy"
    assert type(learning.compiled(recipes.find("mlp-relu"), steps=1).loss).__name__ == "CategoricalCrossentropy"


def test_without_augmentation_every_image_is_shown_as_it_is_once_an_epoch() -> None:
    some = making.digits(30)
    batches = list(learning.training_batches(recipes.find("lenet", ["batch=10"]), some, range(4, 5)))
    shown = np.concatenate([images.numpy() for images, _ in batches])[..., 0].astype(np.uint8)
    assert {image.tobytes() for image in shown} == {image.tobytes() for image in some.images}


def test_a_compiled_network_has_all_its_variables_so_that_its_step_is_traced_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import keras

    recipe = recipes.find("mlp-relu", ["batch=10"])
    model, real, traced = learning.compiled(recipe, steps=2), keras.Model.train_step, []
    monkeypatch.setattr(keras.Model, "train_step", lambda *arguments: traced.append(1) or real(*arguments))
    model.fit(
        learning.training_batches(recipe, making.digits(20), range(1)), steps_per_epoch=2, shuffle=False, verbose=0
    )
    assert len(traced) == 1
