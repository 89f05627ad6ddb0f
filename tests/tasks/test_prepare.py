"""The split is stratified, reproducible, and leaves out what validation set aside."""

import numpy as np

from tasks.data import digits, quarantine
from tasks.data.digits import Digits
from tasks.ingest import ingest
from tasks.prepare import prepare
from tasks.settings import Settings
from tasks.store import Draft, Store
from tasks.validate import validate
from tests import making
from tests.conftest import Chain


def test_the_split_is_80_to_20_in_every_class(chain: Chain) -> None:
    train, validation = (digits.read(chain.prepared.path / f"{name}.parquet") for name in ("train", "validation"))
    assert np.bincount(train.known_labels).tolist() == [360] * 10
    assert np.bincount(validation.known_labels).tolist() == [90] * 10


def test_no_row_is_lost_or_in_two_parts_and_images_keep_their_labels(chain: Chain) -> None:
    parts = digits.concatenate(digits.read(chain.prepared.path / f"{name}.parquet") for name in ("train", "validation"))
    source = digits.read(chain.dataset.path / "train.parquet")
    order = np.argsort(parts.ids)
    np.testing.assert_array_equal(parts.ids[order], source.ids)
    np.testing.assert_array_equal(parts.images[order], source.images)
    np.testing.assert_array_equal(parts.known_labels[order], source.labels)


def test_the_test_part_comes_through_unchanged(chain: Chain) -> None:
    before, after = (digits.read(one.path / "test.parquet") for one in (chain.dataset, chain.prepared))
    np.testing.assert_array_equal(before.images, after.images)
    np.testing.assert_array_equal(before.ids, after.ids)


def test_the_same_seed_gives_the_same_split_and_another_does_not(chain: Chain) -> None:
    def ids(seed: int, fresh: bool = False) -> list[int]:
        prepared = prepare(chain.store, chain.dataset, chain.validation, split_seed=seed, fresh=fresh)
        return digits.read(prepared.path / "validation.parquet").ids.tolist()

    assert ids(42) == ids(42, fresh=True)
    assert ids(42) != ids(43)


def test_quarantined_rows_are_left_out(chain: Chain, store: Store) -> None:
    def build(draft: Draft) -> dict[str, int]:
        rows = [{"part": "train", "row": row, "rule": "blank image"} for row in (1, 7, 4500)]
        quarantine.write(draft.folder / "quarantine.parquet", [*rows, {"part": "test", "row": 2}])
        return {}

    validation = store.make("validation", build, code="tasks.data.quarantine", parameters={})
    prepared = prepare(store, chain.dataset, validation)
    found = {row for name in ("train", "validation") for row in digits.read(prepared.path / f"{name}.parquet").ids}
    assert set(range(1, 4501)) - found == {1, 7, 4500}


def test_a_copy_of_a_training_image_does_not_judge(store: Store, here: Settings) -> None:
    some = making.digits(200)
    twice = Digits(
        np.arange(1, 401, dtype=np.int32),
        np.concatenate([some.images, some.images]),
        np.concatenate([some.known_labels, some.known_labels]),
    )
    dataset = ingest(store, str(making.write_csv(here.home / "a.csv", twice)), here)
    prepared = prepare(store, dataset, validate(store, dataset))
    prints = [
        set(digits.fingerprints(digits.read(prepared.path / f"{name}.parquet").images).tolist())
        for name in ("train", "validation")
    ]
    assert not prints[0] & prints[1]
    assert prepared.metrics["validation"] > 0
