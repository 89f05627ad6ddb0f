"""What is recognised as a source, by looking inside, and what is refused and how."""

import logging
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from tasks.data import digits as digit_files
from tasks.errors import DataError
from tests import making
from tests.tasks.data.reading import A_PLACE, ALL_KINDS, FORBIDDEN, GIVE, digits_of, refusal, source

# --- What is recognised -----------------------------------------------------------------------------------------


def test_kaggle_zip_has_a_labelled_train_part_and_an_unlabelled_test_part(tmp_path: Path) -> None:
    train, test = making.digits(30), making.digits(10, start=30)
    found = source(making.write_kaggle_zip(tmp_path / "digit-recognizer.zip", train, test))
    assert (found.kind, found.files) == ("csv", (tmp_path / "digit-recognizer.zip",))
    tables = found.tables
    assert {name: (table.split, table.file, table.labelled) for name, table in tables.items()} == {
        "train": ("train", "digit-recognizer.zip/train.csv", True),
        "test": ("test", "digit-recognizer.zip/test.csv", False),
    }
    assert tables["train"].columns == making.LABELLED
    assert np.array_equal(digits_of(tables["train"]).images, train.images)
    assert np.array_equal(digits_of(tables["test"]).images, test.images)
    assert digits_of(tables["test"]).labels is None


def test_a_part_can_be_read_again(tmp_path: Path) -> None:
    table = source(making.write_csv(tmp_path / "train.csv", making.digits(12))).tables["train"]
    assert len(digits_of(table)) == len(digits_of(table)) == 12


def test_a_source_can_travel_to_another_process(tmp_path: Path) -> None:
    found = source(making.write_csv(tmp_path / "train.csv", making.digits(12)))
    assert len(digits_of(pickle.loads(pickle.dumps(found)).tables["train"])) == 12


def test_endings_do_not_count(tmp_path: Path) -> None:
    making.write_kaggle_zip(tmp_path / "a.zip", making.digits(12), making.digits(3)).rename(tmp_path / "a.csv")
    making.write_csv(tmp_path / "b.gz", making.digits(12)).rename(tmp_path / "b.parquet")
    digit_files.write(tmp_path / "c.csv", making.digits(12))
    kinds = [source(tmp_path / name).kind for name in ("a.csv", "b.parquet", "c.csv")]
    assert kinds == ["csv", "csv", "parquet"]


def test_folder_passes_over_what_holds_no_digits(tmp_path: Path) -> None:
    making.write_csv(tmp_path / "train.csv.gz", making.digits(12))
    making.write_csv(tmp_path / "test.csv", making.unlabelled(making.digits(3)))
    (tmp_path / "sample_submission.csv").write_text("ImageId,Label\n1,0\n")
    (tmp_path / "README.md").write_text("# Digits\n")
    (tmp_path / "manifest.json").write_text("{}\n")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\r")
    (tmp_path / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (tmp_path / "more").mkdir()
    found = source(tmp_path)
    assert found.files == (tmp_path / "test.csv", tmp_path / "train.csv.gz")
    assert [table.file for table in found.tables.values()] == [
        f"{tmp_path.name}/train.csv.gz",
        f"{tmp_path.name}/test.csv",
    ]


def test_mnist_folder_has_a_labelled_test_part(tmp_path: Path) -> None:
    making.write_idx(tmp_path, making.digits(20), "t10k")
    making.write_idx(tmp_path, making.digits(30), "train")
    found = source(tmp_path)
    assert (found.kind, len(found.files)) == ("idx", 4)
    assert {name: (table.labelled, len(digits_of(table))) for name, table in found.tables.items()} == {
        "train": (True, 30),
        "test": (True, 20),
    }
    assert found.tables["train"].columns is None


def test_labelled_csv_named_test_is_the_test_part(tmp_path: Path) -> None:
    making.write_csv(tmp_path / "test.csv", making.digits(10))
    making.write_csv(tmp_path / "digits.csv", making.digits(20))
    assert {name: len(digits_of(table)) for name, table in source(tmp_path).tables.items()} == {"train": 20, "test": 10}


def test_tilde_is_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    making.write_csv(tmp_path / "train.csv", making.digits(12))
    assert source("~/train.csv").files == (tmp_path / "train.csv",)


# --- What a source is -------------------------------------------------------------------------------------------


def test_digest_is_of_names_and_contents_and_not_of_places(tmp_path: Path) -> None:
    digests = []
    for name, count in (("here", 12), ("there", 12), ("changed", 13)):
        (tmp_path / name).mkdir()
        digests.append(source(making.write_csv(tmp_path / name / "train.csv", making.digits(count))).digest())
    renamed = source((tmp_path / "here" / "train.csv").rename(tmp_path / "here" / "other.csv")).digest()
    assert digests[0] == digests[1]
    assert len({*digests, renamed}) == 3


def test_digest_shows_that_a_file_has_changed(tmp_path: Path) -> None:
    path = making.write_csv(tmp_path / "train.csv", making.digits(12))
    found = source(path)
    before = found.digest()
    with path.open("a") as file:
        file.write("\n")
    assert found.digest() != before


def test_digest_of_a_file_that_is_gone_says_so(tmp_path: Path) -> None:
    path = making.write_csv(tmp_path / "train.csv", making.digits(12))
    found = source(path)
    path.unlink()
    with pytest.raises(DataError) as error:
        found.digest()
    assert str(error.value) == (
        "train.csv: there is no such file; expected a file at this path; received nothing; to go on, check the path"
    )


# --- What is refused --------------------------------------------------------------------------------------------


def test_missing_path_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no.csv") == (
        f"{tmp_path}/no.csv: there is no such file or folder; expected {A_PLACE}; received nothing of that name; {GIVE}"
    )


def test_unknown_home_is_a_missing_path() -> None:
    assert refusal("~nobody-of-that-name/x").startswith("~nobody-of-that-name/x: there is no such file or folder; ")


def test_device_is_refused() -> None:
    assert refusal("/dev/zero") == (
        f"/dev/zero: this is neither a file nor a folder; expected {A_PLACE}; received a device, pipe or socket; {GIVE}"
    )


def test_empty_folder_is_refused_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "train.csv").mkdir()
    assert refusal(tmp_path / "train.csv") == (
        f"train.csv: no digits are in it; expected {ALL_KINDS}; received nothing; {GIVE}"
    )


def test_folder_without_digits_is_refused_with_what_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "things"
    folder.mkdir()
    for name in "abcdefg":
        (folder / f"{name}.txt").write_text("no digits")
    assert refusal(folder) == (
        f"things: no digits are in it; expected {ALL_KINDS}; received a.txt, b.txt, c.txt, d.txt, e.txt, …; {GIVE}"
    )


def test_folder_with_a_zip_alone_says_to_give_the_zip(tmp_path: Path) -> None:
    making.write_kaggle_zip(tmp_path / "a.zip", making.digits(12), making.digits(3))
    assert refusal(tmp_path) == (
        f"{tmp_path.name}/a.zip: this zip lies inside of something else; expected {ALL_KINDS}; received a zip; "
        "to go on, give the zip itself"
    )


def test_folder_whose_train_file_is_no_text_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "kaggle"
    folder.mkdir()
    making.write_csv(folder / "test.csv", making.unlabelled(making.digits(3)))
    text = making.csv_text(making.csv_rows(making.digits(12)))
    (folder / "train.csv").write_bytes(text.decode().encode("utf-16"))
    assert refusal(folder) == (
        "kaggle/train.csv: the text is not UTF-8; expected UTF-8; received UTF-16; to go on, save it as UTF-8"
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("test.csv", b"", "the file is empty"),
        ("test.csv", "label,pixel0".encode("utf-16"), "the text is not UTF-8"),
        ("Test.parquet", b"PAR1PAR1", "the Parquet file cannot be read"),
        ("t10k.csv", b"<html>Sign in</html>", "the first line names no pixels"),
        ("train_2.csv", b"<html>Sign in</html>", "the first line names no pixels"),
    ],
)
def test_broken_part_is_refused_and_not_passed_over(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    making.write_csv(tmp_path / "train.csv", making.digits(12))
    (tmp_path / name).write_bytes(content)
    assert f"{name}: {message}; expected " in refusal(tmp_path)


@pytest.mark.parametrize(
    ("names", "passed_over"),
    [
        (["train.csv", "more.csv"], ["more.csv: not read: train.csv is the train part"]),
        (["digits.csv", "test.csv", "t10k.csv"], ["t10k.csv: not read: test.csv is the test part"]),
        (["digits.csv", "test.csv"], []),
    ],
)
def test_digits_that_are_not_read_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, names: list[str], passed_over: list[str]
) -> None:
    for name in names:
        making.write_csv(tmp_path / name, making.digits(10))
    source(tmp_path)
    assert caplog.record_tuples == [
        ("tasks.data.sources", logging.WARNING, f"{tmp_path.name}/{line}") for line in passed_over
    ]


def test_unlabelled_digits_alone_are_refused(tmp_path: Path) -> None:
    assert refusal(making.write_csv(tmp_path / "test.csv", making.unlabelled(making.digits(3)))) == (
        "test.csv: there are no labels to learn from; expected a column label, or a file of labels; received test.csv; "
        "to go on, give the labelled digits too"
    )


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["a.csv", "b.csv"],
            "it is not clear which file is the train part; expected one, or one whose name begins with train; "
            "received a.csv, b.csv; to go on, leave one of them there, or give the file itself",
        ),
        (
            ["train.csv", "train.csv.gz"],
            "it is not clear which file is the train part; expected one, or one whose name begins with train; "
            "received train.csv, train.csv.gz; to go on, leave one of them there, or give the file itself",
        ),
        (
            ["train.csv", "test.csv", "test_2.csv"],
            "it is not clear which file is the test part; expected one, or one whose name begins with test; "
            "received test.csv, test_2.csv; to go on, leave one of them there, or give the file itself",
        ),
    ],
)
def test_ambiguous_folder_is_refused_with_the_names(tmp_path: Path, names: list[str], message: str) -> None:
    folder = tmp_path / "digits"
    folder.mkdir()
    for name in names:
        making.write_csv(folder / name, making.digits(10))
    assert refusal(folder) == f"digits: {message}"


def test_forbidden_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = making.write_csv(tmp_path / "train.csv", making.digits(12))

    def forbid(self: Path, *arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", forbid)  # root may read everything: permissions alone do not show it
    assert refusal(path) == f"{path}: {FORBIDDEN}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may enter every folder")
def test_forbidden_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "secret"
    folder.mkdir(mode=0)
    assert refusal(folder) == f"{folder}: {FORBIDDEN}"


# --- The real files, where they are -----------------------------------------------------------------------------

SHARED = Path(__file__).parents[4] / "shared" / "data"


@pytest.mark.skipif(not (SHARED / "digit-recognizer.zip").exists(), reason="Kaggle's digits are not here")
def test_all_of_kaggle_is_read() -> None:
    tables = source(SHARED / "digit-recognizer.zip").tables
    assert {name: len(digits_of(table)) for name, table in tables.items()} == {"train": 42_000, "test": 28_000}
