"""Scores as a test wants them, without a model: answers of its choice to real digits."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.data.digits import CLASSES, PIXELS, Digits, column, texts
from tasks.judging.calibration import Expected
from tasks.scoring import outputs
from tasks.scoring.scores import Beside, DriftMetrics, ScoresMetrics
from tasks.scoring.shards import BESIDE, COLUMNS
from tasks.store import Artifact, Draft, Store


def scored(
    store: Store,
    digits: Digits,
    answers: np.ndarray,
    confidence: np.ndarray,
    *,
    below: float = 0.95,
    doubted: Sequence[int] = (),
    images: bool = True,
    shard_rows: int = 1_000_000,
    source: Path | None = None,
    beside: np.ndarray | None = None,
    pictures: Sequence[Path] = (),
) -> Artifact:
    """Publish scores. answers: uint8 (n,). confidence: (n,), of which less than `below` is to be reviewed.

    doubted: indices without an answer. images: whether those not to be reviewed have one as well. source: of the file.
    beside: uint8 (n,), the answers of a second package.
    pictures: the files, where it is pictures that were scored.
    """
    count = len(digits)
    doubt = np.isin(np.arange(count), doubted)
    review = (confidence < below) | doubt
    rows = pa.table(
        {
            "id": column(np.arange(1, count + 1), pa.int64()),
            "label": column(answers.astype(np.uint8), pa.uint8(), doubt),
            "confidence": column(confidence.astype(np.float32), pa.float32(), doubt),
            "review": column(review, pa.bool_()),
            "reason": texts(["nothing is drawn" if doubtful else None for doubtful in doubt]),
            "truth": pa.nulls(count, pa.uint8()),
            "probabilities": pa.FixedSizeListArray.from_arrays(pa.nulls(count * CLASSES, pa.float32()), CLASSES),
            "image": column(digits.images, pa.binary(PIXELS), np.zeros(count, bool) if images else ~review),
        },
        schema=pa.schema([("id", pa.int64()), *COLUMNS]),
    )
    if beside is not None:
        others = (column(beside, pa.uint8(), doubt), rows["confidence"])
        differing = column(digits.images, pa.binary(PIXELS), doubt | (beside == answers))
        for (name, _), values in zip(BESIDE, (*others, differing), strict=True):
            rows = rows.append_column(name, values)

    def build(draft: Draft) -> ScoresMetrics:
        folder = draft.folder / outputs.SCORES
        folder.mkdir()
        for number, start in enumerate(range(0, count, shard_rows)):
            part = folder / f"part-000000-{number:09}.parquet"
            pq.write_table(rows.slice(start, shard_rows), part, row_group_size=20_000)  # as shards have them
        outputs.write_submission(draft.folder, probabilities=False)
        return ScoresMetrics(
            rows=count,
            quarantined=0,
            class_counts=np.bincount(answers[~doubt], minlength=CLASSES).tolist(),
            review=int(review.sum()),
            expected=Expected(float(review.mean()), 0.001, 0.004),
            pictures=bool(pictures),
            learned=0,
            drift=DriftMetrics("none", [], {}),
            accuracy=None,
            confusion=None,
            beside=None if beside is None else Beside("package/bbbbbbbbbbbb", int((beside != answers).sum()), 0, 0),
        )

    files = pictures or [source or Path("test.csv")]
    about = {"data": "test.csv", "files": [{"path": str(path), "bytes": 3} for path in files]}
    content = b"".join(array.tobytes() for array in (answers, confidence, digits.images[:1]))
    parameters = {"digest": hashlib.sha256(content).hexdigest(), "images": images}
    package = Artifact.at(store.root / "package" / "aaaaaaaaaaaa")
    return store.make("scores", build, code="tasks.data.digits", parameters=parameters, inputs=[package], source=about)
