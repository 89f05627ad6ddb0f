"""A network that a page cannot compute is refused; those that it can are computed in `tests/flows/drawing`."""

from collections.abc import Callable
from typing import Any

import pytest

from tasks.errors import PackageError
from tasks.models.forms import float32_form
from tasks.models.network import network_of


def unknown(image: Any) -> Any:
    from keras import layers

    return layers.Conv2D(2, 3, activation="elu")(image)


def cut(image: Any) -> Any:
    """Use what flattening computes a shape by for something else."""
    return image[:, 4:-4, 4:-4]


@pytest.mark.parametrize(("part", "received"), [(unknown, "ELU"), (cut, "FULLY_CONNECTED|RESHAPE")])
def test_an_operation_that_a_page_does_not_know_is_named(part: Callable[[Any], Any], received: str) -> None:
    from keras import Input, Model, layers

    image = Input((28, 28, 1))
    model = Model(image, layers.Dense(10, name="logits")(layers.Flatten()(part(image))))
    with pytest.raises(PackageError, match=f"cannot be computed by a page; .*received ({received}); .*digits draw"):
        network_of(float32_form(model))
