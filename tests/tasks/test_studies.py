"""What is searched, and that nobody who was killed is forgotten."""

from pathlib import Path

import pytest

from tasks import recipes, studies


@pytest.mark.parametrize("recipe", recipes.RECIPES.values(), ids=lambda recipe: recipe.name)
def test_every_recipe_has_a_space_within_what_makes_sense_and_begins_with_itself(
    recipe: recipes.Recipe, tmp_path: Path
) -> None:
    for name, choice in studies.SPACES[recipe.name].items():
        low, high = recipes.RANGES[name]
        bounds = (choice.low, choice.high) if isinstance(choice, studies.Range) else (min(choice), max(choice))
        assert low <= bounds[0] < bounds[1] <= high
    study = studies.opened(tmp_path, recipe, "prepared/abc")
    first = studies.drawn(study.ask(), recipe)
    assert (first.epochs, first.network, first.seed) == (recipe.epochs, recipe.network, recipe.seed)
    assert first.learning_rate == pytest.approx(recipe.learning_rate)


def test_two_trials_differ_and_a_killed_one_is_asked_for_again(tmp_path: Path) -> None:
    recipe = recipes.find("lenet")
    study = studies.opened(tmp_path, recipe, "prepared/abc")
    first = studies.drawn(study.ask(), recipe)
    again = studies.opened(tmp_path, recipe, "prepared/abc")
    assert studies.drawn(again.ask(), recipe) == first
    assert studies.drawn(again.ask(), recipe) != first
    assert studies.finished(again) == 0


def test_other_data_or_another_start_make_another_study(tmp_path: Path) -> None:
    recipe = recipes.find("lenet")
    asked = [(recipe, "prepared/abc"), (recipe, "prepared/abd"), (recipes.find("lenet", ["epochs=3"]), "prepared/abc")]
    assert len({studies.name(*one) for one in asked}) == 3
