"""What people say of drawn digits is on the disk at once, the last word counts, and a model can learn from it."""

from pathlib import Path

import numpy as np
import pytest

from tasks.errors import UsageError
from tasks.reviewing import corrections, drawn
from tasks.reviewing.corrections import NO_DIGIT, reviews_of
from tasks.reviewing.publishing import ReviewMetrics
from tasks.store import Store
from tests import making

IMAGES = making.digits(3).images


def said(folder: Path, *answers: tuple[int, str]) -> None:
    """Say of images, by their index, what they are; the model answered 7 to all."""
    for index, answer in answers:
        drawn.add(folder, IMAGES[index], 7, 0.9, answer, "ann")


def test_the_last_answer_to_an_image_counts_and_becomes_a_correction(store: Store, tmp_path: Path) -> None:
    said(tmp_path, (0, "7"), (1, "3"), (2, "none"), (0, "1"))
    review = drawn.publish(store, tmp_path)
    learned = corrections.read(reviews_of(store, "all"))
    labels = {image.tobytes(): label for image, label in zip(learned.images, learned.known_labels, strict=True)}
    assert labels == {IMAGES[0].tobytes(): 1, IMAGES[1].tobytes(): 3, IMAGES[2].tobytes(): NO_DIGIT}
    metrics = review.measured(ReviewMetrics)
    assert (metrics.read, metrics.changed, metrics.no_digit, metrics.reviewers) == (3, 3, 1, {"ann": 3})
    assert drawn.publish(store, tmp_path) == review
    said(tmp_path, (2, "2"))
    assert drawn.publish(store, tmp_path) != review


def test_a_torn_line_and_one_of_something_else_are_passed_over(tmp_path: Path) -> None:
    said(tmp_path, (0, "7"))
    log = tmp_path / "drawn.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole + whole.replace(b'"image": "', b'"image": "AAAA') + b"[]\n" + whole[:100])
    said(tmp_path, (1, "3"))
    assert list(drawn.read(tmp_path)) == [IMAGES[0].tobytes(), IMAGES[1].tobytes()]


def test_what_is_no_answer_is_not_kept_and_nothing_is_not_published(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="this is no answer"):
        drawn.add(tmp_path, np.zeros((28, 28), np.uint8), None, None, "back", "ann")
    with pytest.raises(UsageError, match="nobody has said yet"):
        drawn.publish(store, tmp_path)
