"""What a person names becomes the tables to score, each with a name of its own."""

import gzip
import io
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tasks.data import digits
from tasks.data.tables import Table
from tasks.errors import DataError, StoreError
from tasks.scoring import picture_tables
from tasks.scoring.inputs import survey, tables_to_score
from tasks.settings import Settings
from tasks.store import draft_folder
from tests import making

DIGITS = making.digits(30)
UNLABELLED = making.unlabelled(DIGITS)


def tables(*inputs: str | Path, folder: Path) -> list[Table]:
    return tables_to_score([str(name) for name in inputs], Settings(home=folder), folder)


def images(table: Table) -> np.ndarray:
    return digits.concatenate(batch.digits for batch in table.read()).images


def csv(path: Path) -> Path:
    return making.write_csv(path, UNLABELLED)


def zipped(path: Path) -> Path:
    return making.write_zip(path, {"some.csv": making.csv_text(making.csv_rows(UNLABELLED))})


def idx(path: Path) -> Path:
    path.write_bytes(making.idx_images(DIGITS))
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
def test_every_form_of_table_is_tables(make, name: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (table,) = tables(make(tmp_path / name), folder=tmp_path)
    np.testing.assert_array_equal(images(table), DIGITS.images)
    assert not table.labelled
    assert table.rows == pytest.approx(30, rel=0.2)


def test_of_kaggles_zip_the_test_part_is_scored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "digit-recognizer.zip"
    making.write_kaggle_zip(path, making.digits(20, start=100), DIGITS)
    (table,) = tables(path, folder=tmp_path)
    assert table.file == "test.csv"
    assert "train.csv: not read: what is to be scored of" in caplog.text


def test_labels_that_a_table_has_are_kept(tmp_path: Path) -> None:
    (table,) = tables(making.write_csv(tmp_path / "any.csv", DIGITS), folder=tmp_path)
    assert table.labelled
    (table,) = tables(making.write_idx(tmp_path / "mnist", DIGITS, "t10k"), folder=tmp_path)
    assert table.labelled


def test_the_embedded_digits_can_be_scored(tmp_path: Path) -> None:
    (table,) = tables("sample", folder=tmp_path)
    assert len(images(table)) == 500


def test_several_inputs_keep_their_order_and_get_names_of_their_own(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        csv(tmp_path / folder / "test.csv")
    csv(tmp_path / "z.csv")
    names = [table.file for table in tables(tmp_path / "z.csv", tmp_path / "a" / "test.csv", folder=tmp_path)]
    assert names == ["z.csv", "test.csv"]
    both = tables(tmp_path / "b" / "test.csv", tmp_path / "a" / "test.csv", folder=tmp_path)
    assert [table.file for table in both] == [f"{tmp_path}/b/test.csv", f"{tmp_path}/a/test.csv"]


def test_a_pattern_stands_for_the_files_that_it_fits(tmp_path: Path) -> None:
    for name in ("2.csv", "1.csv", "notes.txt"):
        csv(tmp_path / name)
    assert [table.file for table in tables(tmp_path / "*.csv", folder=tmp_path)] == ["1.csv", "2.csv"]
    with pytest.raises(
        DataError,
        match="no file fits this pattern; expected tables, pictures, or",
    ):
        tables(tmp_path / "*.parquet", folder=tmp_path)


def test_files_of_one_name_are_told_apart_in_a_zip_and_by_a_pattern(tmp_path: Path) -> None:
    content = making.csv_text(making.csv_rows(UNLABELLED))
    making.write_zip(tmp_path / "tables.zip", {"a/test.csv": content, "b/test.csv": content})
    making.write_zip(tmp_path / "pictures.zip", {"a/1.png": b"\x89PNG", "b/1.png": b"\x89PNG"})
    for folder in ("jan", "feb"):
        (tmp_path / folder).mkdir()
        csv(tmp_path / folder / "test.csv")
        (tmp_path / folder / "1.png").write_bytes(b"\x89PNG")
    zipped, (pictures,) = (tables(tmp_path / f"{name}.zip", folder=tmp_path) for name in ("tables", "pictures"))
    assert [table.file for table in zipped] == [f"{tmp_path}/tables.zip/{folder}/test.csv" for folder in "ab"]
    assert pictures.names == tuple(f"{tmp_path}/pictures.zip/{folder}/1.png" for folder in "ab")
    fitting, (pictures,) = (tables(tmp_path / "*" / f"*.{ending}", folder=tmp_path) for ending in ("csv", "png"))
    assert [table.file for table in fitting] == [f"{tmp_path}/{folder}/test.csv" for folder in ("feb", "jan")]
    assert pictures.names == tuple(f"{tmp_path}/{folder}/1.png" for folder in ("feb", "jan"))


def test_an_input_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    path = csv(tmp_path / "test.csv")
    with pytest.raises(DataError, match=r"test.csv: this is to be scored twice; to go on, name it once"):
        tables(path, path, folder=tmp_path)


def test_a_folder_without_files_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    with pytest.raises(DataError) as error:
        tables_to_score([str(tmp_path / "empty")], Settings(home=tmp_path), tmp_path)
    assert str(error.value) == (
        f"{tmp_path}/empty: no file is in it; expected tables or pictures of digits; "
        "received nothing, or folders only; to go on, name the folder that holds them"
    )


def test_what_is_no_picture_and_whence_labels_come_is_told_once_of_all(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    picture_tables._tell_of_labels.cache_clear()
    caplog.set_level("INFO")
    for number in range(12):
        (tmp_path / f"{number:02}.txt").write_text("a remark")
        Image.fromarray(DIGITS.images[0]).save(tmp_path / f"7_{number}.png")
    for _ in range(2):  # as with files of the inbox
        tables(tmp_path, folder=tmp_path)
    unread, labels, again = caplog.messages
    assert unread.startswith(f"not read, no pictures: {tmp_path.name}/00.txt, {tmp_path.name}/01.txt, ")
    assert unread.endswith(f"{tmp_path.name}/09.txt and 2 more")
    assert labels.startswith("the right digits are taken from")
    assert again == unread


def test_standard_input_is_a_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = making.csv_text(making.csv_rows(UNLABELLED))
    for stdin in (text, gzip.compress(text)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with draft_folder(tmp_path, "standard-input") as folder:
            (table,) = tables("-", folder=folder)
            np.testing.assert_array_equal(images(table), DIGITS.images)
            assert table.file == "standard input"
        assert not folder.exists()


def test_a_disk_too_full_for_standard_input_is_not_taken_for_a_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "standard-input.csv").symlink_to("/dev/full")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"pixel0")))
    with pytest.raises(StoreError, match="the artifacts folder cannot be written; received No space left on device"):
        tables_to_score(["-"], Settings(home=tmp_path), tmp_path)


def test_empty_standard_input_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    with pytest.raises(DataError, match="standard input: the file is empty"):
        tables("-", folder=tmp_path)


def test_content_tells_inputs_apart_wherever_they_lie(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        csv(tmp_path / folder / "test.csv")
    first, same = (survey(tables(tmp_path / folder / "test.csv", folder=tmp_path)).digest for folder in ("a", "b"))
    assert first == same
    with (tmp_path / "b" / "test.csv").open("ab") as file:
        file.write(b"0," * 783 + b"0\n")
    assert survey(tables(tmp_path / "b" / "test.csv", folder=tmp_path)).digest != first


def opens(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A list that grows by each opening of a file from now on."""
    opened: list[Path] = []
    real = Path.open

    def counting(self: Path, *arguments: Any, **options: Any) -> Any:
        if self == path:
            opened.append(self)
        return real(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", counting)
    return opened


@pytest.mark.parametrize(
    ("make", "name"),
    [(csv, "test.csv"), (csv, "test.csv.gz"), (idx, "t10k-images-idx3-ubyte")],
    ids=["CSV", "gzipped CSV", "IDX"],
)
def test_an_input_is_recognised_by_one_look_and_read_once_more_before_it_is_scored(  # type: ignore[no-untyped-def]
    make, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / name)
    opened = opens(path, monkeypatch)
    (table,) = tables(path, folder=tmp_path)
    assert len(opened) == 2  # once to see whether it is a zip
    survey([table], shard_rows=10)
    assert len(opened) == 3


def test_a_zip_is_read_once_however_many_tables_are_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = making.csv_text(making.csv_rows(making.digits(3)))
    path = making.write_zip(tmp_path / "d.zip", {f"{number}.csv": content for number in range(9)})
    many = tables(path, folder=tmp_path)
    opened = opens(path, monkeypatch)
    survey(many)
    assert len(opened) == 1


@pytest.mark.parametrize("shard_rows", [7, 10, 30])
def test_the_one_reading_of_a_csv_tells_where_its_shards_begin(shard_rows: int, tmp_path: Path) -> None:
    both = tables(csv(tmp_path / "a.csv"), csv(tmp_path / "b.csv.gz"), folder=tmp_path)
    surveyed = survey(both, shard_rows)
    assert surveyed.places == {0: both[0].places(shard_rows)}  # what is packed has only a beginning
    assert surveyed.digest == survey(both).digest


def test_ids_are_part_of_what_tells_inputs_apart(tmp_path: Path) -> None:
    for folder in ("jan", "feb"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.png").write_bytes(b"\x89PNG")
    first = survey(tables(tmp_path / "jan", tmp_path / "feb", folder=tmp_path)).digest
    (tmp_path / "jan").rename(tmp_path / "x")
    assert survey(tables(tmp_path / "x", tmp_path / "feb", folder=tmp_path)).digest != first


def test_what_a_killed_run_has_left_of_standard_input_goes(tmp_path: Path) -> None:
    with draft_folder(tmp_path, "standard-input") as folder:
        left = folder.with_name(folder.name.replace(f"@{os.getpid()}@", "@4194303@"))
        left.mkdir()
    with draft_folder(tmp_path, "standard-input") as folder:
        assert list(folder.parent.iterdir()) == [folder]


def test_columns_that_are_neither_pixels_nor_label_can_be_left_out(tmp_path: Path) -> None:
    rows = making.csv_rows(UNLABELLED)
    names = ["id", *(f"form {number}" for number in range(1, len(rows)))]
    (tmp_path / "test.csv").write_bytes(making.csv_text([[name, *row] for name, row in zip(names, rows, strict=True)]))
    with pytest.raises(DataError, match=r"or leave out what is no pixel by --ignore-columns id$"):
        tables_to_score([str(tmp_path / "test.csv")], Settings(home=tmp_path), tmp_path, [])
    with pytest.raises(DataError, match=r"to go on, put the columns right$"):
        tables(tmp_path / "test.csv", folder=tmp_path)
    (table,) = tables_to_score([str(tmp_path / "test.csv")], Settings(home=tmp_path), tmp_path, ["id"])
    np.testing.assert_array_equal(images(table), DIGITS.images)
