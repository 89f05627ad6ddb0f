"""The scoring engine: packaged LiteRT models from images to probabilities. Imports neither TensorFlow nor Prefect."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.data.digits import CLASSES, SIDE
from tasks.errors import PackageError
from tasks.judging.cascade import Cascade
from tasks.judging.statistics import softmax
from tasks.silence import silence

BATCH = 500  # images a call; beyond it only memory grows


class Scorer:
    """A model of a package, loaded once. Not to be shared between threads.

    The packaged network ends in logits; the softmax is taken here in float32, so that an int8 model's confidence is
    not rounded to 1/256.
    """

    def __init__(self, model: Path | bytes, *, threads: int = 2, temperature: float = 1) -> None:
        """model: a .tflite file of a package, or its content. temperature: what the logits are divided by.

        Raises: PackageError if it is none.
        """
        from ai_edge_litert.interpreter import Interpreter

        source = {"model_content": model} if isinstance(model, bytes) else {"model_path": str(model)}
        self._name = name = "the model" if isinstance(model, bytes) else str(model)
        try:
            self._interpreter = Interpreter(**source, num_threads=threads)
            ends = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        except ValueError as error:
            raise PackageError(
                "the model cannot be read", file=name, expected="a .tflite file of a package", received=str(error)
            ) from error
        shapes = [tensors[0]["shape"].tolist() if len(tensors) == 1 else [len(tensors), "tensors"] for tensors in ends]
        if [shape[1:] for shape in shapes] != [[SIDE, SIDE, 1], [CLASSES]]:
            raise PackageError(
                "the model is not one of digits",
                file=name,
                expected=f"images of {SIDE} x {SIDE} x 1 in and {CLASSES} logits out",
                received=f"{shapes[0]} in and {shapes[1]} out",
            )
        self._temperature = np.float32(temperature)
        self._rows = 0

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return the logits, float32 (n, 10), divided by the temperature, of images uint8 (n, 28, 28), 0–255.

        Those of an image are the same to the last bit in any batch.
        Raises: PackageError if the model cannot be run.
        """
        if not len(images):
            return np.empty((0, CLASSES), np.float32)
        starts = range(0, len(images), BATCH)
        try:
            logits = np.concatenate([self._logits(images[start : start + BATCH]) for start in starts])
        except (RuntimeError, ValueError) as error:
            expected = "a model that answers any number of images"
            raise PackageError(
                "the model cannot be run", file=self._name, expected=expected, received=str(error)
            ) from error
        return logits / self._temperature

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return the probabilities of the classes, float32 (n, 10), of images uint8 (n, 28, 28), 0–255."""
        return softmax(self.logits(images))

    def _logits(self, images: np.ndarray) -> np.ndarray:
        if len(images) != self._rows:
            self._rows = len(images)
            self._interpreter.resize_tensor_input(0, (self._rows, SIDE, SIDE, 1))
            with silence():  # it announces its delegate
                self._interpreter.allocate_tensors()
        pixels, logits = self._interpreter.get_input_details()[0], self._interpreter.get_output_details()[0]
        self._interpreter.set_tensor(pixels["index"], images[..., None].astype(pixels["dtype"], copy=False))
        self._interpreter.invoke()
        return self._interpreter.get_tensor(logits["index"])


@dataclass(frozen=True)
class FirstReader:
    """The first reader of a cascade, as it travels.

    model: the content of a .tflite file. temperature: what its logits are divided by. threshold: the confidence from
    which on it answers, 0–1. whole: the temperature that the logits of whoever answers are divided by at last.
    """

    model: bytes
    temperature: float
    threshold: float
    whole: float

    @classmethod
    def of(cls, model: bytes, cascade: Cascade) -> "FirstReader":
        """Return the first reader of a cascade."""
        return cls(model, cascade.temperature, cascade.threshold, cascade.calibration.temperature)


@dataclass(frozen=True)
class Models:
    """The models that answer, as they travel to whoever scores.

    main: the content of a .tflite file. temperature: what its logits are divided by. first: the reader before it.
    """

    main: bytes
    temperature: float
    first: FirstReader | None = None


class Engine:
    """The models that answer, loaded once: all images go through the first reader, if any. For one thread only."""

    def __init__(self, models: Models, *, threads: int = 2) -> None:
        """Load them. Raises: PackageError if one cannot be read."""
        self._main = Scorer(models.main, threads=threads, temperature=models.temperature)
        self._first = first = models.first
        if first:
            self._reader = Scorer(first.model, threads=threads, temperature=first.temperature)

    def answer(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the calibrated logits, float32 (n, 10), of images uint8 (n, 28, 28), 0–255.

        With them goes bool (n,): the images that the first reader has passed on to the main model; None without one.
        """
        if not self._first:
            return self._main.logits(images), None
        logits = self._reader.logits(images)
        passed_on = softmax(logits).max(axis=1) < self._first.threshold
        logits[passed_on] = self._main.logits(images[passed_on])
        return logits / np.float32(self._first.whole), passed_on
