"""Stage 8, score: the test part through a package.

Makes `scores`: submission.csv in Kaggle's format (ImageId from 1, in the order of the test file) and scores.parquet
with the ten probabilities of each image.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from tasks import answers, digits
from tasks.digits import CLASSES
from tasks.scorer import Scorer, default_model
from tasks.stage import stage
from tasks.store import Artifact, Draft, Store

SUBMISSION = pa.schema([("ImageId", pa.int32()), ("Label", pa.uint8())])


def score(store: Store, package: Artifact, prepared: Artifact, *, fresh: bool = False) -> Artifact | None:
    """The scores of the test part; None where the source has none."""
    test = prepared.path / "test.parquet"
    if not test.exists():
        return None

    def build(draft: Draft) -> dict[str, Any]:
        scorer = Scorer(default_model(package))
        counts = np.zeros(CLASSES, int)
        with (
            pa.csv.CSVWriter(
                draft.folder / "submission.csv", SUBMISSION, write_options=pa.csv.WriteOptions(quoting_header="none")
            ) as csv,
            pq.ParquetWriter(draft.folder / "scores.parquet", answers.SCORES, compression="zstd") as parquet,
        ):
            for batch in digits.batches(test):
                scores = answers.scores(batch.ids, scorer.probabilities(batch.images))
                parquet.write_table(scores)
                csv.write_table(pa.table([scores["id"], scores["label"]], schema=SUBMISSION))
                counts += np.bincount(scores["label"], minlength=CLASSES)
        return {"rows": int(counts.sum()), "class_counts": counts.tolist()}

    return store.make("scores", build, code=__name__, parameters={}, inputs=[package, prepared], fresh=fresh)


score_stage = stage(score)
