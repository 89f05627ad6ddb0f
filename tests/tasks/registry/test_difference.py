"""Two models are told apart by what made them, by their figures, and by the images they disagree on."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.errors import StoreError, UsageError
from tasks.judging.statistics import Paired
from tasks.registry import difference
from tasks.registry.difference import DifferingValue
from tasks.store import Store
from tests import making
from tests.tasks.trained import IMAGES, trained


def test_what_differs_is_named_and_nothing_else(store: Store) -> None:
    one, two = trained(store, seed=1, wrong=[0, 1, 2]), trained(store, seed=2)
    found = difference.between(store, one.model.id, two.model.id)
    assert found.parameters == [DifferingValue("seed", 1, 2)]
    assert found.data == []
    assert found.metrics == [DifferingValue("evaluation.accuracy", 0.95, 1.0), DifferingValue("model.seed", 1, 2)]


def test_other_data_are_told_down_to_the_file(store: Store) -> None:
    one, two = trained(store, source="a.csv"), trained(store, source="b.csv")
    changes = {change.name: (change.first, change.second) for change in difference.between(store, *_ids(one, two)).data}
    assert changes["source"] == ("data/a.csv", "data/b.csv")
    assert changes["file.a.csv"] == ("sha256 012345678901", None)
    assert changes["dataset"] == (one.dataset.id, two.dataset.id)


@pytest.mark.parametrize("kind", ["package", "model", "evaluation"])
def test_any_of_its_artifacts_stands_for_a_model(store: Store, kind: str) -> None:
    one, two = trained(store, seed=1), trained(store, seed=2)
    found = difference.between(store, getattr(one, kind).id, getattr(two, kind).name)
    assert (found.first.model, found.second.model) == (one.model, two.model)
    assert (found.first.package, found.first.evaluation) == (one.package, one.evaluation)


def test_images_that_are_answered_differently_are_found_with_both_answers(store: Store) -> None:
    one, two = trained(store, seed=1, wrong=[3, 5]), trained(store, seed=2, wrong=[5, 8])
    found = difference.between(store, *_ids(one, two))
    truth = making.digits(IMAGES).known_labels
    assert (found.compared, found.paired) == (IMAGES, Paired(only_first=1, only_second=1))
    assert found.disagreements.images.ids.tolist() == [4, 9]  # ids count from 1
    assert found.disagreements.first.tolist() == [(truth[3] + 1) % 10, truth[8]]
    assert found.disagreements.second.tolist() == [truth[3], (truth[8] + 1) % 10]


def test_of_different_splits_the_images_that_both_were_judged_on_count(store: Store) -> None:
    some = making.digits(IMAGES)
    one = trained(store, seed=1, wrong=[0, 30, 59], judging=some)
    # From the 21st image on, the last one first: its row 0 is row 59 of the other split.
    two = trained(store, seed=1, wrong=[0], judging=some[np.arange(IMAGES)[:19:-1]])
    found = difference.between(store, *_ids(one, two))
    assert (found.compared, found.paired) == (40, Paired(0, 1))
    assert found.disagreements.images.ids.tolist() == [some.ids[30]]
    assert found.disagreements.second.tolist() == [some.known_labels[30]]


def test_what_is_no_model_cannot_be_compared(store: Store) -> None:
    made = trained(store)
    with pytest.raises(UsageError, match=f"expected the id of a package, .* received {made.dataset.name}"):
        difference.between(store, made.dataset.id, made.model.id)


def test_a_model_that_was_never_evaluated_is_told(store: Store) -> None:
    made = trained(store)
    store.remove(made.evaluation.path)
    with pytest.raises(StoreError, match=f"{made.model.name} was never evaluated"):
        difference.between(store, made.model.id, made.package.id)


def test_answers_that_are_not_what_was_written_are_refused(store: Store) -> None:
    one, two = trained(store, seed=1), trained(store, seed=2)
    (one.evaluation.path / "answers.parquet").write_bytes(b"other")
    with pytest.raises(StoreError, match="the file is not what was written"):
        difference.between(store, *_ids(one, two))


def test_the_picture_shows_every_image_with_its_answers(store: Store, tmp_path: Path) -> None:
    one, two = trained(store, seed=1, wrong=[3, 5, 7]), trained(store, seed=2, wrong=[5, 8])
    found = difference.between(store, *_ids(one, two))
    difference.draw(found.disagreements, tmp_path / "diff.png", (one.model.id, two.model.id))
    with Image.open(tmp_path / "diff.png") as sheet:
        pixels = np.asarray(sheet)
    assert pixels.shape[1] > 3 * 84
    # What only the second reads wrong comes first, and its line is red.
    assert (pixels[:, :178] == difference.sheets.ALERT).all(axis=2).any()
    assert not (pixels[:, 178:] == difference.sheets.ALERT).all(axis=2).any()
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["diff.png"]


def test_a_folder_that_cannot_be_written_is_told(store: Store, tmp_path: Path) -> None:
    one, two = trained(store, seed=1, wrong=[3]), trained(store, seed=2)
    found = difference.between(store, *_ids(one, two))
    with pytest.raises(StoreError, match="the picture cannot be written; received No such file or directory"):
        difference.draw(found.disagreements, tmp_path / "nowhere" / "diff.png", ("a", "b"))


def _ids(one: object, two: object) -> tuple[str, str]:
    return one.model.id, two.model.id
