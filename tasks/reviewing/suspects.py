"""Labels that look wrong, as something to review: what people say of them becomes corrections.

Of the validation part they are those of the report, found by confident learning; nobody learns from what is said of
them. Of the training part they are the images that the model answers otherwise although it has learned their label:
no answers of a model that has not learned from them are there. It learns some wrong labels by heart, so it misses some.
"""

import numpy as np
import pyarrow as pa

from tasks.data import digits
from tasks.data.digits import texts
from tasks.errors import UsageError
from tasks.judging.evaluation import Evaluation
from tasks.judging.statistics import softmax
from tasks.models.packaged import FLOAT32, models_of
from tasks.models.scorer import Engine
from tasks.registry import newest_by_model
from tasks.reviewing.items import UNREAD, Items
from tasks.store import Artifact, Store


def read(store: Store, package: Artifact) -> Items:
    """Find the labels of the data of a package's model that look wrong; rows and ids are those of the source.

    `labels` are the source's, and `confidence` is the share that the model gives them.
    Raises: UsageError if there are none; StoreError if the data or the model are gone or damaged.
    """
    inputs = package.manifest().inputs
    prepared = store.get(next(name for name in inputs if name.startswith("prepared/")))
    evaluation = newest_by_model(store.all(), "evaluation").get(inputs[0])
    named = {suspect.id for suspect in evaluation.measured(Evaluation).suspects} if evaluation else set()
    validation, train = (digits.read(prepared.file(f"{part}.parquet")) for part in ("validation", "train"))
    validation = validation[np.isin(validation.ids, list(named))]
    # What people have added has ids below 0, and they have said what it is.
    both = digits.concatenate([validation, train[train.ids > 0]])
    shares = softmax(Engine(models_of(package, FLOAT32, judged=True)).answer(both.images)[0])
    rows, labels = np.arange(len(both)), both.known_labels
    judged = rows < len(validation)
    suspect = np.flatnonzero(judged | (shares.argmax(axis=1) != labels))
    if not len(suspect):
        raise UsageError("no label looks wrong", file=package.name, remedy="there is nothing to do")
    reasons = [
        f"the model reads {answer}{'; of the validation part, which nobody learns from' if is_judged else ''}"
        for answer, is_judged in zip(shares[suspect].argmax(axis=1), judged[suspect], strict=True)
    ]
    return Items(
        rows=both.ids[suspect].astype(np.int64),
        labels=labels[suspect],
        confidence=shares[rows, labels][suspect].astype(np.float32),
        review=np.ones(len(suspect), bool),
        beside=np.full(len(suspect), UNREAD, np.uint8),
        images=both.images[suspect],
        ids=pa.chunked_array([texts([str(number) for number in both.ids[suspect].tolist()])]),
        reasons=pa.chunked_array([texts(reasons)]),
    )
