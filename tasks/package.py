"""Stage 6, package: the model in the forms that score, each checked against Keras's own answers.

Makes a `package`: model.keras, float32.tflite and int8.tflite. A form that loses accuracy beyond noise (McNemar's test,
one-sided, on the validation images) is refused: without int8 the package scores in float32, and where float32 is
refused there is no package. That of a refitted model also has judged.tflite, its judged twin, which answers for it when
packages are compared. With it goes what scoring needs to be trusted: how its confidence is calibrated, profile.json,
what its images are like, learned.npy, the fingerprints of all that it has learned from, and familiar.npz, by which
pictures of other things than digits are told.
"""

import json
import logging
import math
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.data import digits
from tasks.data.digits import Digits
from tasks.errors import PackageError
from tasks.judging import calibration, drift, familiarity
from tasks.judging.calibration import Calibration
from tasks.judging.drift import Profile
from tasks.judging.familiarity import Familiarity, Limits
from tasks.judging.statistics import LEVEL, mcnemar, softmax
from tasks.models.fitted import is_refitted, judged_twin, load, predict
from tasks.models.forms import float32_form, int8_form
from tasks.models.packaged import FAMILIAR, FLOAT32, INT8, JUDGED, LEARNED, PROFILE, FormCheck, PackageMetrics
from tasks.models.scorer import Scorer
from tasks.stage import stage
from tasks.store import Artifact, Draft, Store

if TYPE_CHECKING:
    import keras

log = logging.getLogger(__name__)

TYPICAL_IMAGES = 1000  # enough for the ranges of the activations to settle


def package(store: Store, model: Artifact, prepared: Artifact, *, fresh: bool = False) -> Artifact:
    """Return the package of a model. Raises: PackageError if the float32 form does not agree with Keras."""

    def build(draft: Draft) -> PackageMetrics:
        training = digits.read(prepared.file("train.parquet"))
        validation = digits.read(prepared.file("validation.parquet"))
        keras_file = model.file("model.keras")
        fitted = load(keras_file)
        shutil.copyfile(keras_file, draft.folder / "model.keras")
        checks = write_forms(fitted, training, validation, draft.folder)
        default = answering = faster_form(checks)
        if is_refitted(model):
            answering = JUDGED
            twin = load(judged_twin(store, model).file("model.keras"))
            # In the form that scores: packages are compared as they answer.
            (draft.folder / JUDGED).write_bytes(convert(default, twin, training))
        calibrated, profile, familiar, limits = measure_confidence(draft.folder / answering, training, validation)
        (draft.folder / PROFILE).write_text(json.dumps(profile.as_json()) + "\n", encoding="utf-8")
        (draft.folder / FAMILIAR).write_bytes(familiar.as_bytes())
        learned = digits.concatenate([training, validation]) if is_refitted(model) else training
        np.save(draft.folder / LEARNED, np.unique(digits.fingerprints(learned.images)))
        return PackageMetrics(default, checks, is_refitted(model), calibrated, limits)

    return store.make("package", build, code=__name__, parameters={}, inputs=[model, prepared], fresh=fresh)


def write_forms(fitted: "keras.Model", training: Digits, validation: Digits, folder: Path) -> dict[str, FormCheck]:
    """Write the forms of a model into a folder, except those that lose accuracy beyond noise; return the check of each.

    Raises: PackageError if the float32 form does.
    """
    labels = predict(fitted, validation.images).argmax(axis=1)
    checks = {}
    for name in (FLOAT32, INT8):
        form = folder / name
        form.write_bytes(convert(name, fitted, training))
        checks[name] = check = check_form(form, validation, labels)
        if check.accepted:
            continue
        if name == FLOAT32:
            raise PackageError(
                "the packaged model does not agree with Keras",
                received=f"{name}, which {check}",
                remedy="report this as a bug",
            )
        log.warning("%s refused, it %s; the package scores in float32", name, check)
        form.unlink()
    return checks


def convert(form: str, fitted: "keras.Model", training: Digits) -> bytes:
    """Return the content of the form of this name."""
    if form == FLOAT32:
        return float32_form(fitted)
    # Evenly spaced: the file may be sorted by class.
    every = max(1, len(training) // TYPICAL_IMAGES)
    return int8_form(fitted, training.images[::every][:TYPICAL_IMAGES])


def check_form(form: Path, validation: Digits, labels: np.ndarray) -> FormCheck:
    """Compare a form with Keras. labels: Keras's answers to the validation images, 0–9."""
    scorer = Scorer(form, threads=1)
    started = time.process_time()
    answers = scorer.probabilities(validation.images).argmax(axis=1)
    seconds = time.process_time() - started
    truth = validation.known_labels
    paired = mcnemar(answers == truth, labels == truth)
    # Even if Keras alone were right wherever the two differ, fewer images than these could be chance.
    least = math.ceil(math.log2(1 / LEVEL))
    return FormCheck(
        bytes=form.stat().st_size,
        images_per_cpu_second=round(len(validation) / seconds),
        agreement=float((answers == labels).mean()),
        loss_points=round(100 * (paired.only_second - paired.only_first) / len(truth), 4),
        least_points=round(100 * least / len(truth), 4),
        accepted=paired.p_first_worse >= LEVEL,
    )


def faster_form(checks: dict[str, FormCheck]) -> str:
    """Return the name of the form that scores: int8 where it is accepted and the faster one, else float32."""
    int8 = checks[INT8]
    # Measured one after the other; processors without instructions for int8 (VNNI) take a third longer with it.
    is_faster = int8.images_per_cpu_second > checks[FLOAT32].images_per_cpu_second
    return INT8 if int8.accepted and is_faster else FLOAT32


def measure_confidence(
    form: Path, training: Digits, validation: Digits
) -> tuple[Calibration, Profile, Familiarity, Limits]:
    """Measure the calibration of a form, the profile that drift is judged by, and what is familiar to it.

    form: a model that has not learned from the validation part; it would be too sure of that.
    """
    logits = Scorer(form).logits(validation.images)
    calibrated = calibration.measure(logits, validation.known_labels)
    logits /= np.float32(calibrated.temperature)
    confidence = softmax(logits).max(axis=1)
    profile = drift.measure(training.images, training.known_labels, confidence)
    return calibrated, profile, *familiarity.measure(validation.images, logits)


package_stage = stage(package)
