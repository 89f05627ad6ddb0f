"""The CSVs that people open in a spreadsheet."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tasks.errors import StoreError
from tasks.reports import sheets
from tasks.scoring import outputs, scores
from tasks.scoring.inputs import tables_to_score
from tasks.scoring.scores import Options
from tasks.settings import Settings
from tasks.store import Store
from tests import making
from tests.conftest import Chain
from tests.tasks.reviewing.scored import scored


def test_a_picture_whose_name_is_a_formula_is_shown_as_text(tmp_path: Path) -> None:
    (tmp_path / outputs.SCORES).mkdir()
    rows = {"id": ["=1+1.png"], "label": [3], "confidence": [0.5], "reason": [None], "review": [True]}
    image = pa.array([bytes(784)], pa.binary(784))
    pq.write_table(pa.table({**rows, "image": image}), tmp_path / outputs.SCORES / "part-0.parquet")
    outputs.write_review(tmp_path)
    outputs.write_submission(tmp_path, probabilities=False)
    assert (tmp_path / outputs.REVIEW).read_text().splitlines()[1] == "'=1+1.png,3,0.5,"
    assert (tmp_path / outputs.SUBMISSION).read_text().splitlines()[1] == "=1+1.png,3"  # as Kaggle wants ids


def test_of_many_large_pictures_a_hundred_are_shown_and_kept_small(
    chain: Chain, tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("L", (1_500, 1_000), 255).save(tmp_path / "0.png")
    for number in range(1, 120):
        os.link(tmp_path / "0.png", tmp_path / f"{number}.png")
    tables = tables_to_score([str(tmp_path / "*.png")], Settings(home=tmp_path), tmp_path)
    drawn: list[sheets.Tile] = []
    monkeypatch.setattr(sheets, "write", lambda file, tiles: drawn.extend(tiles))
    published = scores.carry_out(store, scores.plan(store, chain.package, tables, Options(show=True)))
    assert published.manifest().source["data"] == "0.png, 1.png, 10.png and 117 more"
    shown = [tile for tile in drawn if len(tile.pictures) == 2]
    assert len(shown) == 100
    assert sum(picture.nbytes for tile in shown for picture in tile.pictures) < 10e6, "450 MB, were they kept as read"


def test_to_show_rows_of_a_table_reads_none_of_them(chain: Chain, tmp_path: Path, store: Store) -> None:
    table = making.write_csv(tmp_path / "test.csv", making.digits(20))
    tables = tables_to_score([str(table)], Settings(home=tmp_path), tmp_path)
    job = scores.plan(store, chain.package, tables, Options(show=True)).job
    outputs.write_seen(tmp_path / "no-scores-here", job)


def test_answers_are_shown_as_they_were_written_or_not_at_all(store: Store) -> None:
    digits = making.digits(5)
    published = scored(store, digits, digits.known_labels, np.full(5, 0.99))
    assert [label for _, label, *_ in outputs.answers(published)] == digits.known_labels.tolist()
    (part,) = (published.path / outputs.SCORES).iterdir()
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    with pytest.raises(StoreError, match="the file is not what was written"):
        outputs.answers(published)
