"""What there is to review is read from the scores alone, the least sure first, whatever else is gone."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tasks.errors import StoreError, UsageError
from tasks.reviewing import items
from tasks.reviewing.answers import Log
from tasks.reviewing.items import UNREAD
from tasks.store import Store
from tests import making
from tests.tasks.reviewing.scored import scored

DIGITS = making.digits(200)
CONFIDENCE = np.random.default_rng(0).permutation(np.linspace(0.5, 1, 200))
TO_REVIEW = CONFIDENCE < 0.95


def test_rows_to_review_come_with_all_that_a_person_needs(store: Store) -> None:
    scores = scored(store, DIGITS, DIGITS.known_labels, CONFIDENCE, doubted=[7], images=False, shard_rows=30)
    shown = items.read(scores)
    expected = np.flatnonzero(TO_REVIEW | (np.arange(200) == 7))
    np.testing.assert_array_equal(shown.rows, expected)
    np.testing.assert_array_equal(shown.images, DIGITS.images[expected])
    assert shown.ids.to_pylist() == (expected + 1).tolist()
    of_7 = expected.tolist().index(7)
    assert (shown.labels[of_7], shown.reasons[of_7].as_py()) == (UNREAD, "nothing is drawn")
    others = expected != 7
    np.testing.assert_array_equal(shown.labels[others], DIGITS.known_labels[expected[others]])


def test_what_a_second_package_answers_otherwise_is_to_be_looked_at_but_for_what_is_drawn_for_an_audit(
    store: Store,
) -> None:
    beside = np.where(np.arange(200) % 4 == 0, (DIGITS.known_labels + 1) % 10, DIGITS.known_labels).astype(np.uint8)
    shown = items.read(scored(store, DIGITS, DIGITS.known_labels, CONFIDENCE, doubted=[7], images=False, beside=beside))
    differs = np.arange(200) % 4 == 0
    expected = np.flatnonzero(TO_REVIEW | (np.arange(200) == 7) | differs)
    np.testing.assert_array_equal(shown.rows, expected)
    np.testing.assert_array_equal(shown.images, DIGITS.images[expected])
    assert shown.review.all()
    known = expected != 7
    np.testing.assert_array_equal(shown.beside[known], beside[expected[known]])
    shown = items.read(scored(store, DIGITS, DIGITS.known_labels, CONFIDENCE, beside=beside))
    np.testing.assert_array_equal(shown.review, TO_REVIEW)


def test_the_least_sure_come_first_and_those_without_an_answer_before_them(store: Store) -> None:
    shown = items.read(scored(store, DIGITS, DIGITS.known_labels, CONFIDENCE, doubted=[7]))
    order = shown.order()
    assert shown.review[order].all()
    assert shown.rows[order[0]] == 7
    assert (np.diff(shown.confidence[order]) >= 0).all()


def test_an_audit_strews_others_in_and_a_larger_one_has_the_same(store: Store) -> None:
    shown = items.read(scored(store, DIGITS, DIGITS.known_labels, CONFIDENCE))
    few, many = ([index for index in shown.order(audit).tolist() if not shown.review[index]] for audit in (5, 15))
    assert (len(few), len(many)) == (5, 15)
    assert set(few) < set(many)
    order = shown.order(15)
    assert (np.diff(shown.confidence[order[shown.review[order]]]) >= 0).all()
    places = np.flatnonzero(~shown.review[order])
    assert places.min() < len(order) / 3 < 2 * len(order) / 3 < places.max()


def test_without_a_name_the_newest_scores_with_something_to_review_are_taken(store: Store) -> None:
    with pytest.raises(StoreError, match="no scores have anything to review; to go on, score digits by"):
        items.choose(store, None)
    doubtful = scored(store, DIGITS, DIGITS.known_labels, CONFIDENCE)
    scored(store, DIGITS, DIGITS.known_labels, np.ones(200))
    assert items.choose(store, None) == doubtful
    assert items.choose(store, doubtful.id[:6]) == doubtful


def test_what_nobody_has_read_waits_and_a_damaged_one_is_passed_over(store: Store, tmp_path: Path) -> None:
    assert items.waiting(store, tmp_path) == {}
    scores, others = (
        scored(store, DIGITS[:count], DIGITS.known_labels[:count], CONFIDENCE[:count]) for count in (200, 100)
    )
    scored(store, DIGITS, DIGITS.known_labels, np.ones(200))
    log = Log(tmp_path, scores)
    first, second = np.flatnonzero(TO_REVIEW)[:2].tolist()
    sure = int(np.flatnonzero(~TO_REVIEW)[0])
    log.add({first: ("", "7"), second: ("", "skip"), sure: ("", "7")}, "ann")  # the last for an audit
    assert items.waiting(store, tmp_path) == {others.id: int(TO_REVIEW[:100].sum()), scores.id: TO_REVIEW.sum() - 1}
    (others.path / "manifest.json").write_text("{")
    assert list(items.waiting(store, tmp_path)) == [scores.id]
    assert items.choose(store, None) == scores


def test_what_is_no_scores_or_gone_is_said(store: Store) -> None:
    other = store.make("dataset", lambda draft: {}, code="tasks.data.digits", parameters={})
    with pytest.raises(UsageError, match=f"these are no scores; expected the id of scores; received {other.name}"):
        items.choose(store, other.id)
    with pytest.raises(StoreError, match="there is no artifact 'scores/0123456789ab'"):
        items.choose(store, "scores/0123456789ab")


def test_scores_that_are_not_what_was_written_are_named(store: Store) -> None:
    scores = scored(store, DIGITS, DIGITS.known_labels, CONFIDENCE)
    (part,) = (scores.path / "scores.parquet").iterdir()
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    with pytest.raises(StoreError, match=r"part-000000-000000000.parquet: the file is not what was written"):
        items.read(scores)
    part.unlink()
    with pytest.raises(StoreError, match=r"part-000000-000000000.parquet: the file .* received no file"):
        items.read(scores)


def test_scores_of_another_version_are_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = scored(store, DIGITS, DIGITS.known_labels, CONFIDENCE)
    monkeypatch.setattr(items, "COLUMNS", items.COLUMNS[:-1])
    with pytest.raises(StoreError, match=r"the scores cannot be read; expected a Parquet file with id, "):
        items.read(scores)


def test_no_pandas_no_model_and_no_prefect_is_imported_to_read_them(store: Store) -> None:
    scores = scored(store, DIGITS, DIGITS.known_labels, CONFIDENCE)
    program = (
        "import sys; from pathlib import Path; from tasks.store import Artifact; from tasks.reviewing import items;"
        f"items.read(Artifact.at(Path({str(scores.path)!r}))).order(3);"
        "print(*{'pandas', 'tensorflow', 'keras', 'prefect', 'sklearn', 'scipy', 'matplotlib'} & set(sys.modules))"
    )
    root = Path(__file__).parents[3]
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    assert run.stdout.split() == []
