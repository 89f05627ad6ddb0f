"""Who answers what in a cascade; and a file that is no model of digits is refused in a line."""

from pathlib import Path

import numpy as np
import pytest

from tasks.errors import PackageError
from tasks.models.packaged import DOT_PRODUCTS, FLOAT32, INT8, fastest_form
from tasks.models.scorer import BATCH, Engine, FirstReader, Models, Scorer
from tasks.package import convert
from tests import making
from tests.conftest import Chain


@pytest.fixture(scope="module")
def weaker(chain: Chain) -> bytes:
    from tasks.models.fitted import load

    return convert(FLOAT32, load(chain.weaker.file("model.keras")), making.digits(10))


def test_the_first_reader_answers_from_its_threshold_on_and_the_main_model_the_rest(
    chain: Chain, weaker: bytes
) -> None:
    main, images = (chain.package.path / FLOAT32).read_bytes(), making.digits(700).images
    first = Scorer(weaker, temperature=0.2)
    threshold = float(np.median(first.probabilities(images).max(axis=1)))
    logits, passed_on = Engine(Models(main, 0.5, FirstReader(weaker, 0.2, threshold, whole=1.25))).answer(images)
    assert passed_on is not None
    assert passed_on.sum() == 350
    np.testing.assert_array_equal(logits[~passed_on], first.logits(images)[~passed_on] / np.float32(1.25))
    np.testing.assert_array_equal(
        logits[passed_on], Scorer(main, temperature=0.5).logits(images)[passed_on] / np.float32(1.25)
    )


@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.1])
@pytest.mark.parametrize("form", [FLOAT32, INT8])
def test_an_image_is_answered_the_same_to_the_last_bit_in_any_batch(
    chain: Chain, weaker: bytes, form: str, threshold: float
) -> None:
    models = Models((chain.package.path / form).read_bytes(), 0.5, FirstReader(weaker, 0.2, threshold, whole=1.25))
    images = making.digits(BATCH + 77).images
    whole, _ = Engine(models).answer(images)
    engine = Engine(models, threads=1)
    for size in (1, 7, 200, BATCH):
        parts = [engine.answer(images[start : start + size])[0] for start in range(0, len(images), size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_no_images_are_answered_by_nobody(chain: Chain, weaker: bytes) -> None:
    models = Models((chain.package.path / FLOAT32).read_bytes(), 0.5, FirstReader(weaker, 0.2, 0.9, whole=1.25))
    logits, passed_on = Engine(models).answer(making.digits(10).images[:0])
    assert passed_on is not None
    assert (logits.shape, passed_on.shape) == ((0, 10), (0,))


@pytest.mark.parametrize("flag", sorted(DOT_PRODUCTS))
def test_int8_answers_on_processors_that_have_instructions_for_it(flag: str) -> None:
    assert fastest_form(f"processor\t: 0\nflags\t\t: fpu avx2 {flag} erms\n") == INT8
    assert fastest_form("processor\t: 0\nflags\t\t: fpu avx2 avx512f erms\n") == FLOAT32


@pytest.mark.parametrize("as_bytes", [False, True])
@pytest.mark.parametrize("kept", [0, 100, 5000])
def test_a_file_that_is_no_model_is_told(chain: Chain, tmp_path: Path, kept: int, as_bytes: bool) -> None:
    content = (chain.package.path / "float32.tflite").read_bytes()[:kept]
    path = tmp_path / "float32.tflite"
    path.write_bytes(content)
    with pytest.raises(PackageError) as error:
        Scorer(content if as_bytes else path)
    name = "the model" if as_bytes else str(path)
    assert str(error.value).startswith(
        f"{name}: the model cannot be read; expected a .tflite file of a package; received "
    )


def test_a_model_of_something_else_is_told(tmp_path: Path) -> None:
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32)])
    def double(values: tf.Tensor) -> tf.Tensor:
        return values * 2

    path = tmp_path / "double.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([double.get_concrete_function()]).convert())
    with pytest.raises(PackageError) as error:
        Scorer(path)
    assert str(error.value) == (
        f"{path}: the model is not one of digits; expected images of 28 x 28 x 1 in and 10 logits out; "
        "received [1, 4] in and [1, 4] out"
    )


def test_a_model_that_cannot_be_run_is_told() -> None:
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((None, 28, 28, 1), tf.float32)])
    def of_one_image(images: tf.Tensor) -> tf.Tensor:
        return tf.reshape(images, (1, 784))[:, :10]

    model = tf.lite.TFLiteConverter.from_concrete_functions([of_one_image.get_concrete_function()]).convert()
    with pytest.raises(PackageError) as error:
        Scorer(model).logits(np.zeros((2, 28, 28), np.uint8))
    assert str(error.value).startswith(
        "the model: the model cannot be run; expected a model that answers any number of images; received "
    )
