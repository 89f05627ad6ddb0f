"""The training part learns from corrections; what judges or is scored, and a fifth, is never learned from."""

from pathlib import Path

import numpy as np
import pytest

from tasks.data import digits
from tasks.data.digits import Digits, fingerprints
from tasks.data.metrics import PreparedMetrics
from tasks.errors import StoreError, UsageError
from tasks.ingest import ingest
from tasks.prepare import prepare
from tasks.reviewing import corrections, items
from tasks.reviewing.answers import Log
from tasks.reviewing.corrections import NO_DIGIT, reviews_of
from tasks.reviewing.publishing import count_new, publish
from tasks.settings import Settings
from tasks.store import Artifact, Store, lineage
from tasks.validate import validate
from tests import making
from tests.conftest import Chain
from tests.tasks.reviewing.scored import scored

TRAIN = making.digits(300)
NEW = making.digits(100, start=300)
NOTHING = np.empty(0, np.uint64)


def marks(some: Digits) -> set[int]:
    return set(fingerprints(some.images).tolist())


def relabelled(some: Digits) -> Digits:
    return Digits(some.ids, some.images, ((some.known_labels + 1) % 10).astype(np.uint8))


def test_a_fifth_is_for_judging_and_the_rest_is_learned_from() -> None:
    applied = corrections.apply(NEW, TRAIN, NOTHING)
    assert 10 < len(applied.field) < 32
    assert applied.added == 100 - len(applied.field)
    assert marks(applied.train) == marks(TRAIN) | (marks(NEW) - marks(applied.field))
    again = corrections.apply(NEW[:50], TRAIN, NOTHING)
    assert marks(again.field) == marks(applied.field) & marks(NEW[:50])


def test_images_of_the_training_part_get_the_new_label_or_leave_it() -> None:
    changed = relabelled(TRAIN[:100])
    labels = changed.known_labels.copy()
    labels[:10] = NO_DIGIT
    applied = corrections.apply(Digits(changed.ids, changed.images, labels), TRAIN, NOTHING)
    assert not marks(applied.train) & (marks(applied.field) | marks(TRAIN[:10]))
    assert (applied.added, len(applied.train)) == (0, 300 - 10 - len(applied.field))
    known = dict(zip(fingerprints(changed.images).tolist(), labels.tolist(), strict=True))
    for mark, label in zip(fingerprints(applied.train.images).tolist(), applied.train.known_labels, strict=True):
        assert label == known.get(mark, label)
    assert applied.relabelled == 90 - len(applied.field)


def test_no_digit_and_what_is_judged_by_is_in_neither_part() -> None:
    labels = NEW.known_labels.copy()
    labels[:30] = NO_DIGIT
    judging = fingerprints(NEW.images[30:60])
    applied = corrections.apply(Digits(NEW.ids, NEW.images, labels), TRAIN, judging)
    assert (marks(applied.train) | marks(applied.field)) - marks(TRAIN) == marks(NEW[60:])


def test_without_any_correction_nothing_changes() -> None:
    applied = corrections.apply(corrections.read([]), TRAIN, NOTHING)
    np.testing.assert_array_equal(applied.train.images, TRAIN.images)
    assert (applied.added, applied.relabelled, len(applied.field)) == (0, 0, 0)


def review_of(store: Store, folder: Path, some: Digits, answers: dict[int, str]) -> Artifact:
    """Publish a review of scores of these digits. answers: by row."""
    scores = scored(store, some, some.known_labels, np.linspace(0.1, 0.9, len(some)))
    log = Log(folder, scores)
    for row, answer in answers.items():
        log.add({row: (str(row + 1), answer)}, "ann")  # type: ignore[dict-item]
    return publish(store, scores, items.read(scores), log)


def test_of_several_answers_to_an_image_the_last_one_counts(store: Store, tmp_path: Path) -> None:
    first = review_of(store, tmp_path, NEW[:5], {0: "1", 1: "2", 2: "none"})
    second = review_of(store, tmp_path, NEW[1:6], {0: "7", 4: "3"})
    read = corrections.read([second, first])
    answers = {
        mark: int(label) for mark, label in zip(fingerprints(read.images).tolist(), read.known_labels, strict=True)
    }
    expected = [1, 7, NO_DIGIT, 3]
    assert answers == dict(zip(fingerprints(NEW.images[[0, 1, 2, 5]]).tolist(), expected, strict=True))


def test_reviews_are_named_one_by_one_or_all(store: Store, tmp_path: Path) -> None:
    assert reviews_of(store, None) == reviews_of(store, "all") == []
    reviews = [review_of(store, tmp_path, NEW[start:], {0: "1"}) for start in (0, 1)]
    assert reviews_of(store, "all") == reviews_of(store, f"{reviews[1].id}, {reviews[0].id}")
    with pytest.raises(StoreError, match="there is no artifact 'abcdef'"):
        reviews_of(store, "abcdef")
    scores = next(artifact for artifact in store.all() if artifact.kind == "scores")
    with pytest.raises(UsageError, match=f"this is no review; expected ids of reviews, or all; received {scores.name}"):
        reviews_of(store, scores.id)


def test_prepared_data_name_the_reviews_and_keep_validation_and_test_as_they_are(
    store: Store, here: Settings, tmp_path: Path
) -> None:
    test = making.digits(40, start=500)
    dataset = ingest(store, str(making.write_kaggle_zip(here.home / "d.zip", TRAIN, test)), here)
    validation = validate(store, dataset)
    plain = prepare(store, dataset, validation)
    seen = digits.concatenate([NEW, digits.read(plain.file("validation.parquet")), test])
    answers = {row: str(label) for row, label in enumerate(relabelled(seen).known_labels)}
    review = review_of(store, tmp_path, seen, answers)
    assert count_new(store) == len(seen)
    corrected = prepare(store, dataset, validation, [review])
    assert count_new(store) == 0
    review_of(store, tmp_path, seen, {0: "7", 1: "7"})  # the same scores, with other answers to two images
    assert count_new(store) == sum(relabelled(seen[:2]).known_labels != 7)
    assert review.name in lineage(store, corrected)
    for name in ("validation.parquet", "test.parquet"):
        assert (plain.path / name).read_bytes() == (corrected.path / name).read_bytes()
    metrics = corrected.measured(PreparedMetrics)
    train, field = (digits.read(corrected.file(f"{name}.parquet")) for name in ("train", "field"))
    assert (len(train), len(field)) == (metrics.train, metrics.field)
    assert metrics.added + metrics.field == 100
    assert marks(train) | marks(field) == marks(digits.read(plain.file("train.parquet"))) | marks(NEW)
    assert not marks(train) & marks(field)


def test_the_report_says_how_to_make_it_again_with_its_corrections(chain: Chain) -> None:
    from tasks.conclude import _command

    parameters = chain.model.manifest().parameters
    command = _command("sample", parameters, 0.001, ["dataset/aaaa", "review/bbbb", "review/cccc"])
    assert command.endswith("--corrections bbbb,cccc")
