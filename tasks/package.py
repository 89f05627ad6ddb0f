"""Stage 6, package: the model in the forms that score, each checked against Keras's own answers.

Makes a `package`: model.keras, float32.tflite and int8.tflite. A form that loses more accuracy than LOSS_LIMIT is
refused: without int8 the package scores in float32, and where float32 is refused there is no package. That of a
refitted model also has judged.tflite, its judged twin, which answers for it when packages are compared. With it goes
what scoring needs to be trusted: how its confidence is calibrated, and profile.json, what it has learned from.
"""

import json
import logging
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tasks.data import digits
from tasks.data.digits import Digits
from tasks.errors import PackageError
from tasks.judging import calibration, drift
from tasks.judging.statistics import softmax
from tasks.models import judged
from tasks.models.fitted import float32_form, int8_form, load, predict
from tasks.models.scorer import JUDGED, PROFILE, Scorer
from tasks.stage import stage
from tasks.store import Artifact, Draft, Store

log = logging.getLogger(__name__)

LOSS_LIMIT = 0.05  # points of accuracy
TYPICAL_IMAGES = 1000  # enough for the ranges of the activations to settle


def package(store: Store, model: Artifact, prepared: Artifact, *, fresh: bool = False) -> Artifact:
    """The package of a model. Its metrics name the form that scores (`default`) and what each form's check found.

    Raises: PackageError if the float32 form does not agree with Keras.
    """

    def build(draft: Draft) -> dict[str, Any]:
        fitted = load(model.file("model.keras"))
        judging = digits.read(prepared.path / "validation.parquet")
        expected = predict(fitted, judging.images).argmax(axis=1)
        shutil.copyfile(model.path / "model.keras", draft.folder / "model.keras")
        forms = {"float32.tflite": float32_form(fitted), "int8.tflite": int8_form(fitted, _typical(prepared))}
        checks = {}
        for name, form in forms.items():
            (draft.folder / name).write_bytes(form)
            checks[name] = _compare(draft.folder / name, judging, expected)
        default = _choose(checks, draft.folder)
        if judged.refitted(model):
            # In the form that scores: packages are compared as they answer.
            answering = load(judged.twin(store, model).file("model.keras"))
            form = int8_form(answering, _typical(prepared)) if default == "int8.tflite" else float32_form(answering)
            (draft.folder / JUDGED).write_bytes(form)
        metrics = {"default": default, "forms": checks, "refitted": judged.refitted(model)}
        return metrics | {"calibration": _trusted(draft.folder, metrics, prepared, judging)}

    return store.make("package", build, code=__name__, parameters={}, inputs=[model, prepared], fresh=fresh)


def _trusted(folder: Path, metrics: dict[str, Any], prepared: Artifact, judging: Digits) -> dict[str, Any]:
    """The calibration, in the form that scores; writes the profile. Of a refitted model both are its judged twin's."""
    form = folder / (JUDGED if metrics["refitted"] else metrics["default"])
    logits = Scorer(form).logits(judging.images)
    found = calibration.measure(logits, judging.known_labels)
    training = digits.read(prepared.path / "train.parquet")
    # A model is too sure of what it has learned from.
    confidence = softmax(logits / found.temperature).max(axis=1)
    profile = drift.measure(training.images, training.known_labels, confidence)
    (folder / PROFILE).write_text(json.dumps(profile.as_json()) + "\n", encoding="utf-8")
    return asdict(found)


def _typical(prepared: Artifact) -> np.ndarray:
    """Training images, uint8 (n, 28, 28), spread evenly over the file."""
    images = digits.read(prepared.path / "train.parquet").images
    return images[:: max(1, len(images) // TYPICAL_IMAGES)][:TYPICAL_IMAGES]


def _compare(form: Path, judging: Digits, expected: np.ndarray) -> dict[str, float]:
    """agreement: share of images that get the same label as from Keras. loss_points: accuracy below Keras's.

    The accuracy itself is not kept: that of a refitted model, which has learned these images, would say nothing.
    """
    scorer = Scorer(form, threads=1)
    started = time.process_time()
    answers = scorer.probabilities(judging.images).argmax(axis=1)
    rate = len(judging) / (time.process_time() - started)
    truth = judging.known_labels
    loss = 100 * float((expected == truth).mean() - (answers == truth).mean())
    return {
        "bytes": form.stat().st_size,
        "images_per_cpu_second": round(rate),
        "agreement": float((answers == expected).mean()),
        "loss_points": round(loss, 4),
        "accepted": loss <= LOSS_LIMIT,
    }


def _choose(checks: dict[str, dict[str, float]], folder: Path) -> str:
    """The form that scores: int8, but where a processor is slower with it; a refused form's file is removed."""
    for name, check in checks.items():
        if check["accepted"]:
            continue
        said = f"{check['loss_points']:.2f} points of accuracy lost, {LOSS_LIMIT} allowed"
        if name == "float32.tflite":
            raise PackageError(
                "the packaged model does not agree with Keras", file=name, received=said, remedy="report this as a bug"
            )
        log.warning("%s refused (%s); the package scores in float32", name, said)
        (folder / name).unlink()
    rates = {name: check["images_per_cpu_second"] for name, check in checks.items() if check["accepted"]}
    # Measured one after the other; processors without instructions for int8 (VNNI) take a third longer with it.
    return "int8.tflite" if rates.get("int8.tflite", 0) > rates["float32.tflite"] else "float32.tflite"


package_stage = stage(package)
