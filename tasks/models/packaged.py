"""Packages: their figures, and which of their files answers. Imports neither TensorFlow nor Prefect."""

from dataclasses import dataclass
from pathlib import Path

from tasks.judging.calibration import Calibration
from tasks.judging.familiarity import Limits
from tasks.store import Artifact
from tasks.words import percent, points

FLOAT32, INT8, JUDGED = "float32.tflite", "int8.tflite", "judged.tflite"
PROFILE, LEARNED, FAMILIAR = "profile.json", "learned.npy", "familiar.npz"


@dataclass(frozen=True)
class FormCheck:
    """The comparison of a LiteRT form with Keras on the validation part.

    agreement: share of the images that get the same label. loss_points: points of accuracy below Keras's; the accuracy
        itself is not kept: that of a refitted model, which has learned these images, would mislead.
    least_points: the smallest loss, in points, that so many images could show beyond noise.
    accepted: False for a form that loses accuracy beyond noise and is not in the package.
    As a text it is what the form does, in words.
    """

    bytes: int
    images_per_cpu_second: int
    agreement: float
    loss_points: float
    least_points: float
    accepted: bool

    def __str__(self) -> str:
        change = f"{'loses' if self.loss_points > 0 else 'gains'} {points(abs(self.loss_points) / 100)} of accuracy"
        return (
            f"gives {percent(self.agreement)} the same answers as Keras and "
            f"{change if self.loss_points else 'loses no accuracy'}; "
            f"a loss below {points(self.least_points / 100)} could not be shown"
        )


@dataclass(frozen=True)
class PackageMetrics:
    """The figures of a package.

    default: name of the file that scores. forms: the check of each form, by its file's name.
    refitted: True where the model has learned from the validation part as well.
    calibration, limits: of the form that scores; of a refitted model, those of its judged twin.
    """

    default: str
    forms: dict[str, FormCheck]
    refitted: bool
    calibration: Calibration
    limits: Limits


def default_model(package: Artifact) -> Path:
    """Return the file of a package that scores. Raises: StoreError."""
    return package.file(package.measured(PackageMetrics).default)


def judged_model(package: Artifact) -> Path:
    """Return the file whose answers on the validation part count: of a refitted package that of its judged twin.

    Raises: StoreError.
    """
    metrics = package.measured(PackageMetrics)
    return package.file(JUDGED if metrics.refitted else metrics.default)
