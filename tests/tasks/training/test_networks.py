"""Every network is what its docstring says, and one that fits neither images nor classes is told in a line."""

import re

import numpy as np
import pytest

from tasks.errors import FitError
from tasks.models.fitted import averaged, predict
from tasks.training import networks
from tests import making


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_a_network_has_the_parameters_that_its_docstring_names(name: str) -> None:
    told = re.search(r"([\d,]+) parameters", networks.NETWORKS[name].__doc__ or "")
    assert told
    assert networks.build(name, dropout=0.1).count_params() == int(told[1].replace(",", ""))


@pytest.mark.parametrize(
    ("layers", "told"),
    [
        (
            lambda layers: [layers.Conv2D(4, 30)],
            "the network 'mine' does not fit the images; expected layers that take",
        ),
        (
            lambda layers: [layers.Flatten(), layers.Dense(9, name="logits"), layers.Softmax(name="probabilities")],
            "the network 'mine' does not fit the classes; expected layers logits and probabilities last, 10 values",
        ),
        (
            lambda layers: [layers.Flatten(), layers.Dense(10)],
            "the network 'mine' does not fit the classes; expected layers logits and probabilities last",
        ),
    ],
    ids=["images", "classes", "names"],
)
def test_a_network_that_does_not_fit_is_told(monkeypatch: pytest.MonkeyPatch, layers: object, told: str) -> None:
    from keras import layers as keras_layers

    monkeypatch.setitem(networks.NETWORKS, "mine", lambda dropout: layers(keras_layers))  # type: ignore[operator]
    with pytest.raises(FitError) as error:
        networks.build("mine", dropout=0)
    assert str(error.value).startswith(told)


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_the_softmax_of_the_logits_gives_the_probabilities_in_their_proportion(name: str) -> None:
    import keras

    from tasks.judging.statistics import softmax

    network = networks.build(name, dropout=0)
    images = making.digits(5).images
    logits = keras.Model(network.inputs, network.get_layer("logits").output)
    probabilities = predict(network, images)
    proportions = probabilities / probabilities.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax(predict(logits, images)), proportions, rtol=1e-4)


def test_members_answer_with_the_mean_of_their_logits() -> None:
    members = [networks.build("mlp-relu", dropout=0) for _ in range(3)]
    images = making.digits(5).images
    logits = np.mean([np.log(predict(member, images)) for member in members], axis=0)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(predict(averaged(members), images), expected, rtol=1e-4)
