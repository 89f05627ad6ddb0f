"""The flow `compare`, under a real Prefect server."""

import csv
from pathlib import Path

import pytest

from tasks.errors import PackageError, UsageError
from tasks.judging.comparison import Failure
from tasks.store import Store
from tasks.training import networks, recipes
from tests import making

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DIGITS_HOME", str(tmp_path))
    return tmp_path


def explosive(dropout: float) -> list[object]:
    from keras import layers

    scale = layers.Rescaling(1e38)
    return [scale, layers.Flatten(), layers.Dense(10, name="logits"), layers.Softmax(name="probabilities")]


def test_recipes_are_ranked_and_one_that_diverges_is_told_of(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.comparing import compare

    monkeypatch.setitem(networks.NETWORKS, "cnn-basic", explosive)
    making.write_idx(home / "idx", making.digits(300))
    making.write_idx(home / "idx", making.digits(40, start=300), name="t10k")
    asked = {"names": ["mlp-relu", "cnn-basic"], "seeds": 2, "changes": ["epochs=2", "batch=32"], "refit": True}
    made = compare(data=str(home / "idx"), **asked)
    failures = made.manifest().parameters["failures"]
    assert [(one["recipe"], one["seed"]) for one in failures] == [("cnn-basic", 42), ("cnn-basic", 43)]
    with (made.path / "leaderboard.csv").open() as file:
        lines = list(csv.DictReader(file))
    fitted = [line for line in lines if line["recipe"] == "mlp-relu"]
    assert [line["seed"] for line in fitted] == ["42", "43"]
    assert all(int(line["refitted_test_right"]) > 8 for line in fitted)
    assert all("its loss is not a number" in line["failure"] for line in lines if line["recipe"] == "cnn-basic")
    assert "| mlp-relu |" in (made.path / "leaderboard.md").read_text()
    page = (made.path / "report.html").read_text()
    assert "mlp-relu" in page
    assert "60,000 to learn from" in page

    assert f"digits compare --data {home / 'idx'} --recipes mlp-relu,cnn-basic --seeds 2 --refit --set epochs=2" in page

    before = Store(home / "artifacts").all()
    assert compare(data=str(home / "idx"), **asked) == made
    assert Store(home / "artifacts").all() == before


def test_a_refit_needs_labels_to_report_on(home: Path) -> None:
    from flows.comparing import compare

    data = making.write_kaggle_zip(home / "d.zip", making.digits(100), making.digits(10, start=100))
    with pytest.raises(UsageError, match="there is no test part with labels to report on"):
        compare(data=str(data), names=["lenet"], refit=True)


def test_a_recipe_whose_package_is_refused_does_not_end_the_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    from flows import comparing

    def refuse(*_: object, **__: object) -> None:
        raise PackageError("no form answers as the model does")

    monkeypatch.setattr(comparing, "learn", lambda *_, **__: [None])
    monkeypatch.setattr(comparing, "evaluate", lambda *_, **__: None)
    monkeypatch.setattr(comparing, "package", refuse)
    failure = comparing.contend.fn(None, None, recipes.find("lenet"), refit=False, fresh=False)  # type: ignore[arg-type]
    assert failure == Failure("lenet", 42, "no form answers as the model does")
