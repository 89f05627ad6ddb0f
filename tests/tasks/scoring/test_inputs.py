"""What a person names becomes the parts to score, each with a name of its own."""

import gzip
import io
import sys
from pathlib import Path

import numpy as np
import pytest

from tasks.data import digits
from tasks.data.tables import Table
from tasks.errors import DataError
from tasks.scoring.inputs import content, find, spool
from tasks.settings import Settings
from tests import making

SOME = making.digits(30)
UNLABELLED = making.unlabelled(SOME)


def found(*given: str | Path, folder: Path) -> list[Table]:
    return find([str(one) for one in given], Settings(home=folder), folder)


def images(part: Table) -> np.ndarray:
    return digits.concatenate(batch.digits for batch in part.read()).images


def csv(path: Path) -> Path:
    return making.write_csv(path, UNLABELLED)


def zipped(path: Path) -> Path:
    return making.write_zip(path, {"some.csv": making.csv_text(making.csv_rows(UNLABELLED))})


def idx(path: Path) -> Path:
    path.write_bytes(making.idx_images(SOME))
    return path


def parquet(path: Path) -> Path:
    digits.write(path, UNLABELLED)
    return path


def folder_of_parquet(path: Path) -> Path:
    path.mkdir()
    digits.write(path / "part-0.parquet", UNLABELLED)
    return path


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (csv, "test.csv"),
        (csv, "test.csv.gz"),
        (zipped, "d.zip"),
        (idx, "t10k-images-idx3-ubyte"),
        (parquet, "some.parquet"),
        (folder_of_parquet, "parts"),
    ],
    ids=["CSV", "gzipped CSV", "zip", "IDX", "Parquet", "folder of Parquet"],
)
def test_every_form_of_table_is_found(make, name: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (part,) = found(make(tmp_path / name), folder=tmp_path)
    np.testing.assert_array_equal(images(part), SOME.images)
    assert not part.labelled
    assert part.rows == pytest.approx(30, rel=0.2)


def test_of_kaggles_zip_the_test_part_is_scored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "digit-recognizer.zip"
    making.write_kaggle_zip(path, making.digits(20, start=100), SOME)
    (part,) = found(path, folder=tmp_path)
    assert part.file == "test.csv"
    assert "train.csv: not read: what is to be scored of" in caplog.text


def test_labels_that_a_table_has_are_kept(tmp_path: Path) -> None:
    (part,) = found(making.write_csv(tmp_path / "any.csv", SOME), folder=tmp_path)
    assert part.labelled
    (part,) = found(making.write_idx(tmp_path / "mnist", SOME, "t10k"), folder=tmp_path)
    assert part.labelled


def test_the_embedded_digits_can_be_scored(tmp_path: Path) -> None:
    (part,) = found("sample", folder=tmp_path)
    assert len(images(part)) == 500


def test_several_inputs_keep_their_order_and_get_names_of_their_own(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        csv(tmp_path / folder / "test.csv")
    csv(tmp_path / "z.csv")
    names = [part.file for part in found(tmp_path / "z.csv", tmp_path / "a" / "test.csv", folder=tmp_path)]
    assert names == ["z.csv", "test.csv"]
    parts = found(tmp_path / "b" / "test.csv", tmp_path / "a" / "test.csv", folder=tmp_path)
    assert [part.file for part in parts] == [f"{tmp_path}/b/test.csv", f"{tmp_path}/a/test.csv"]


def test_a_pattern_stands_for_the_files_that_it_fits(tmp_path: Path) -> None:
    for name in ("2.csv", "1.csv", "notes.txt"):
        csv(tmp_path / name)
    assert [part.file for part in found(tmp_path / "*.csv", folder=tmp_path)] == ["1.csv", "2.csv"]
    with pytest.raises(DataError, match="no file fits this pattern; expected files of digits; received none"):
        found(tmp_path / "*.parquet", folder=tmp_path)


def test_standard_input_is_a_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = making.csv_text(making.csv_rows(UNLABELLED))
    for given in (text, gzip.compress(text)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        with spool(tmp_path) as folder:
            (part,) = found("-", folder=folder)
            np.testing.assert_array_equal(images(part), SOME.images)
            assert part.file == "standard input"
        assert not folder.exists()


def test_empty_standard_input_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    with pytest.raises(DataError, match="standard input: the file is empty"):
        found("-", folder=tmp_path)


def test_content_tells_inputs_apart_wherever_they_lie(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        csv(tmp_path / folder / "test.csv")
    first, same = (content(found(tmp_path / folder / "test.csv", folder=tmp_path)) for folder in ("a", "b"))
    assert first == same
    with (tmp_path / "b" / "test.csv").open("ab") as file:
        file.write(b"0," * 783 + b"0\n")
    assert content(found(tmp_path / "b" / "test.csv", folder=tmp_path)) != first
