"""Recipes are data, and a wrong name or value is told in one line."""

import pytest

from tasks import recipes
from tasks.errors import UsageError
from tasks.networks import NETWORKS


@pytest.mark.parametrize("recipe", recipes.RECIPES.values(), ids=lambda recipe: recipe.name)
def test_every_recipe_names_a_network_and_keeps_to_its_ranges(recipe: recipes.Recipe) -> None:
    assert recipe.network in NETWORKS
    values = recipe.as_parameters()
    values |= values.pop("augmentation")
    for name, (low, high) in recipes.RANGES.items():
        assert low <= values[name] <= high
    assert set(values) == {"name", "network", *recipes.RANGES}


def test_changes_reach_the_recipe_and_its_augmentation() -> None:
    changed = recipes.find("fast", ["epochs=3", "shift=1.5"])
    assert (changed.epochs, changed.augmentation.shift) == (3, 1.5)
    assert changed.augmentation.rotation == recipes.RECIPES["fast"].augmentation.rotation


def test_who_sets_epochs_gets_them_whatever_the_least_number_of_images() -> None:
    assert recipes.find("fast", ["epochs=3"]).min_shown == 0
    assert recipes.find("fast", ["epochs=3", "min_shown=500"]).min_shown == 500


def test_changes_are_told_in_the_form_that_makes_them_again() -> None:
    changed = recipes.find("fast", ["shift=1.5", "epochs=3"])
    told = recipes.changes(changed.as_parameters())
    assert told == ["epochs=3", "min_shown=0", "shift=1.5"]
    assert recipes.find("fast", told) == changed


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("epochs=0", "epochs is out of range; expected a whole number from 1 to 1000; received '0'"),
        ("epochs=3.5", "epochs is out of range; expected a whole number from 1 to 1000; received '3.5'"),
        ("epochs", "epochs is out of range; expected a whole number from 1 to 1000; received ''"),
        ("peak_rate=nan", "peak_rate is out of range; expected a number from 1e-06 to 1; received 'nan'"),
        ("epoch=3", "a recipe has no value 'epoch'; expected NAME=VALUE with one of epochs, min_shown, batch"),
    ],
)
def test_a_wrong_change_is_told_with_what_is_right(change: str, told: str) -> None:
    with pytest.raises(UsageError) as error:
        recipes.find("fast", [change])
    assert str(error.value).startswith(told)
    assert error.value.exit_code == 2


def test_an_unknown_recipe_is_told_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="there is no recipe 'fats'; expected one of fast"):
        recipes.find("fats")
