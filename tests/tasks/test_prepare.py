"""An image stays in its part for ever; what validation set aside is left out."""

import numpy as np
import pytest

from tasks.data import digits, quarantine
from tasks.data.digits import Digits
from tasks.data.metrics import PreparedMetrics
from tasks.errors import DataError
from tasks.ingest import ingest
from tasks.prepare import prepare, split
from tasks.settings import Settings
from tasks.store import Artifact, Draft, Store
from tasks.validate import validate
from tests import making

SOME = making.digits(500)


def test_the_split_is_80_to_20_in_every_class_but_for_chance() -> None:
    many = making.digits(4000)
    shares = np.bincount(split(many, 0.2, seed=42).validation.known_labels) / np.bincount(many.known_labels)
    assert abs(shares - 0.2).max() < 3 * (0.2 * 0.8 / 400) ** 0.5


def test_an_image_stays_in_its_part_though_rows_are_added_and_come_in_another_order() -> None:
    def validation(some: Digits) -> set[int]:
        return set(digits.fingerprints(split(some, 0.2, seed=42).validation.images).tolist())

    before = validation(SOME[:300])
    assert before
    assert validation(SOME[::-1]) == validation(SOME) > before
    known = set(digits.fingerprints(SOME.images[:300]).tolist())
    assert validation(SOME) & known == before


def test_no_digit_is_lost_or_in_two_splits_and_images_keep_their_labels() -> None:
    splits = split(SOME, 0.2, seed=42)
    both = digits.concatenate([splits.train, splits.validation])
    order = np.argsort(both.ids)
    np.testing.assert_array_equal(both.ids[order], SOME.ids)
    np.testing.assert_array_equal(both.images[order], SOME.images)
    np.testing.assert_array_equal(both.known_labels[order], SOME.known_labels)


def test_the_order_of_the_source_is_kept() -> None:
    splits = split(SOME, 0.2, seed=42)
    assert np.all(np.diff(splits.train.ids) > 0)
    assert np.all(np.diff(splits.validation.ids) > 0)


def test_the_same_seed_gives_the_same_split_and_another_does_not() -> None:
    def ids(seed: int) -> list[int]:
        return split(SOME, 0.2, seed).validation.ids.tolist()

    assert ids(42) == ids(42)
    assert ids(42) != ids(43)


def test_copies_of_an_image_are_in_the_same_part() -> None:
    twice = Digits(
        np.arange(1, 401, dtype=np.int32),
        np.concatenate([SOME.images[:200], SOME.images[:200]]),
        np.concatenate([SOME.known_labels[:200], SOME.known_labels[:200]]),
    )
    splits = split(twice, 0.2, seed=42)
    assert len(splits.train) + len(splits.validation) == 400
    assert not np.isin(digits.fingerprints(splits.validation.images), digits.fingerprints(splits.train.images)).any()


def test_images_too_few_for_two_parts_are_refused() -> None:
    copies = SOME[np.zeros(30, int)]
    with pytest.raises(DataError) as error:
        split(copies, 0.2, seed=42)
    assert str(error.value) == (
        "there are too few different images to learn from and to judge by; expected some dozens of each digit; "
        "received 1 different image; to go on, add more digits"
    )


@pytest.fixture
def dataset(store: Store, here: Settings) -> Artifact:
    return ingest(
        store, str(making.write_kaggle_zip(here.home / "d.zip", SOME[:200], making.digits(40, start=500))), here
    )


def test_the_test_part_comes_through_unchanged(store: Store, dataset: Artifact) -> None:
    prepared = prepare(store, dataset, validate(store, dataset))
    before, after = (digits.read(artifact.path / "test.parquet") for artifact in (dataset, prepared))
    np.testing.assert_array_equal(before.images, after.images)
    np.testing.assert_array_equal(before.ids, after.ids)
    assert after.labels is None


def test_metrics_count_the_digits_of_each_file(store: Store, dataset: Artifact) -> None:
    prepared = prepare(store, dataset, validate(store, dataset))
    metrics = prepared.measured(PreparedMetrics)
    assert (metrics.train + metrics.validation, metrics.test) == (200, 40)
    counts = {name: len(digits.read(prepared.path / f"{name}.parquet")) for name in ("train", "validation", "test")}
    assert counts == metrics.by_split()


def test_quarantined_rows_are_left_out(store: Store, dataset: Artifact) -> None:
    def build(draft: Draft) -> dict[str, int]:
        rows = [{"part": "train", "row": row, "rule": "blank image"} for row in (1, 7, 200)]
        quarantine.write(draft.folder / "quarantine.parquet", [*rows, {"part": "test", "row": 2}])
        return {}

    validation = store.make("validation", build, code="tasks.data.quarantine", parameters={})
    prepared = prepare(store, dataset, validation)
    ids = {row for name in ("train", "validation") for row in digits.read(prepared.path / f"{name}.parquet").ids}
    assert set(range(1, 201)) - ids == {1, 7, 200}
    assert 2 in digits.read(prepared.path / "test.parquet").ids
