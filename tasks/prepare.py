"""Stage 3, prepare: the digits to learn from, to judge by and to score, as train, validation and test.parquet.

With corrections the training part learns from what people say, and field.parquet holds those that it must not learn
from. The form is that of `digits.py`, normalised and reshaped: uint8, 28 × 28. The network scales to 0–1 itself.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tasks.data import digits, quarantine
from tasks.data.digits import Digits
from tasks.data.metrics import PreparedMetrics
from tasks.errors import DataError
from tasks.reviewing import corrections
from tasks.stage import stage
from tasks.store import Artifact, Draft, Store
from tasks.words import counted

log = logging.getLogger(__name__)


def prepare(
    store: Store,
    dataset: Artifact,
    validation: Artifact,
    reviews: Sequence[Artifact] = (),
    *,
    validation_share: float = 0.2,
    split_seed: int = 42,
    fresh: bool = False,
) -> Artifact:
    """Return the usable digits of a dataset, those for training and those for validation told apart by `split`.

    reviews: whose corrections are learned from.
    """

    def about(name: str) -> dict[str, str]:
        return {"dataset": dataset.name, "part": name}

    def build(draft: Draft) -> PreparedMetrics:
        labelled = digits.read(dataset.file("train.parquet"))
        left_out = quarantine.ids(validation.file("quarantine.parquet"), "train")
        splits = split(labelled[~np.isin(labelled.ids, left_out)], validation_share, split_seed)
        digits.write(draft.folder / "validation.parquet", splits.validation, about("validation"))
        test_rows, judging = None, [digits.fingerprints(splits.validation.images)]
        if test := dataset.file_if_any("test.parquet"):
            with digits.Writer(draft.folder / "test.parquet", about("test")) as writer:
                for batch in digits.batches(test):
                    writer.write(batch)
                    if reviews:
                        judging.append(digits.fingerprints(batch.images))
            test_rows = writer.rows
        metrics = PreparedMetrics(len(splits.train), len(splits.validation), test_rows)
        train = splits.train
        if reviews:
            applied = corrections.apply(corrections.read(reviews), train, np.concatenate(judging))
            train = applied.train
            metrics = replace(
                metrics,
                train=len(train),
                added=applied.added,
                relabelled=applied.relabelled,
                field=len(applied.field),
            )
            digits.write(draft.folder / "field.parquet", applied.field, about("field"))
            log.info(
                "from corrections: %s added, %s relabelled, %s in the field part",
                *(f"{count:,}" for count in (metrics.added, metrics.relabelled, metrics.field)),
            )
        digits.write(draft.folder / "train.parquet", train, about("train"))
        log.info("prepared %s", ", ".join(f"{name} {rows:,}" for name, rows in metrics.by_split().items()))
        return metrics

    return store.make(
        "prepared",
        build,
        code=__name__,
        parameters={"validation_share": validation_share, "split_seed": split_seed},
        inputs=[dataset, validation, *reviews],
        fresh=fresh,
    )


@dataclass(frozen=True)
class Splits:
    """Labelled digits: those to learn from, and those to judge by."""

    train: Digits
    validation: Digits


def split(labelled: Digits, validation_share: float, seed: int) -> Splits:
    """Split digits by a digest of each image, keyed by the seed: an image stays in its part, whatever comes with it.

    So copies are in the same part, and a model is never judged by what an earlier one has learned from, though rows
    are added or come in another order. The parts are those of a draw at random: a share of the n images of a class are
    for validation, with a standard deviation of √(n · share · (1 − share)) images.
    Order and ids are kept, so that a row of the source is found again.
    Raises: DataError if there are too few different images for two parts.
    """
    drawn = digits.fingerprints(labelled.images, key=str(seed).encode())
    judges = drawn < validation_share * 2.0**64
    if judges.all() or not judges.any():
        raise DataError(
            "there are too few different images to learn from and to judge by",
            expected="some dozens of each digit",
            received=counted(len(np.unique(drawn)), "different image"),
            remedy="add more digits",
        )
    return Splits(labelled[~judges], labelled[judges])


prepare_stage = stage(prepare)
