"""Fitted Keras models: their figures, how they are loaded, and their answers.

A model is judged on the validation part, which it has not learned from. A refitted one has learned from that part as
well, by the same recipe, and nothing is left to judge it by: every figure of it is that of its judged twin.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np

from tasks.data.digits import SIDE
from tasks.errors import PackageError
from tasks.silence import silence
from tasks.store import Artifact, Store

if TYPE_CHECKING:
    import keras

PREDICTION_BATCH = 1000  # images


@dataclass(frozen=True)
class ModelMetrics:
    """The figures of a fitted model.

    epochs, best_epoch: how many were run, and the one with the lowest validation loss, from 1; both 0 for a model that
        was combined from members, which have run theirs.
    accuracy: on the validation part, of the epoch that was kept; None where that part was learned from, or for a
        combined model.
    parameters: how many the network has.
    judged: name of the judged twin of a refitted model.
    """

    recipe: str
    seed: int
    epochs: int
    best_epoch: int
    accuracy: float | None
    parameters: int
    fit_cpu_seconds: float
    fit_wall_seconds: float
    judged: str | None


def is_refitted(model: Artifact) -> bool:
    """Return True for a model that has learned from the validation part."""
    return model.measured(ModelMetrics).judged is not None


def judged_twin(store: Store, model: Artifact) -> Artifact:
    """Return the model that was judged: the model itself, unless it is refitted. Raises: StoreError if it is gone."""
    judged = model.measured(ModelMetrics).judged
    return store.get(judged) if judged else model


def start_tensorflow() -> None:
    """Import TensorFlow without its words on graphics cards that are not there, which no log level keeps back."""
    if "tensorflow" not in sys.modules:
        with silence():
            import keras  # noqa: F401


def load(path: Path) -> "keras.Model":
    """Load the model of a .keras file. Keras's safe mode refuses code inside it (Lambda layers).

    Raises: PackageError if it cannot be opened, or has another ending: in HDF5 a model may hold pickled code.
    """
    if path.suffix != ".keras":
        raise PackageError("a model of this kind is not opened", file=path.name, expected="a .keras file")
    start_tensorflow()
    import keras

    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, OSError, BadZipFile) as error:
        raise PackageError(
            "the model cannot be opened",
            file=path.name,
            expected="a whole .keras file without code of its own, which a Lambda layer is",
            received=str(error)[:200],
        ) from error


def predict(model: "keras.Model", images: np.ndarray) -> np.ndarray:
    """Return Keras's own answers: probabilities float32 (n, 10) of images uint8 (n, 28, 28)."""
    batches = (images[start : start + PREDICTION_BATCH] for start in range(0, len(images), PREDICTION_BATCH))
    return np.concatenate([model.predict_on_batch(batch[..., None].astype(np.float32)) for batch in batches])


def averaged(members: "Sequence[keras.Model]") -> "keras.Model":
    """Build one model whose logits are the mean of its members'."""
    import keras

    image = keras.Input((SIDE, SIDE, 1))
    networks = [
        keras.Model(member.inputs, member.get_layer("logits").output, name=f"member-{number}")
        for number, member in enumerate(members, start=1)
    ]
    mean = keras.layers.Average(name="logits")([network(image) for network in networks])
    return keras.Model(image, keras.layers.Softmax(name="probabilities")(mean), name="members")
