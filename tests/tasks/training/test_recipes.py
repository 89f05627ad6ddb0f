"""Recipes are data, and a wrong name or value is told in one line."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.errors import UsageError
from tasks.training import recipes
from tasks.training.networks import NETWORKS


@pytest.mark.parametrize("recipe", recipes.RECIPES.values(), ids=lambda recipe: recipe.name)
def test_every_recipe_names_a_network_and_keeps_to_its_ranges(recipe: recipes.Recipe) -> None:
    assert recipe.network in NETWORKS
    values = recipe.as_parameters()
    values |= values.pop("augmentation")
    for name, (low, high) in recipes.RANGES.items():
        assert low <= values[name] <= high
    for name, words in recipes.CHOICES.items():
        assert values[name] in words
    assert set(values) == {"name", "network", *recipes.RANGES, *recipes.CHOICES}


def test_changes_reach_the_recipe_and_its_augmentation() -> None:
    changed = recipes.find("fast", ["epochs=3", "shift=1.5"])
    assert (changed.epochs, changed.augmentation.shift) == (3, 1.5)
    assert changed.augmentation.rotation == recipes.RECIPES["fast"].augmentation.rotation


def test_who_sets_epochs_gets_them_whatever_the_least_number_of_images() -> None:
    assert recipes.find("fast", ["epochs=3"]).min_shown == 0
    assert recipes.find("fast", ["epochs=3", "min_shown=500"]).min_shown == 500


def test_changes_are_told_in_the_form_that_makes_them_again() -> None:
    changed = recipes.find("fast", ["shift=1.5", "epochs=3"])
    told = recipes.changes_of(changed.as_parameters())
    assert told == ["epochs=3", "min_shown=0", "shift=1.5"]
    assert recipes.find("fast", told) == changed


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("epochs=0", "epochs is out of range; expected a whole number from 1 to 1000; received '0'"),
        ("epochs=3.5", "epochs is out of range; expected a whole number from 1 to 1000; received '3.5'"),
        ("epochs", "epochs is out of range; expected a whole number from 1 to 1000; received ''"),
        ("learning_rate=nan", "learning_rate is out of range; expected a number from 1e-06 to 1; received 'nan'"),
        (
            "epoch=3",
            "a recipe has no value 'epoch': did you mean epochs?; expected NAME=VALUE with one of epochs, min_shown",
        ),
    ],
)
def test_a_wrong_change_is_told_with_what_is_right(change: str, told: str) -> None:
    with pytest.raises(UsageError) as error:
        recipes.find("fast", [change])
    assert str(error.value).startswith(told)
    assert error.value.exit_code == 2


def test_an_unknown_recipe_is_told_with_those_there_are() -> None:
    with pytest.raises(
        UsageError,
        match=r"there is no recipe 'fats': did you mean fast\?; expected one of .*fast.*, or the path of a \.json file",
    ):
        recipes.find("fats")


def test_a_recipe_is_read_from_a_file(tmp_path: Path) -> None:
    changed = replace(recipes.find("fast", ["epochs=3", "shift=1.5", "optimizer=sgd"]), name="mine")
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(changed.as_parameters()))
    assert recipes.find(str(path)) == changed
    path.write_text('{"name": "mine", "network": "lenet", "epochs": 2}')
    assert recipes.find(str(path), ["seed=7"]) == recipes.Recipe(name="mine", network="lenet", epochs=2, seed=7)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nonsense", "the recipe cannot be read; expected a JSON object"),
        ("[]", "the recipe cannot be read; expected a JSON object"),
        ('{"name": "mine", "network": "lenet"}', "the recipe lacks a value; expected 'epochs'"),
        ('{"name": "mine", "network": "nope", "epochs": 2}', "there is no network 'nope'; expected one of mlp-sigmoid"),
        ('{"name": "mine", "network": "lenet", "epochs": 0}', "epochs is out of range; expected a whole number from 1"),
        ('{"name": "fast", "network": "lenet", "epochs": 2}', "'fast' is another recipe's name; to go on, give yours"),
        (
            '{"name": "mine", "network": "lenet", "epochs": 2, "augmentation": {"epochs": 9}}',
            "an augmentation has no value 'epochs'; expected rotation, zoom",
        ),
        ('{"name": "mine", "network": "lenet", "epochs": 2, "x": 1}', "a recipe has no value 'x'; expected NAME=VALUE"),
        (
            '{"name": "mine", "network": "lenet", "epochs": 2, "loss": "l"}',
            "loss is not known; expected one of categorical_crossentropy, binary_crossentropy; received 'l'",
        ),
        pytest.param("[" * 100_000, "the recipe cannot be read; expected a JSON object", id="nested deeply"),
    ],
)
def test_a_wrong_file_is_told_with_what_is_right(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        recipes.find(str(path))
    assert str(error.value).startswith(f"{path}: {told}")


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(UsageError, match=r"nope\.json: the recipe cannot be read; received No such file"):
        recipes.find("nope.json")


def test_neighbouring_seeds_share_no_member() -> None:
    first, second = recipes.with_seeds([recipes.find("fast", ["members=5"])], 2)
    assert not {one.seed for one in first.member_recipes()} & {one.seed for one in second.member_recipes()}
    assert all(one.members == 1 for one in first.member_recipes())


def test_several_recipes_are_each_taken_once(tmp_path: Path) -> None:
    assert [one.name for one in recipes.find_all(["fast", " lenet ", "fast"])] == ["fast", "lenet"]
    assert recipes.find_all(None) == list(recipes.RECIPES.values())
    for name, epochs in (("a", 1), ("b", 2)):
        (tmp_path / f"{name}.json").write_text(f'{{"name": "mine", "network": "lenet", "epochs": {epochs}}}')
    with pytest.raises(UsageError, match="two of the recipes are called 'mine'; to go on, give one another name"):
        recipes.find_all([str(tmp_path / "a.json"), str(tmp_path / "b.json")])
    with pytest.raises(UsageError, match="no recipe is named; expected some of"):
        recipes.find_all([])


@pytest.mark.parametrize("name", ["", " ", "a\\u001b[2Jb", "a\\nb", "\\ud800"])
def test_a_name_that_cannot_be_shown_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(f'{{"name": "{name}", "network": "lenet", "epochs": 1}}')
    with pytest.raises(UsageError, match=r"mine\.json: this is no name for a recipe; expected printable text"):
        recipes.find(str(path))
