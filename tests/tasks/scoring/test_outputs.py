"""The CSVs that people open in a spreadsheet."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.scoring import outputs


def test_a_picture_whose_name_is_a_formula_is_shown_as_text(tmp_path: Path) -> None:
    (tmp_path / outputs.SCORES).mkdir()
    rows = {"id": ["=1+1.png"], "label": [3], "confidence": [0.5], "reason": [None], "review": [True]}
    image = pa.array([bytes(784)], pa.binary(784))
    pq.write_table(pa.table({**rows, "image": image}), tmp_path / outputs.SCORES / "part-0.parquet")
    outputs.write_review(tmp_path)
    outputs.write_submission(tmp_path, probabilities=False)
    assert (tmp_path / outputs.REVIEW).read_text().splitlines()[1] == "'=1+1.png,3,0.5,"
    assert (tmp_path / outputs.SUBMISSION).read_text().splitlines()[1] == "=1+1.png,3"  # as Kaggle wants ids
