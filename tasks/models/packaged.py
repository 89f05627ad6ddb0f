"""Packages: their figures, and which of their files answer. Imports neither TensorFlow nor Prefect."""

import platform
from dataclasses import dataclass
from pathlib import Path

from tasks.judging.calibration import Calibration
from tasks.judging.cascade import Cascade
from tasks.judging.familiarity import Limits
from tasks.models.scorer import FirstReader, Models
from tasks.store import Artifact
from tasks.store.manifest import REMEDY
from tasks.store.typed import parsed
from tasks.words import percent, points

FLOAT32, INT8, JUDGED = "float32.tflite", "int8.tflite", "judged.tflite"
FIRST = "first-"  # begins the names of the first reader's forms
NO_CASCADE = "no first reader: none was fitted"
CASCADE, PROFILE, LEARNED, FAMILIAR = "cascade.json", "profile.json", "learned.npy", "familiar.npz"
# Instructions that add up products of int8 in one step; without them int8 takes a third longer than float32.
DOT_PRODUCTS = {"avx512_vnni", "avx_vnni", "asimddp"}


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

    forms: the check of each form, by its file's name. refitted: True where the main model has learned from the
        validation part as well.
    calibration, limits: of the main model; of a refitted one, those of its judged twin.
    cascade: when the first reader answers, and what that promises; or in words why there is none.
    """

    forms: dict[str, FormCheck]
    refitted: bool
    calibration: Calibration
    limits: Limits
    cascade: Cascade | str = NO_CASCADE

    def calibration_of(self, cascade: bool) -> Calibration:
        """Return the calibration of what answers: the cascade, if there is one and it may, or else the main model."""
        return self.cascade.calibration if cascade and isinstance(self.cascade, Cascade) else self.calibration


def form_here() -> str:
    """Return the name of the form that is the faster one on this processor."""
    try:
        return fastest_form(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace"))
    except OSError:  # no Linux; of the others, Apple's own processors have these instructions
        return INT8 if platform.machine() == "arm64" else FLOAT32


def fastest_form(cpuinfo: str) -> str:
    """Return the name of the form that is the faster one on the processor that a /proc/cpuinfo describes."""
    return INT8 if DOT_PRODUCTS.intersection(cpuinfo.split()) else FLOAT32


def models_of(package: Artifact, form: str, *, cascade: bool = True, judged: bool = False) -> Models:
    """Return what answers of a package, in a form, or in float32 where that is not in the package.

    cascade: whether its first reader may answer, if it has one. judged: for its judged twin to answer, where it is
    refitted; only in float32.
    Raises: StoreError if a file is not what was packaged.
    """
    metrics = package.measured(PackageMetrics)
    main = JUDGED if judged and metrics.refitted else _file(metrics, "", form)
    file = package.file_if_any(CASCADE) if cascade else None
    first = None
    if file:
        chosen = parsed(Cascade, file.read_bytes(), "the cascade is not what was written", file=file, remedy=REMEDY)
        first = FirstReader.of(package.file(_file(metrics, FIRST, form)).read_bytes(), chosen)
    return Models(package.file(main).read_bytes(), metrics.calibration.temperature, first)


def _file(metrics: PackageMetrics, prefix: str, form: str) -> str:
    check = metrics.forms.get(prefix + form)
    return prefix + (form if check and check.accepted else FLOAT32)
