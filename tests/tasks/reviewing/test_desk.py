"""Each is handed what nobody has read, or what a second or a third person is to read."""

from pathlib import Path

import numpy as np
import pytest

from tasks.errors import UsageError
from tasks.reviewing import desk as desks
from tasks.reviewing import items
from tasks.reviewing.answers import Log
from tasks.reviewing.desk import Desk
from tasks.store import Artifact, Store
from tests import making
from tests.tasks.reviewing.scored import scored

DIGITS = making.digits(200)
CONFIDENCE = np.linspace(0.5, 1, 200)


@pytest.fixture
def scores(store: Store) -> Artifact:
    return scored(store, DIGITS, DIGITS.known_labels, CONFIDENCE)


def at_desk(scores: Artifact, folder: Path, reviewer: str = "ann", second: float = 0, audit: int = 0) -> Desk:
    return Desk(items.read(scores), Log(folder, scores), reviewer, second, audit)


def test_tabs_are_handed_different_images_until_one_has_been_silent_for_long(
    scores: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = at_desk(scores, tmp_path)
    first, second = desk.next("a", 5), desk.next("b", 5)
    assert not set(first) & set(second)
    assert desk.next("a", 5) == first
    monkeypatch.setattr(desks, "LEASE", -1)
    assert desk.next("c", 3) == desk.next("d", 3)


def test_what_is_answered_or_handed_out_is_handed_to_nobody_of_another_process(
    scores: Artifact, tmp_path: Path
) -> None:
    ann, ben = at_desk(scores, tmp_path), at_desk(scores, tmp_path, "ben")
    before = ben.progress().left
    own = ann.next("a", 4)
    ann.answer(dict.fromkeys(own[:3], "7"))
    assert not set(ben.next("b", 1)) & set(own)  # the fourth is before ann
    assert ben.progress().left == ann.progress().left == before - 3
    assert (ann.progress().read, ben.progress().read) == (3, 0)


def test_an_answer_taken_back_is_handed_out_again(scores: Artifact, tmp_path: Path) -> None:
    desk = at_desk(scores, tmp_path)
    first, second, third = desk.next("a", 3)
    desk.answer({first: "1"})
    desk.answer({second: "2", third: "3"})
    assert desk.take_back() == [second, third]
    assert desk.take_back() == [first]
    assert desk.take_back() == []
    assert desk.next("a", 3) == [first, second, third]


def test_a_second_person_reads_a_share_again_and_a_third_what_they_differ_on(scores: Artifact, tmp_path: Path) -> None:
    ann = at_desk(scores, tmp_path)
    every = ann.next("a", 1000)
    ann.answer(dict.fromkeys(every, "7"))
    assert at_desk(scores, tmp_path, "ben").next("b", 1000) == []
    ben = at_desk(scores, tmp_path, "ben", second=0.25)
    again = ben.next("b", 1000)
    assert 0.1 < len(again) / len(every) < 0.4
    ben.answer(dict.fromkeys(again[2:], "7"))
    ben.answer({again[0]: "1", again[1]: "skip"})
    assert ben.next("b", 1000) == []
    third = at_desk(scores, tmp_path, "eve")
    assert third.next("e", 1000) == [again[0]]
    third.answer({again[0]: "1"})
    assert at_desk(scores, tmp_path, "joe").next("j", 1000) == []


def test_a_wall_has_the_same_answer_the_surest_first(scores: Artifact, tmp_path: Path) -> None:
    desk = at_desk(scores, tmp_path)
    label, wall = desk.wall("a", 3)
    assert label == 3
    assert set(desk.items.labels[wall].tolist()) == {3}
    assert (np.diff(desk.items.confidence[wall]) <= 0).all()
    assert len(wall) == desk.progress().open[3]
    desk.answer(dict.fromkeys(wall, "3"))
    assert desk.wall("a", 3) == (3, [])
    label, wall = desk.wall("a", None)
    assert label != 3
    assert wall


def test_on_a_wall_those_for_an_audit_stand_by_chance_so_that_half_a_wall_is_a_fair_sample(
    store: Store, tmp_path: Path
) -> None:
    desk = at_desk(scored(store, DIGITS, np.full(200, 3), CONFIDENCE, below=0.75), tmp_path, audit=50)
    audited = [index for index in desk.wall("a", 3)[1] if not desk.items.review[index]]
    assert len(audited) > 20
    assert abs(np.corrcoef(np.arange(len(audited)), CONFIDENCE[audited])[0, 1]) < 0.4


def test_progress_tells_what_was_changed(scores: Artifact, tmp_path: Path) -> None:
    desk = at_desk(scores, tmp_path)
    first, second, third = desk.next("a", 3)
    desk.answer({first: str(desk.items.labels[first]), second: "none", third: "skip"})  # type: ignore[dict-item]
    before = desk.progress()
    assert (before.read, before.changed) == (3, 1)
    desk.take_back()
    assert (desk.progress().read, desk.progress().left) == (0, before.left + 3)
    desk.log.path.unlink()  # then there is another file of this name
    desk.answer({first: "none"})
    assert (desk.progress().read, desk.progress().changed, desk.progress().left) == (1, 1, before.left + 2)


@pytest.mark.parametrize("answers", [{100_000: "7"}, {-1: "7"}, {0: "10"}, {0: "back"}])
def test_what_is_no_answer_is_refused(scores: Artifact, tmp_path: Path, answers: dict[int, str]) -> None:
    with pytest.raises(UsageError, match="this is no answer to an image of these scores; received "):
        at_desk(scores, tmp_path).answer(answers)  # type: ignore[arg-type]
    assert not list(tmp_path.glob("*.jsonl"))


def test_where_nothing_is_to_be_reviewed_the_way_out_is_named(store: Store, tmp_path: Path) -> None:
    sure = scored(store, DIGITS, DIGITS.known_labels, np.ones(200))
    with pytest.raises(UsageError, match=r"nothing is to be reviewed of these scores; .* --audit 300"):
        at_desk(sure, tmp_path)
    assert len(at_desk(sure, tmp_path, audit=20).next("a", 100)) == 20
