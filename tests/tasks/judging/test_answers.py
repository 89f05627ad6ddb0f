from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.errors import DataError
from tasks.judging import answers
from tasks.judging.answers import Answers
from tests import making


@pytest.fixture
def given() -> Answers:
    """To 30 digits, the first of which is read wrong."""
    some = making.digits(30)
    probabilities = np.eye(10, dtype=np.float32)[some.known_labels] + np.float32(0.1)
    probabilities[0] = np.roll(probabilities[0], 1)
    return Answers.to(some, probabilities)


def test_what_was_written_is_read_again(given: Answers, tmp_path: Path) -> None:
    answers.write(tmp_path / "answers.parquet", given)
    again = answers.read(tmp_path / "answers.parquet")
    for name, values in vars(given).items():
        np.testing.assert_array_equal(getattr(again, name), values)
        assert getattr(again, name).dtype == values.dtype
    np.testing.assert_array_equal(again.right, [False] + [True] * 29)


def test_the_file_has_a_row_an_image_and_says_how_sure_each_answer_is(given: Answers, tmp_path: Path) -> None:
    answers.write(tmp_path / "answers.parquet", given)
    table = pq.read_table(tmp_path / "answers.parquet")
    assert table.schema.equals(answers.SCHEMA)
    assert table.schema.field("probabilities").type == pa.list_(pa.float32(), 10)
    first = table.slice(0, 1).to_pylist()[0]
    assert first["id"] == 1
    assert first["label"] == (first["truth"] + 1) % 10
    assert first["confidence"] == first["probabilities"][first["label"]] == max(first["probabilities"])
    assert pq.ParquetFile(tmp_path / "answers.parquet").metadata.row_group(0).column(0).compression == "ZSTD"


def test_probabilities_add_up_to_one_whatever_the_network_gave(given: Answers) -> None:
    assert given.probabilities.dtype == np.float32
    np.testing.assert_allclose(given.probabilities.sum(axis=1), 1, atol=1e-6)
    assert given.probabilities[1].max() == pytest.approx(1.1 / 2)


def test_digits_without_labels_cannot_be_judged() -> None:
    with pytest.raises(DataError, match="have no labels"):
        Answers.to(making.unlabelled(making.digits(3)), np.full((3, 10), 0.1, np.float32))
