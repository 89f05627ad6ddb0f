"""A picture that shows no digit gets no answer, or an answer for review with the reason; digits get theirs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tasks.scoring import scores, shards
from tasks.scoring.inputs import tables_to_score
from tasks.scoring.scores import Options, ScoresMetrics
from tasks.settings import Settings
from tasks.store import Artifact, Store
from tests import making
from tests.benchmarks import strangers
from tests.conftest import Chain
from tests.tasks.pictures import ways

DIGITS = making.digits(200, start=3_000)
RANDOM = np.random.default_rng(0)
NOT_DIGITS: dict[str, Callable[[], list[bytes]]] = {
    "letters": lambda: [ways.as_file(ways.text(letter, ways.fonts()[0], 100)) for letter in "wxMK"],
    "words": lambda: [ways.as_file(ways.text("word", ways.fonts()[0], 60))],
    "several digits": lambda: strangers.side_by_side(DIGITS.images, RANDOM, 6),
    "photographs": lambda: strangers.photographs(RANDOM, 6),
    "textures": lambda: strangers.textures(RANDOM, 5),
    "empty paper": lambda: [strangers.empty_papers(RANDOM, 8)[at] for at in (3, 4, 6)],
}


def score(chain: Chain, path: Path, store: Store, workers: int = 1) -> Artifact:
    tables = tables_to_score([str(path)], Settings(home=path.parent), path.parent)
    planned = scores.plan(store, chain.package, tables, Options(on_drift="ignore"), workers=workers)
    return scores.carry_out(store, planned)


def drawn(folder: Path, files: list[bytes]) -> Path:
    folder.mkdir()
    for number, file in enumerate(files):
        (folder / f"p{number:03}.png").write_bytes(file)
    return folder


def pictures(digits: np.ndarray) -> list[bytes]:
    return [ways.gray(ways.margin(ways.scaled(digit, 56), 0.3)) for digit in digits]


@pytest.mark.parametrize("kind", NOT_DIGITS)
def test_what_is_no_digit_gets_no_answer_or_a_review(chain: Chain, tmp_path: Path, store: Store, kind: str) -> None:
    published = score(chain, drawn(tmp_path / "given", NOT_DIGITS[kind]()), store)
    rows = pq.read_table(published.path / "scores.parquet").to_pylist()
    assert np.mean([row["review"] for row in rows]) >= 0.8
    assert any(row["reason"] for row in rows)
    for row in rows:
        assert (row["label"] is None) == (row["confidence"] is None) == (row["reason"] not in (None, shards.ODD))


def test_digits_in_pictures_get_their_answers(chain: Chain, tmp_path: Path, store: Store) -> None:
    published = score(chain, drawn(tmp_path / "given", pictures(DIGITS.images)), store)
    rows = pq.read_table(published.path / "scores.parquet").to_pylist()
    assert np.mean([row["label"] is None for row in rows]) <= 0.01
    assert np.mean([row["reason"] is not None for row in rows]) <= 0.08
    metrics = published.measured(ScoresMetrics)
    assert (metrics.pictures, metrics.expected) == (True, None), "nothing is promised of pictures"


def test_rows_of_a_table_are_answered_whatever_they_show(chain: Chain, tmp_path: Path, store: Store) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
    table = making.write_csv(tmp_path / "test.csv", making.unlabelled(replace(DIGITS[:5], images=noise)))
    rows = pq.read_table(score(chain, table, store).path / "scores.parquet").to_pylist()
    assert not any(row["reason"] for row in rows)
    assert all(row["label"] is not None for row in rows)


def test_other_processes_judge_alike(chain: Chain, tmp_path: Path, store: Store) -> None:
    folder = drawn(tmp_path / "given", [*NOT_DIGITS["textures"](), *pictures(DIGITS.images[:20])])
    here = score(chain, folder, store)
    there = score(chain, folder, Store(tmp_path / "other"), workers=2)
    assert (here.path / "review.csv").read_bytes() == (there.path / "review.csv").read_bytes()
