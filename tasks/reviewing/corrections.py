"""Corrections: what people say of images, as a training part learns from it. A fifth is never learned from.

Of this file depends what is prepared and fitted; so it knows nothing of pages and scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.data import digits
from tasks.data.digits import PIXELS, Digits, fingerprints
from tasks.errors import StoreError, UsageError
from tasks.store import Artifact, Store

CORRECTIONS = "corrections.parquet"
ALL = "all"
FIELD_SHARE = 0.2  # of the images that people have read, by which models are judged
FIELD_KEY = b"field"
NO_DIGIT = 255  # as label

# label, confidence: the model's, null where it was not asked. answer: people's, null for what is no digit.
# audited: whether the row was not to be reviewed.
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("image", pa.binary(PIXELS)),
        ("label", pa.uint8()),
        ("confidence", pa.float32()),
        ("answer", pa.uint8()),
        ("reviewer", pa.string()),
        ("time", pa.string()),
        ("audited", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class Applied:
    """A training part with corrections applied, and the field part, which is in no training part.

    added: corrected images that were not in the training part. relabelled: images in it that have another label now.
    """

    train: Digits
    field: Digits
    added: int
    relabelled: int


def reviews_of(store: Store, names: str | None) -> list[Artifact]:
    """Return the reviews of ids with commas between them, or of all that there are for `all`; none for None.

    Raises: StoreError if there is no such artifact; UsageError if it is no review.
    """
    if names is None:
        return []
    if names == ALL:
        reviews = [artifact for artifact in store.all() if artifact.kind == "review"]
    else:
        reviews = [store.get(name.strip()) for name in names.split(",")]
    for review in reviews:
        if review.kind != "review":
            expected = f"ids of reviews, or {ALL}"
            raise UsageError("this is no review", expected=expected, received=review.name)
    # In one order, whatever they were called in: the same reviews make the same training part.
    return sorted(set(reviews), key=lambda review: review.name)


def read(reviews: Sequence[Artifact]) -> Digits:
    """Read the images that people have decided on, each once, with the last answer; NO_DIGIT is a label here.

    Their ids are −1, −2, …, which no row of a source has. Raises: StoreError.
    """
    last: dict[bytes, tuple[str, int]] = {}
    for review in reviews:
        path = review.file(CORRECTIONS)
        try:
            rows = pq.read_table(path, columns=["image", "answer", "time"])
        except (pa.ArrowException, OSError) as error:
            raise StoreError("the corrections cannot be read", file=str(path), received=str(error)) from error
        for image, answer, time in zip(*(rows[name].to_pylist() for name in rows.column_names), strict=True):
            last[image] = max(last.get(image, ("", 0)), (time, NO_DIGIT if answer is None else answer))
    images = np.frombuffer(b"".join(last), np.uint8).reshape(-1, digits.SIDE, digits.SIDE)
    labels = np.array([label for _, label in last.values()], np.uint8)
    return Digits(-np.arange(1, len(last) + 1, dtype=np.int32), images, labels)


def apply(corrections: Digits, train: Digits, judging: np.ndarray) -> Applied:
    """Have a training part learn from corrections.

    A fifth of them, by a digest of the image, is the field part. What is no digit is left out of both. An image that is
    judged by or scored is in neither.
    judging: fingerprints of the images of the validation and the test part.
    """
    corrections = corrections[~np.isin(fingerprints(corrections.images), judging)]
    is_field = fingerprints(corrections.images, key=FIELD_KEY) < FIELD_SHARE * 2.0**64
    is_digit = corrections.known_labels != NO_DIGIT
    learned = corrections[~is_field & is_digit]
    marks = fingerprints(train.images)
    train = train[~np.isin(marks, fingerprints(corrections[is_field | ~is_digit].images))]
    marks = fingerprints(train.images)
    answers = dict(zip(fingerprints(learned.images).tolist(), learned.known_labels.tolist(), strict=True))
    labels = [answers.get(mark, label) for mark, label in zip(marks.tolist(), train.known_labels.tolist(), strict=True)]
    corrected = Digits(train.ids, train.images, np.array(labels, np.uint8))
    added = learned[~np.isin(fingerprints(learned.images), marks)]
    return Applied(
        train=digits.concatenate([corrected, added]),
        field=corrections[is_field & is_digit],
        added=len(added),
        relabelled=int((corrected.known_labels != train.known_labels).sum()),
    )
