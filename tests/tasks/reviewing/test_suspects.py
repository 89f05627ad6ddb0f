"""Labels that look wrong are reviewed as scores are, and what people say of them changes the training part alone."""

from pathlib import Path

import numpy as np
import pytest

from tasks.data import digits
from tasks.data.digits import Digits, fingerprints
from tasks.judging.evaluation import Evaluation
from tasks.reviewing import corrections, suspects
from tasks.reviewing.answers import Log
from tasks.reviewing.publishing import ReviewMetrics, publish
from tests.conftest import Chain

WRONG = 40  # labels


@pytest.fixture
def mislabelled(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> Digits:
    """The training part of the chain's package, with another label of the first images."""
    train = digits.read(chain.prepared.file("train.parquet"))
    labels = train.known_labels.copy()
    labels[:WRONG] = (labels[:WRONG] + 1) % 10
    changed, read = Digits(train.ids, train.images, labels), digits.read
    monkeypatch.setattr(digits, "read", lambda path: changed if path.name == "train.parquet" else read(path))
    return changed


def test_suspects_come_from_both_parts_and_most_wrong_labels_are_among_them(chain: Chain, mislabelled: Digits) -> None:
    shown = suspects.read(chain.store, chain.package)
    validation = {suspect.id for suspect in chain.evaluation.measured(Evaluation).suspects}
    rows = shown.rows.tolist()
    assert validation <= set(rows)
    assert len(set(rows)) == len(rows)
    assert len(set(mislabelled.ids[:WRONG].tolist()) & set(rows)) > 0.9 * WRONG
    first = rows.index(int(mislabelled.ids[0]))
    np.testing.assert_array_equal(shown.images[first], mislabelled.images[0])
    assert shown.labels[first] == mislabelled.known_labels[0]
    assert shown.confidence[first] < 0.5
    reasons = shown.reasons.to_pylist()
    assert reasons[first] == f"the model reads {(int(shown.labels[first]) - 1) % 10}"
    of_validation = [reason.endswith("; of the validation part, which nobody learns from") for reason in reasons]
    assert {row for row, is_one in zip(rows, of_validation, strict=True) if is_one} == validation


def test_what_people_say_of_a_label_is_learned_by_fingerprint(
    chain: Chain, mislabelled: Digits, tmp_path: Path
) -> None:
    shown, log = suspects.read(chain.store, chain.package), Log(tmp_path, chain.package)
    rows = [row for row in shown.rows.tolist() if row in set(mislabelled.ids[:WRONG].tolist())]
    numbers = zip(mislabelled.ids.tolist(), mislabelled.known_labels.tolist(), strict=True)
    truth = {row: (label - 1) % 10 for row, label in numbers}
    log.add({row: (str(row), str(truth[row])) for row in rows}, "ann")  # type: ignore[misc]
    review = publish(chain.store, chain.package, shown, log)
    assert not (review.path / "submission.csv").exists()
    assert "Review of labels that look wrong" in (review.path / "review.html").read_text()
    metrics = review.measured(ReviewMetrics)
    assert (metrics.read, metrics.changed, metrics.promised) == (len(rows), len(rows), None)
    applied = corrections.apply(corrections.read([review]), mislabelled, np.empty(0, np.uint64))
    assert applied.relabelled + len(applied.field) == len(rows)
    assert applied.added == 0
    corrected = dict(zip(fingerprints(applied.train.images).tolist(), applied.train.known_labels.tolist(), strict=True))
    right = [corrected.get(mark) for mark in fingerprints(mislabelled.images[:WRONG]).tolist()]
    expected = [truth[int(row)] for row in mislabelled.ids[:WRONG]]
    assert sum(label == truth for label, truth in zip(right, expected, strict=True)) == applied.relabelled
