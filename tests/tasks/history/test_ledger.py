"""The ledger knows every scores and review, also of what is gone, and is made again where it is damaged."""

import logging
import shutil
from dataclasses import replace

import pytest

from tasks.history import ledger
from tasks.store import Store
from tests.tasks.history import past


@pytest.fixture
def filled(store: Store) -> Store:
    first = past.scored(store, 0, labels=(95, 100), waited=12.0)
    past.scored(store, 1, inputs=["prepared/aaaaaaaaaaaa"])
    past.reviewed(store, first, read=30, changed=4, audited=20, right=19)
    return store


def test_a_line_has_what_the_manifest_says(filled: Store) -> None:
    scores, review, of_training = ledger.read(filled)
    assert scores.of == past.PACKAGE
    assert scores.incoming
    assert (scores.rows, scores.review, scores.passed_on, scores.labelled, scores.right) == (1000, 30, 50, 100, 95)
    assert (scores.drift, scores.shifts["ink"], scores.latency) == ("none", 0.0, 12.0)
    assert not of_training.incoming
    assert (review.of, review.read, review.changed, review.audited, review.audited_right) == (
        scores.name,
        30,
        4,
        20,
        19,
    )


def test_it_is_read_from_one_file_and_only_what_is_new_from_manifests(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ledger.read(filled)
    seen: list[str] = []
    original = ledger._lines_of
    monkeypatch.setattr(ledger, "_lines_of", lambda item: (seen.append(item.name), original(item))[1])
    assert ledger.read(filled) == lines
    new = past.scored(filled, 2)
    assert [line.name for line in ledger.read(filled)[3:]] == seen == [new.name]


def test_a_review_of_drawn_digits_is_of_no_scores(filled: Store) -> None:
    past.reviewed(filled, None, read=3, changed=1)
    assert [line.of for line in ledger.read(filled) if line.read == 3] == [""]


def test_what_is_gone_stays_in_it(filled: Store) -> None:
    lines = ledger.read(filled)
    shutil.rmtree(filled.root / "scores")
    assert ledger.read(filled) == lines


@pytest.mark.parametrize("content", [b"", b"PAR1 no more", b"x" * 5000])
def test_a_damaged_one_is_put_aside_and_made_again(
    filled: Store, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    lines = ledger.read(filled)
    (filled.root / ledger.FILE).write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert ledger.read(filled) == lines
    assert "cannot be read" in caplog.text
    assert (filled.root / f"{ledger.FILE}.damaged").read_bytes() == content
    (filled.root / ledger.FILE).unlink()
    assert ledger.read(filled) == lines


def test_a_damaged_manifest_costs_its_line_only(filled: Store) -> None:
    lines = ledger.read(filled)
    broken = past.scored(filled, 3)
    (broken.path / "manifest.json").write_text("{")
    assert ledger.read(filled) == lines


def test_columns_of_another_version_are_left_out_or_empty(filled: Store) -> None:
    import pyarrow.parquet as pq

    lines = ledger.read(filled)
    path = filled.root / ledger.FILE
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["latency"]).append_column("more", table["name"]), path)
    assert ledger.read(filled) == [replace(line, latency=None) for line in lines]


def test_an_empty_store_has_none_and_stays_empty(store: Store) -> None:
    assert ledger.read(store) == []
    assert not store.root.exists()
