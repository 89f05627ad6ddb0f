"""A packaged model gives Keras's answers, or is refused."""

import numpy as np
import pytest

from tasks import package as stage
from tasks.data import digits
from tasks.errors import PackageError
from tasks.models.fitted import load, predict
from tasks.models.packaged import FormCheck, PackageMetrics, default_model
from tasks.models.scorer import Scorer
from tasks.package import faster_form, package
from tests.conftest import Chain


def test_every_form_was_checked_on_the_validation_part(chain: Chain) -> None:
    forms = chain.package.measured(PackageMetrics).forms
    assert set(forms) == {"float32.tflite", "int8.tflite"}
    for form in forms.values():
        assert form.agreement > 0.97
        assert form.accepted == (form.loss_points <= 0.05)
    assert forms["float32.tflite"].agreement == 1


@pytest.mark.parametrize(
    ("int8_rate", "accepted", "default"),
    [(200, True, "int8.tflite"), (100, True, "float32.tflite"), (200, False, "float32.tflite")],
)
def test_int8_scores_where_it_is_accepted_and_faster(int8_rate: int, accepted: bool, default: str) -> None:
    float32, int8 = FormCheck(400, 100, 1.0, 0.0, accepted=True), FormCheck(100, int8_rate, 1.0, 0.0, accepted)
    assert faster_form({"float32.tflite": float32, "int8.tflite": int8}) == default


def test_the_form_that_scores_lies_in_the_package(chain: Chain) -> None:
    assert default_model(chain.package) == chain.package.path / chain.package.measured(PackageMetrics).default


def test_float32_gives_keras_own_probabilities(chain: Chain) -> None:
    images = digits.read(chain.prepared.path / "validation.parquet").images[:60]
    expected = predict(load(chain.package.path / "model.keras"), images)
    np.testing.assert_allclose(Scorer(chain.package.path / "float32.tflite").probabilities(images), expected, atol=1e-5)


def test_the_int8_form_is_much_smaller(chain: Chain) -> None:
    forms = chain.package.measured(PackageMetrics).forms
    assert forms["int8.tflite"].bytes < forms["float32.tflite"].bytes / 3


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
    metrics = refused.measured(PackageMetrics)
    assert metrics.default == "float32.tflite"
    assert not metrics.forms["int8.tflite"].accepted
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
