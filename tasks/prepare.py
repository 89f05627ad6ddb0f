"""Stage 3, prepare: the digits to learn from, to judge by and to score, as train, validation and test.parquet.

The form is that of `digits.py`, normalised and reshaped: uint8, 28 × 28. The network scales to 0–1 itself.
"""

import logging
from typing import Any

import numpy as np

from tasks.data import digits, quarantine
from tasks.stage import stage
from tasks.store import Artifact, Draft, Store

log = logging.getLogger(__name__)


def prepare(
    store: Store,
    dataset: Artifact,
    validation: Artifact,
    *,
    validation_share: float = 0.2,
    split_seed: int = 42,
    fresh: bool = False,
) -> Artifact:
    """Split the usable training rows, stratified by class; the same seed gives the same split.

    An image of the validation part of which the training part has an exact copy is left out: it would judge nothing.
    Order and ids of the source are kept in every part, so that a row is found again.
    """

    def build(draft: Draft) -> dict[str, Any]:
        from sklearn.model_selection import train_test_split

        source = dataset.path / "train.parquet"
        usable = digits.read(source)
        usable = usable[~np.isin(usable.ids, quarantine.ids(validation.path / "quarantine.parquet", "train"))]
        rows = np.arange(len(usable))
        training, judging = train_test_split(
            rows, test_size=validation_share, stratify=usable.known_labels, random_state=split_seed
        )
        parts = {"train": usable[np.sort(training)], "validation": usable[np.sort(judging)]}
        learned = digits.fingerprints(parts["train"].images)
        known = np.isin(digits.fingerprints(parts["validation"].images), learned)
        parts["validation"] = parts["validation"][~known]
        for name, part in parts.items():
            digits.write(draft.folder / f"{name}.parquet", part, {"dataset": dataset.name, "part": name})
        metrics = {name: len(part) for name, part in parts.items()}
        test = dataset.path / "test.parquet"
        if test.exists():
            with digits.Writer(draft.folder / test.name, {"dataset": dataset.name, "part": "test"}) as writer:
                for batch in digits.batches(test):
                    writer.write(batch)
            metrics["test"] = writer.rows
        log.info("prepared %s", ", ".join(f"{name} {rows:,}" for name, rows in metrics.items()))
        return metrics

    return store.make(
        "prepared",
        build,
        code=__name__,
        parameters={"validation_share": validation_share, "split_seed": split_seed},
        inputs=[dataset, validation],
        fresh=fresh,
    )


prepare_stage = stage(prepare)
