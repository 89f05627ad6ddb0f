"""An answer is kept before it counts, whatever happens; which one counts, and how far people agree."""

import errno
import json
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from tasks.errors import StoreError, UsageError
from tasks.reviewing.answers import Log, agreement, decided, reviewer_name
from tasks.store import Artifact

SCORES = Artifact("scores", "0123456789ab", Path("scores/0123456789ab"))


def held(log: Log) -> dict[int, dict[str, str]]:
    """The answers that hold, by row and reviewer."""
    return {row: {name: entry.answer for name, entry in by_name.items()} for row, by_name in log.readings.items()}


def test_answers_are_there_for_whoever_opens_the_log_again(tmp_path: Path) -> None:
    log = Log(tmp_path / "reviews", SCORES)
    assert not (tmp_path / "reviews").exists()
    log.add({3: ("4", "7")}, "ann")
    log.add({5: ("6", "none"), 8: ("9", "skip")}, "ben")
    log.add({3: ("4", "1")}, "ann")
    expected = {3: {"ann": "1"}, 5: {"ben": "none"}, 8: {"ben": "skip"}}
    assert held(log) == held(Log(tmp_path / "reviews", SCORES)) == expected
    (line, *_) = (tmp_path / "reviews" / "0123456789ab.jsonl").read_text().splitlines()
    assert {name: json.loads(line)[name] for name in ("row", "id", "answer", "reviewer")} == {
        "row": 3,
        "id": "4",
        "answer": "7",
        "reviewer": "ann",
    }


def test_what_was_answered_together_is_taken_back_together_and_only_ones_own(tmp_path: Path) -> None:
    log = Log(tmp_path, SCORES)
    log.add({1: ("2", "7")}, "ann")
    log.add({2: ("3", "7"), 3: ("4", "7")}, "ann")
    log.add({4: ("5", "7")}, "ben")
    rows = []
    while last := log.last_of("ann"):
        rows.append([entry.row for entry in last])
        log.add({entry.row: (entry.id, "back") for entry in last}, "ann")
    assert rows == [[2, 3], [1]]
    assert held(log) == held(Log(tmp_path, SCORES)) == {4: {"ben": "7"}}


@pytest.mark.parametrize("torn", [b'{"row": 9, "id', b"\xff\xfe", b'{"row": 9}\n', b"[]\n"])
def test_a_line_that_cannot_be_read_costs_no_other(tmp_path: Path, torn: bytes) -> None:
    log = Log(tmp_path, SCORES)
    log.add({1: ("2", "7")}, "ann")
    with log.path.open("ab") as file:
        file.write(torn)
    other = Log(tmp_path, SCORES)
    assert held(other) == {1: {"ann": "7"}}
    assert other.unreadable == torn.count(b"\n")  # what has no end may still become a line
    other.add({2: ("3", "8")}, "ann")
    log.refresh()
    assert held(log) == held(Log(tmp_path, SCORES)) == {1: {"ann": "7"}, 2: {"ann": "8"}}


def test_of_a_full_disk_nothing_is_left_and_nothing_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(tmp_path, SCORES)
    log.add({1: ("2", "7")}, "ann")
    before = log.path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match=r"the answers cannot be kept; received No space left on device; to go on"):
            log.add({2: ("3", "7"), 3: ("4", "7")}, "ann")
    assert log.path.read_bytes() == before
    assert held(log) == {1: {"ann": "7"}}
    log.add({2: ("3", "7")}, "ann")
    assert held(Log(tmp_path, SCORES)) == {1: {"ann": "7"}, 2: {"ann": "7"}}


def add_many(folder: Path, reviewer: str) -> None:
    log = Log(folder, SCORES)
    for row in range(50):
        log.add({row: (str(row + 1), "7")}, reviewer)


def test_two_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=add_many, args=(tmp_path, name)) for name in ("ann", "ben")]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert held(Log(tmp_path, SCORES)) == {row: {"ann": "7", "ben": "7"} | {} for row in range(50)}


def test_what_is_handed_out_is_kept_for_others_until_it_is_answered(tmp_path: Path) -> None:
    log, other = Log(tmp_path, SCORES), Log(tmp_path, SCORES)
    with log.leases() as leases:
        leases |= {1: ("ann", time.time() + 60), 2: ("ann", time.time() + 60), 3: ("ann", time.time() - 1)}
    log.add({2: ("3", "7")}, "ann")
    other.refresh()
    with other.leases() as leases:
        assert {row: name for row, (name, _) in leases.items()} == {1: "ann"}
    (tmp_path / f".{SCORES.id}.leases").write_text("[[1, ")
    with other.leases() as leases:
        assert leases == {}


@pytest.mark.parametrize(
    ("answers", "counts"),
    [
        ([], None),
        (["skip"], None),
        (["7"], "7"),
        (["skip", "none"], "none"),
        (["7", "7"], "7"),
        (["7", "1"], None),
        (["7", "1", "7"], "7"),
        (["7", "1", "1"], "1"),
        (["7", "1", "2"], "2"),
        (["7", "1", "2", "7"], "7"),
    ],
)
def test_where_two_differ_a_third_decides(tmp_path: Path, answers: list[str], counts: str | None) -> None:
    log = Log(tmp_path, SCORES)
    for number, answer in enumerate(answers):
        log.add({0: ("1", answer)}, f"reader {number}")  # type: ignore[dict-item]
    entry = decided(log.readings.get(0, {}))
    assert (entry and entry.answer) == counts


def test_agreement_and_kappa_are_those_of_what_two_have_read(tmp_path: Path) -> None:
    log = Log(tmp_path, SCORES)
    assert agreement(log.readings) is None
    for row, (first, second) in enumerate([("1", "1"), ("1", "1"), ("2", "2"), ("2", "1"), ("3", "skip")]):
        log.add({row: ("", first)}, "ann")  # type: ignore[dict-item]
        log.add({row: ("", second)}, "ben")  # type: ignore[dict-item]
    measured = agreement(log.readings)
    assert measured is not None
    assert (measured.images, measured.agreed) == (4, 3)
    # Observed 3/4; by chance (2/4 · 3/4 + 2/4 · 1/4) = 1/2.
    assert measured.kappa == pytest.approx((0.75 - 0.5) / 0.5)


def test_where_all_have_the_same_answer_kappa_says_nothing(tmp_path: Path) -> None:
    log = Log(tmp_path, SCORES)
    for name in ("ann", "ben"):
        log.add({0: ("1", "7")}, name)
    assert agreement(log.readings).kappa is None  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["", "  ", "a" * 41, "a\nb"])
def test_a_name_that_cannot_be_kept_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="this is no name of a reviewer; expected 1 to 40 printable characters"):
        reviewer_name(name)
