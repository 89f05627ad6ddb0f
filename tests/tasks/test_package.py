"""A packaged model gives Keras's answers, or is refused."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tasks import package as stage
from tasks.data import digits
from tasks.data.metrics import PreparedMetrics
from tasks.errors import PackageError
from tasks.models.fitted import load, predict
from tasks.models.packaged import FormCheck, PackageMetrics, default_model
from tasks.models.scorer import Scorer
from tasks.package import faster_form, package
from tests import making
from tests.conftest import Chain


def test_every_form_was_checked_on_the_validation_part(chain: Chain) -> None:
    forms = chain.package.measured(PackageMetrics).forms
    assert set(forms) == {"float32.tflite", "int8.tflite"}
    for form in forms.values():
        assert form.agreement > 0.97
        assert form.accepted
        assert form.least_points == pytest.approx(500 / chain.prepared.measured(PreparedMetrics).validation, abs=1e-4)
    assert forms["float32.tflite"].agreement == 1


@pytest.mark.parametrize(
    ("int8_rate", "accepted", "default"),
    [(200, True, "int8.tflite"), (100, True, "float32.tflite"), (200, False, "float32.tflite")],
)
def test_int8_scores_where_it_is_accepted_and_faster(int8_rate: int, accepted: bool, default: str) -> None:
    float32, int8 = FormCheck(400, 100, 1, 0, 0, accepted=True), FormCheck(100, int8_rate, 1, 0, 0, accepted)
    assert faster_form({"float32.tflite": float32, "int8.tflite": int8}) == default


@pytest.mark.parametrize(("lost", "accepted"), [(0, True), (4, True), (5, False), (20, False)])
def test_a_form_is_refused_for_what_is_beyond_noise_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lost: int, accepted: bool
) -> None:
    judging = making.digits(900)
    labels = judging.known_labels
    answers = np.where(np.arange(900) < lost, (labels + 1) % 10, labels)
    monkeypatch.setattr(
        stage, "Scorer", lambda form, threads: SimpleNamespace(probabilities=lambda _: np.eye(10)[answers])
    )
    (tmp_path / "form").touch()
    check = stage.check_form(tmp_path / "form", judging, labels)
    assert (check.accepted, check.loss_points) == (accepted, pytest.approx(lost / 9, abs=1e-4))


@pytest.mark.parametrize(
    ("loss_points", "words"),
    [
        (0.1111, "loses 0.11\u00a0points of accuracy"),
        (-0.01, "gains 0.01\u00a0points of accuracy"),
        (0.0, "loses no accuracy"),
    ],
)
def test_a_check_says_what_changes_and_what_could_be_seen(loss_points: float, words: str) -> None:
    check = FormCheck(1, 1, 0.99, loss_points, 0.5556, accepted=True)
    assert str(check) == (
        f"gives 99.00\u00a0% the same answers as Keras and {words}; a loss below 0.56\u00a0points could not be shown"
    )


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
    monkeypatch.setattr(stage, "LEVEL", 1.1)
    with pytest.raises(
        PackageError, match=r"the packaged model does not agree with Keras; received float32.tflite, which gives 100"
    ):
        package(chain.store, chain.model, chain.prepared, fresh=True)
    assert chain.store.all() == before
