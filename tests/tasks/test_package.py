"""A packaged model gives Keras's answers, or is refused."""

import numpy as np
import pytest

from tasks import package as stage
from tasks.data import digits
from tasks.errors import PackageError
from tasks.models.fitted import load, predict
from tasks.models.scorer import Scorer
from tasks.package import package
from tests.conftest import Chain


def test_every_form_was_checked_on_the_validation_part(chain: Chain) -> None:
    found = chain.package.metrics
    assert set(found["forms"]) == {"float32.tflite", "int8.tflite"}
    for form in found["forms"].values():
        assert form["agreement"] > 0.97
        assert form["accepted"] == (form["loss_points"] <= 0.05)
    assert found["forms"]["float32.tflite"]["agreement"] == 1
    assert found["default"] == ("int8.tflite" if found["forms"]["int8.tflite"]["accepted"] else "float32.tflite")
    assert (chain.package.path / found["default"]).exists()


def test_float32_gives_keras_own_probabilities(chain: Chain) -> None:
    images = digits.read(chain.prepared.path / "validation.parquet").images[:60]
    expected = predict(load(chain.package.path / "model.keras"), images)
    np.testing.assert_allclose(Scorer(chain.package.path / "float32.tflite").probabilities(images), expected, atol=1e-5)


def test_the_int8_form_is_much_smaller(chain: Chain) -> None:
    forms = chain.package.metrics["forms"]
    assert forms["int8.tflite"]["bytes"] < forms["float32.tflite"]["bytes"] / 3


@pytest.mark.parametrize("count", [0, 1, 499, 500, 501])
def test_any_number_of_images_is_scored(chain: Chain, count: int) -> None:
    images = digits.read(chain.prepared.path / "validation.parquet").images
    scorer = Scorer(chain.package.path / "float32.tflite")
    probabilities = scorer.probabilities(images[:count])
    assert probabilities.shape == (count, 10)
    np.testing.assert_allclose(probabilities, scorer.probabilities(images)[:count], atol=1e-5)


def test_an_int8_form_that_loses_accuracy_is_refused(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    int8_form = stage.int8_form
    # Ranges read from black images fit no digit.
    monkeypatch.setattr(stage, "int8_form", lambda model, typical: int8_form(model, np.zeros_like(typical)))
    refused = package(chain.store, chain.model, chain.prepared, fresh=True)
    assert refused.metrics["default"] == "float32.tflite"
    assert not refused.metrics["forms"]["int8.tflite"]["accepted"]
    assert sorted(path.name for path in refused.path.glob("*.tflite")) == ["float32.tflite"]


def test_a_float32_form_that_disagrees_is_an_error_and_leaves_nothing(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = chain.store.all()
    monkeypatch.setattr(stage, "LOSS_LIMIT", -1)
    with pytest.raises(
        PackageError, match=r"float32.tflite: the packaged model does not agree with Keras; received 0.00"
    ):
        package(chain.store, chain.model, chain.prepared, fresh=True)
    assert chain.store.all() == before
