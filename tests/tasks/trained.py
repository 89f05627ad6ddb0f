"""What a run leaves in a store, without a fit: small files, real manifests, and answers that a test chooses."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tasks.data import digits
from tasks.data.digits import Digits
from tasks.data.metrics import DatasetMetrics, PreparedMetrics, RowCounts
from tasks.judging import answers
from tasks.judging.answers import Answers
from tasks.judging.evaluation import Evaluation
from tasks.models.fitted import ModelMetrics
from tasks.models.packaged import FLOAT32, FormCheck, PackageMetrics
from tasks.store import Artifact, Draft, Store
from tasks.training import recipes
from tests import making
from tests.tasks.evaluated import CALIBRATION, LIMITS
from tests.tasks.evaluated import evaluation as evaluation_of

IMAGES = 60


@dataclass(frozen=True)
class Trained:
    dataset: Artifact
    prepared: Artifact
    model: Artifact
    evaluation: Artifact
    package: Artifact


def trained(
    store: Store, seed: int = 0, wrong: Sequence[int] = (), judging: Digits | None = None, source: str = "a.csv"
) -> Trained:
    """Everything from dataset to package; another seed is another model.

    wrong: rows of the validation part that it reads as the next digit. judging: that part.
    """
    judging = judging or making.digits(IMAGES)
    parameters = recipes.find("fast", [f"seed={seed}"]).as_parameters()
    origin = {"data": f"data/{source}", "files": [{"path": f"data/{source}", "bytes": 3, "sha256": "0123456789" * 6}]}
    truth = judging.known_labels
    answered = np.where(np.isin(np.arange(len(truth)), wrong), (truth + 1) % 10, truth)
    sure = np.eye(10, dtype=np.float32)[answered] * 0.9 + 0.01

    def split(draft: Draft) -> PreparedMetrics:
        digits.write(draft.folder / "train.parquet", making.digits(20, start=1000))
        digits.write(draft.folder / "validation.parquet", judging)
        return PreparedMetrics(20, len(judging))

    def evaluated(draft: Draft) -> Evaluation:
        answers.write(draft.folder / "answers.parquet", Answers.to(judging, sure))
        return evaluation_of(accuracy=1 - len(wrong) / len(judging), judged=model.name)

    def packed(draft: Draft) -> PackageMetrics:
        (draft.folder / FLOAT32).write_bytes(b"model" * 300)
        check = FormCheck(bytes=1500, agreement=1.0, loss_points=0, least_points=0.5, accepted=True)
        calibration = replace(CALIBRATION, error_after=0.0123)
        return PackageMetrics({FLOAT32: check}, refitted=False, calibration=calibration, limits=LIMITS)

    fitted = ModelMetrics("fast", seed, 1, 1, None, 10, 1.0, 1.0, judged=None)

    def make(kind: str, build: object, given: dict[str, object], *inputs: Artifact) -> Artifact:
        return store.make(
            kind, build, code="tasks.data.digits", parameters=given, inputs=inputs, source=about.get(kind)
        )

    about = {"dataset": origin}
    dataset = make("dataset", lambda draft: DatasetMetrics(RowCounts(20 + len(judging), 0)), {"source": source})
    prepared = make("prepared", split, {"ids": judging.ids.tolist()}, dataset)
    model = make("model", lambda draft: fitted, parameters, prepared)
    evaluation = make("evaluation", evaluated, {}, model, prepared)
    return Trained(dataset, prepared, model, evaluation, make("package", packed, {}, model, prepared))
