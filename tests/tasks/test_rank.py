"""What stands beside a recipe on the leaderboard."""

from tasks.models.fitted import ModelMetrics
from tasks.models.packaged import FormCheck
from tasks.rank import _notes
from tasks.training import recipes
from tests.tasks.evaluated import evaluation

INT8 = FormCheck(100, 1, 0, 0.5, accepted=True)


def test_a_recipe_that_stopped_early_is_told_with_its_epochs() -> None:
    metrics = ModelMetrics("lenet", 1, 7, 4, 0.98, 10, 1, 1, None)
    assert _notes(recipes.find("lenet"), metrics, evaluation(), INT8) == ["stopped early, at 7 of 40 epochs"]


def test_an_ensemble_which_runs_no_epochs_itself_is_not_said_to_have_stopped() -> None:
    combined = ModelMetrics("best", 1, 0, 0, None, 10, 1, 1, None)
    recipe = recipes.find("lenet", ["members=3"])
    assert _notes(recipe, combined, evaluation(), INT8) == ["3 members"]
