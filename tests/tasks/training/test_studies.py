"""What is searched, and that nobody who was killed is forgotten."""

from pathlib import Path

import pytest

from tasks.errors import StoreError
from tasks.training import recipes, studies


@pytest.mark.parametrize("recipe", recipes.RECIPES.values(), ids=lambda recipe: recipe.name)
def test_every_recipe_has_a_space_within_what_makes_sense_and_begins_with_itself(
    recipe: recipes.Recipe, tmp_path: Path
) -> None:
    for name, choice in studies.space(recipe).items():
        low, high = recipes.RANGES[name]
        bounds = (choice.low, choice.high) if isinstance(choice, studies.Range) else (min(choice), max(choice))
        assert low <= bounds[0] < bounds[1] <= high
    study = studies.open_study(tmp_path, recipe, "prepared/abc")
    assert studies.suggested_recipe(study.ask(), recipe) == recipe


def test_two_trials_differ_and_a_killed_one_is_asked_for_again(tmp_path: Path) -> None:
    recipe = recipes.find("lenet")
    study = studies.open_study(tmp_path, recipe, "prepared/abc")
    study.ask()  # killed before the first of its values was asked for
    study = studies.open_study(tmp_path, recipe, "prepared/abc")
    first = studies.suggested_recipe(study.ask(), recipe)
    assert first == recipe
    again = studies.open_study(tmp_path, recipe, "prepared/abc")
    assert studies.suggested_recipe(again.ask(), recipe) == first
    assert studies.suggested_recipe(again.ask(), recipe) != first
    assert studies.finished_trials(again) == 0


def test_other_data_or_another_start_make_another_study(tmp_path: Path) -> None:
    recipe = recipes.find("lenet")
    asked = [(recipe, "prepared/abc"), (recipe, "prepared/abd"), (recipes.find("lenet", ["epochs=3"]), "prepared/abc")]
    assert len({studies.study_name(*one) for one in asked}) == 3


def test_a_damaged_file_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / studies.DATABASE).write_bytes(b"nonsense" * 1000)
    with pytest.raises(StoreError, match=r"studies\.db: the studies cannot be read or written; received .*remove it"):
        studies.open_study(tmp_path, recipes.find("lenet"), "prepared/abc")


def test_what_matters_is_told_where_trials_are_enough(tmp_path: Path) -> None:
    recipe = recipes.find("lenet")
    for number in range(studies.LEAST_TRIALS):
        study = studies.open_study(tmp_path, recipe, "prepared/abc")
        trial = study.ask()
        study.tell(trial, studies.suggested_recipe(trial, recipe).dropout)
        assert (number + 1 == studies.LEAST_TRIALS) == bool(studies.importance(study))
    assert max(studies.importance(study), key=studies.importance(study).get) == "dropout"
