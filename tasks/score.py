"""Stage 8, score: the test part through a package.

Makes `scores`: submission.csv in Kaggle's format (ImageId from 1, in the order of the test file) and scores.parquet
with the ten probabilities of each image.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from tasks import digits
from tasks.digits import CLASSES
from tasks.scorer import Scorer, default_model
from tasks.stage import stage
from tasks.store import Artifact, Draft, Store

SCORES = pa.schema(
    [
        ("id", pa.int32()),
        ("label", pa.uint8()),
        ("confidence", pa.float32()),
        ("probabilities", pa.list_(pa.float32(), CLASSES)),
    ]
)


def score(store: Store, package: Artifact, prepared: Artifact, *, fresh: bool = False) -> Artifact | None:
    """The scores of the test part; None where the source has none."""
    test = prepared.path / "test.parquet"
    if not test.exists():
        return None

    def build(draft: Draft) -> dict[str, Any]:
        scorer = Scorer(default_model(package))
        counts = np.zeros(CLASSES, int)
        submission = pa.schema([("ImageId", pa.int32()), ("Label", pa.uint8())])
        with (
            pa.csv.CSVWriter(
                draft.folder / "submission.csv", submission, write_options=pa.csv.WriteOptions(quoting_header="none")
            ) as csv,
            pq.ParquetWriter(draft.folder / "scores.parquet", SCORES, compression="zstd") as parquet,
        ):
            for batch in digits.batches(test):
                probabilities = scorer.probabilities(batch.images)
                labels = probabilities.argmax(axis=1).astype(np.uint8)
                csv.write_table(pa.table([batch.ids, labels], schema=submission))
                nested = pa.FixedSizeListArray.from_arrays(pa.array(probabilities.ravel()), CLASSES)
                parquet.write_table(pa.table([batch.ids, labels, probabilities.max(axis=1), nested], schema=SCORES))
                counts += np.bincount(labels, minlength=CLASSES)
        return {"rows": int(counts.sum()), "class_counts": counts.tolist()}

    return store.make("scores", build, code=__name__, parameters={}, inputs=[package, prepared], fresh=fresh)


score_stage = stage(score)
