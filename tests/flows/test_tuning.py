"""The flow `tune`, under a real Prefect server."""

import csv
import json
from pathlib import Path

import pytest

from tasks.store import Artifact, Store
from tasks.training import recipes, studies
from tests import making

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DIGITS_HOME", str(tmp_path))
    return tmp_path


class Killed(BaseException):
    """Ends a fit as a kill does: nothing that the code says happens after it."""


def test_trials_end_in_a_recipe_and_a_killed_one_is_tried_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows import tuning

    data = str(making.write_csv(home / "d.csv", making.digits(200)))
    asked = {"data": data, "recipe": "mlp-relu", "changes": ["epochs=2"]}
    real, fits = tuning.fit, []

    def fit(*arguments: object, **options: object) -> Artifact:
        fits.append(arguments[2])
        if len(fits) == 2:
            raise Killed
        return real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(tuning, "fit", fit)
    with pytest.raises(Killed):
        tuning.tune(trials=3, **asked)
    made = tuning.tune(trials=3, **asked)
    # The first trial is the recipe as it is; the second, killed, is fitted again with the same values.
    assert fits[0] == recipes.find("mlp-relu", ["epochs=2"])
    assert len(fits) == 4
    assert fits[1] == fits[2]
    with (made.path / "trials.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [bool(line["accuracy"]) for line in lines] == [True, False, True, True]
    assert lines[1]["note"] == "killed, and tried again"

    best = recipes.find(str(made.path / "recipe.json"))
    assert best.name == "mlp-relu-tuned"
    accuracy = max(float(line["accuracy"]) for line in lines if line["accuracy"])
    assert made.metrics["accuracy"] == accuracy
    store = Store(home / "artifacts")
    fitted = store.get(made.metrics["model"]).manifest().parameters
    expected = json.loads((made.path / "recipe.json").read_text())
    assert {name: value for name, value in fitted.items() if name != "name"} == {
        name: value for name, value in expected.items() if name != "name"
    }
    # What was tried counts: nothing is left to do.
    assert tuning.tune(trials=3, **asked).reused
    assert len(fits) == 4


def test_a_hopeless_trial_is_given_up_and_leaves_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import optuna

    from flows import tuning

    class AfterTheFirst(optuna.pruners.BasePruner):
        def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
            return trial.number > 0

    real = studies.open_study

    def opened(*arguments: object) -> optuna.Study:
        study = real(*arguments)  # type: ignore[arg-type]
        study.pruner = AfterTheFirst()
        return study

    monkeypatch.setattr(studies, "open_study", opened)
    data = str(making.write_csv(home / "d.csv", making.digits(200)))
    made = tuning.tune(data=data, recipe="lenet", trials=2, changes=["epochs=2"])
    with (made.path / "trials.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [(bool(line["accuracy"]), line["epochs"]) for line in lines] == [(True, "2"), (False, "1")]
    assert lines[1]["note"] == "given up, below the median"
    assert len([one for one in Store(home / "artifacts").all() if one.kind == "model"]) == 1
    assert not list((home / "artifacts" / ".scratch").iterdir())
