"""Stage 6, package: the model in the forms that score, each checked against Keras's own answers.

Makes a `package`: model.keras, float32.tflite and int8.tflite, of which the faster one on the scoring machine answers.
A form that loses accuracy beyond noise (McNemar's test, one-sided, on the validation images) is refused: without int8
the package scores in float32, and where float32 is refused there is no package. With a first reader it is a cascade:
first-float32.tflite, first-int8.tflite, and cascade.json, when it answers. The package of a refitted model also has
judged.tflite, its judged twin, which answers for it when packages are compared. With it goes what scoring needs to be
trusted: how its confidence is calibrated, profile.json, what its images are like, learned.npy, the fingerprints of all
that it has learned from, and familiar.npz, by which pictures of other things than digits are told.
"""

import json
import logging
import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.data import digits
from tasks.data.digits import Digits
from tasks.errors import PackageError
from tasks.judging import calibration, drift, familiarity
from tasks.judging.cascade import Cascade, measure, too_few
from tasks.judging.drift import Profile
from tasks.judging.statistics import LEVEL, mcnemar, softmax
from tasks.models.fitted import is_refitted, judged_twin, load, predict
from tasks.models.forms import float32_form, int8_form
from tasks.models.packaged import (
    CASCADE,
    FAMILIAR,
    FIRST,
    FLOAT32,
    INT8,
    JUDGED,
    LEARNED,
    NO_CASCADE,
    PROFILE,
    FormCheck,
    PackageMetrics,
)
from tasks.models.scorer import Engine, FirstReader, Models, Scorer
from tasks.stage import stage
from tasks.store import Artifact, Draft, Store
from tasks.store.typed import as_json

if TYPE_CHECKING:
    import keras

log = logging.getLogger(__name__)

TYPICAL_IMAGES = 1000  # enough for the ranges of the activations to settle


def package(
    store: Store, model: Artifact, prepared: Artifact, first: Artifact | None = None, *, fresh: bool = False
) -> Artifact:
    """Return the package of a model. Raises: PackageError if a float32 form does not agree with Keras.

    first: the model of its first reader, which has not learned from the validation part.
    """

    def build(draft: Draft) -> PackageMetrics:
        training = digits.read(prepared.file("train.parquet"))
        validation = digits.read(prepared.file("validation.parquet"))
        keras_file = model.file("model.keras")
        fitted = load(keras_file)
        shutil.copyfile(keras_file, draft.folder / "model.keras")
        checks = write_forms(fitted, training, validation, draft.folder)
        main = {form: (draft.folder / form).read_bytes() for form in accepted(checks)}
        if is_refitted(model):
            # What has learned from the validation part is too sure of it.
            twin = load(judged_twin(store, model).file("model.keras"))
            main = {form: convert(form, twin, training) for form in main}
            (draft.folder / JUDGED).write_bytes(main[FLOAT32])
        answers = {form: Scorer(content).logits(validation.images) for form, content in main.items()}
        calibrated = calibration.measure(answers[FLOAT32], validation.known_labels)
        answers = {form: logits / np.float32(calibrated.temperature) for form, logits in answers.items()}
        familiar, limits = familiarity.measure(validation.images, answers[FLOAT32])
        cascade: Cascade | str = too_few(len(validation)) or NO_CASCADE
        reader = None
        if first:
            cascade, reader, first_checks = choose_cascade(first, answers, training, validation, draft.folder)
            checks |= first_checks
        engine = Engine(Models(main[FLOAT32], calibrated.temperature, reader))
        profile = measure_profile(engine, training, validation)
        (draft.folder / PROFILE).write_text(json.dumps(profile.as_json()) + "\n", encoding="utf-8")
        (draft.folder / FAMILIAR).write_bytes(familiar.as_bytes())
        learned = digits.concatenate([training, validation]) if is_refitted(model) else training
        np.save(draft.folder / LEARNED, np.unique(digits.fingerprints(learned.images)))
        return PackageMetrics(checks, is_refitted(model), calibrated, limits, cascade)

    inputs = [model, prepared, first] if first else [model, prepared]
    return store.make("package", build, code=__name__, parameters={}, inputs=inputs, fresh=fresh)


def choose_cascade(
    first: Artifact, answers: dict[str, np.ndarray], training: Digits, validation: Digits, folder: Path
) -> tuple[Cascade | str, FirstReader | None, dict[str, FormCheck]]:
    """Write a first reader's forms and its cascade.json into a folder, if it may answer anything.

    answers: float32 (n, 10), the main model's calibrated logits in each of its forms. Raises: PackageError.
    """
    checks = write_forms(load(first.file("model.keras")), training, validation, folder, FIRST)
    forms = {form: folder / (FIRST + form) for form in accepted(checks, FIRST)}
    logits = {form: Scorer(file).logits(validation.images) for form, file in forms.items()}
    # A model whose int8 form is refused answers in float32 beside the other's int8.
    readers, mains = (
        [by_form.get(form, by_form[FLOAT32]) for form in (FLOAT32, INT8)] for by_form in (logits, answers)
    )
    cascade = measure(np.stack(readers), np.stack(mains), validation.known_labels)
    log.info("%s", cascade)
    if isinstance(cascade, str):
        for file in forms.values():
            file.unlink()
        return cascade, None, {}
    (folder / CASCADE).write_bytes(as_json(cascade) + b"\n")
    return cascade, FirstReader.of(forms[FLOAT32].read_bytes(), cascade), checks


def accepted(checks: dict[str, FormCheck], prefix: str = "") -> list[str]:
    """Return the names of the forms that lie in the package. prefix: of the files' names."""
    return [form for form in (FLOAT32, INT8) if checks[prefix + form].accepted]


def write_forms(
    fitted: "keras.Model", training: Digits, validation: Digits, folder: Path, prefix: str = ""
) -> dict[str, FormCheck]:
    """Write the forms of a model into a folder, except those that lose accuracy beyond noise; return the check of each.

    prefix: of the files' names.
    Raises: PackageError if the float32 form does.
    """
    labels = predict(fitted, validation.images).argmax(axis=1)
    checks = {}
    for name in (FLOAT32, INT8):
        form = folder / (prefix + name)
        form.write_bytes(convert(name, fitted, training))
        checks[form.name] = check = check_form(form, validation, labels)
        if check.accepted:
            continue
        if name == FLOAT32:
            raise PackageError(
                "the packaged model does not agree with Keras",
                received=f"{form.name}, which {check}",
                remedy="report this as a bug",
            )
        log.warning("%s refused, it %s; float32 answers instead", form.name, check)
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
    answers = Scorer(form).logits(validation.images).argmax(axis=1)
    truth = validation.known_labels
    paired = mcnemar(answers == truth, labels == truth)
    # Even if Keras alone were right wherever the two differ, fewer images than these could be chance.
    least = math.ceil(math.log2(1 / LEVEL))
    return FormCheck(
        bytes=form.stat().st_size,
        agreement=float((answers == labels).mean()),
        loss_points=round(100 * (paired.only_second - paired.only_first) / len(truth), 4),
        least_points=round(100 * least / len(truth), 4),
        accepted=paired.p_first_worse >= LEVEL,
    )


def measure_profile(engine: Engine, training: Digits, validation: Digits) -> Profile:
    """Measure the profile that drift is judged by.

    engine: of models that have not learned from the validation part; they would be too sure of that.
    """
    logits, passed_on = engine.answer(validation.images)
    return drift.measure(training.images, training.known_labels, softmax(logits).max(axis=1), passed_on)


package_stage = stage(package)
