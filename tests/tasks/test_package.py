"""A packaged model gives Keras's answers, or is refused."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tasks import package as stage
from tasks.data import digits
from tasks.data.metrics import PreparedMetrics
from tasks.errors import PackageError, StoreError
from tasks.judging.cascade import Cascade
from tasks.models.fitted import load, predict
from tasks.models.packaged import FLOAT32, INT8, NO_CASCADE, FormCheck, PackageMetrics, models_of
from tasks.models.scorer import Scorer
from tasks.package import package
from tasks.store import Artifact
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


@pytest.mark.parametrize(("lost", "accepted"), [(0, True), (4, True), (5, False), (20, False)])
def test_a_form_is_refused_for_what_is_beyond_noise_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lost: int, accepted: bool
) -> None:
    judging = making.digits(900)
    labels = judging.known_labels
    answers = np.where(np.arange(900) < lost, (labels + 1) % 10, labels)
    monkeypatch.setattr(stage, "Scorer", lambda form: SimpleNamespace(logits=lambda _: np.eye(10)[answers]))
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
    check = FormCheck(1, 0.99, loss_points, 0.5556, accepted=True)
    assert str(check) == (
        f"gives 99.00\u00a0% the same answers as Keras and {words}; a loss below 0.56\u00a0points could not be shown"
    )


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
    assert models_of(refused, INT8) == models_of(refused, FLOAT32)
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


def test_a_package_without_a_first_reader_says_so(chain: Chain) -> None:
    assert chain.package.measured(PackageMetrics).cascade == NO_CASCADE
    assert models_of(chain.package, INT8).first is None


def test_a_package_with_a_first_reader_is_a_cascade(chain: Chain) -> None:
    metrics = chain.cascade.measured(PackageMetrics)
    chosen = metrics.cascade
    assert isinstance(chosen, Cascade)
    assert set(metrics.forms) == {"float32.tflite", "int8.tflite", "first-float32.tflite", "first-int8.tflite"}
    assert chosen.images == chain.prepared.measured(PreparedMetrics).validation
    assert chosen.images / 2 < chosen.answered < chosen.images
    assert metrics.calibration == chain.package.measured(PackageMetrics).calibration
    assert metrics.calibration_of(cascade=True) == chosen.calibration
    for form in (FLOAT32, INT8):
        first = models_of(chain.cascade, form).first
        assert first
        assert first.model == (chain.cascade.path / f"first-{form}").read_bytes()
        assert (first.threshold, first.temperature) == (chosen.threshold, chosen.temperature)
        assert models_of(chain.cascade, form, cascade=False).first is None


def test_a_first_reader_that_cannot_keep_the_promise_is_left_out_and_the_package_says_why(chain: Chain) -> None:
    without = package(chain.store, chain.model, chain.prepared, chain.weaker)
    assert str(without.measured(PackageMetrics).cascade).startswith("no first reader: it answers too few images where")
    assert set(without.manifest().files) == set(chain.package.manifest().files)
    assert models_of(without, FLOAT32).first is None


@pytest.mark.parametrize("name", ["cascade.json", "first-float32.tflite"])
def test_a_damaged_cascade_is_named_and_refused(chain: Chain, tmp_path: Path, name: str) -> None:
    damaged = Artifact.at(Path(shutil.copytree(chain.cascade.path, tmp_path / chain.cascade.name)))
    (damaged.path / name).write_bytes(b"{}")
    with pytest.raises(StoreError, match=f"{name}: the file is not what was written"):
        models_of(damaged, FLOAT32)
    assert models_of(damaged, FLOAT32, cascade=False).main
