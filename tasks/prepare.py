"""Stage 3, prepare: the digits to learn from, to judge by and to score, as train, validation and test.parquet.

The form is that of `digits.py`, normalised and reshaped: uint8, 28 × 28. The network scales to 0–1 itself.
"""

import logging
from dataclasses import dataclass

import numpy as np

from tasks.data import digits, quarantine
from tasks.data.digits import Digits
from tasks.data.metrics import PreparedMetrics
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
    """Return the usable digits of a dataset, those for training and those for validation told apart by `split`."""

    def about(name: str) -> dict[str, str]:
        return {"dataset": dataset.name, "part": name}

    def build(draft: Draft) -> PreparedMetrics:
        labelled = digits.read(dataset.file("train.parquet"))
        left_out = quarantine.ids(validation.file("quarantine.parquet"), "train")
        splits = split(labelled[~np.isin(labelled.ids, left_out)], validation_share, split_seed)
        digits.write(draft.folder / "train.parquet", splits.train, about("train"))
        digits.write(draft.folder / "validation.parquet", splits.validation, about("validation"))
        test_rows = None
        if test := dataset.file_if_any("test.parquet"):
            with digits.Writer(draft.folder / "test.parquet", about("test")) as writer:
                for batch in digits.batches(test):
                    writer.write(batch)
            test_rows = writer.rows
        metrics = PreparedMetrics(len(splits.train), len(splits.validation), test_rows)
        log.info("prepared %s", ", ".join(f"{name} {rows:,}" for name, rows in metrics.by_split().items()))
        return metrics

    return store.make(
        "prepared",
        build,
        code=__name__,
        parameters={"validation_share": validation_share, "split_seed": split_seed},
        inputs=[dataset, validation],
        fresh=fresh,
    )


@dataclass(frozen=True)
class Splits:
    """Labelled digits: those to learn from, and those to judge by."""

    train: Digits
    validation: Digits


def split(labelled: Digits, validation_share: float, seed: int) -> Splits:
    """Split digits at random, stratified by class; the same seed gives the same split.

    A digit for validation of whose image there is an exact copy for training is left out: it would judge nothing.
    Order and ids are kept, so that a row of the source is found again.
    """
    from sklearn.model_selection import train_test_split

    train_rows, validation_rows = train_test_split(
        np.arange(len(labelled)), test_size=validation_share, stratify=labelled.known_labels, random_state=seed
    )
    train, validation = labelled[np.sort(train_rows)], labelled[np.sort(validation_rows)]
    copied = np.isin(digits.fingerprints(validation.images), digits.fingerprints(train.images))
    return Splits(train, validation[~copied])


prepare_stage = stage(prepare)
