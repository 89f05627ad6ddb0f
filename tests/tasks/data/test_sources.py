"""What is recognised as a source, by looking inside, and what is refused and how."""

import hashlib
import logging
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.data import digits as digit_files
from tasks.data.digits import Digits
from tasks.errors import DataError
from tests import making
from tests.tasks.data.reading import A_PLACE, ALL_KINDS, FORBIDDEN, GIVE, digits_of, refusal, source

# --- The sample -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample() -> dict[str, Digits]:
    return {name: digits_of(part) for name, part in source("sample").tables.items()}


def test_sample_has_50_digits_a_class_set_apart_as_test_part(sample: dict[str, Digits]) -> None:
    assert list(np.bincount(sample["train"].known_labels)) == [450] * 10
    assert list(np.bincount(sample["test"].known_labels)) == [50] * 10
    assert source("sample").kind == "sample"
    assert source("sample").tables["test"].file == "sample (mnist_5k.csv.gz)"


def test_no_digit_of_the_sample_is_in_both_parts(sample: dict[str, Digits]) -> None:
    images = [{image.tobytes() for image in part.images} for part in sample.values()]
    assert len(images[0] | images[1]) == 5_000


def test_sample_is_shuffled_and_always_the_same(sample: dict[str, Digits]) -> None:
    assert len(set(sample["train"].known_labels[:20].tolist())) > 5
    assert list(sample["train"].ids[[0, -1]]) == [1, 4_500]
    digest = hashlib.sha256(sample["train"].images.tobytes() + sample["test"].images.tobytes()).hexdigest()
    assert digest == "f7260ebb2036306319f281255bbc1dc493528156ab9ca6c4891c555e19ded01b"


def test_sample_does_not_import_what_it_does_not_need() -> None:
    program = (
        "import sys; from pathlib import Path; from tasks import settings; from tasks.data import sources;"
        "list(sources.recognise('sample', settings.Settings(Path())).tables['train'].read());"
        "print(*{'mlxtend', 'pandas', 'scipy', 'sklearn', 'httpx', 'kaggle', 'prefect'} & set(sys.modules))"
    )
    root = Path(__file__).parents[3]
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    assert run.stdout.split() == []


# --- What is recognised -----------------------------------------------------------------------------------------


def test_kaggle_zip_has_a_labelled_train_part_and_an_unlabelled_test_part(tmp_path: Path) -> None:
    train, test = making.digits(30), making.digits(10, start=30)
    found = source(making.write_kaggle_zip(tmp_path / "digit-recognizer.zip", train, test))
    assert (found.kind, found.files) == ("csv", (tmp_path / "digit-recognizer.zip",))
    parts = found.tables
    assert {name: (part.name, part.file, part.labelled) for name, part in parts.items()} == {
        "train": ("train", "digit-recognizer.zip/train.csv", True),
        "test": ("test", "digit-recognizer.zip/test.csv", False),
    }
    assert parts["train"].columns == making.LABELLED
    assert np.array_equal(digits_of(parts["train"]).images, train.images)
    assert np.array_equal(digits_of(parts["test"]).images, test.images)
    assert digits_of(parts["test"]).labels is None


def test_a_part_can_be_read_again(tmp_path: Path) -> None:
    part = source(making.write_csv(tmp_path / "train.csv", making.digits(12))).tables["train"]
    assert len(digits_of(part)) == len(digits_of(part)) == 12


def test_a_source_can_travel_to_another_process(tmp_path: Path) -> None:
    found = source(making.write_csv(tmp_path / "train.csv", making.digits(12)))
    assert len(digits_of(pickle.loads(pickle.dumps(found)).parts["train"])) == 12


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
    assert [part.file for part in found.tables.values()] == [
        f"{tmp_path.name}/train.csv.gz",
        f"{tmp_path.name}/test.csv",
    ]


def test_mnist_folder_has_a_labelled_test_part(tmp_path: Path) -> None:
    making.write_idx(tmp_path, making.digits(20), "t10k")
    making.write_idx(tmp_path, making.digits(30), "train")
    found = source(tmp_path)
    assert (found.kind, len(found.files)) == ("idx", 4)
    assert {name: (part.labelled, len(digits_of(part))) for name, part in found.tables.items()} == {
        "train": (True, 30),
        "test": (True, 20),
    }
    assert found.tables["train"].columns is None


def test_labelled_csv_named_test_is_the_test_part(tmp_path: Path) -> None:
    making.write_csv(tmp_path / "test.csv", making.digits(10))
    making.write_csv(tmp_path / "digits.csv", making.digits(20))
    assert {name: len(digits_of(part)) for name, part in source(tmp_path).tables.items()} == {"train": 20, "test": 10}


def test_parquet_folder_gives_its_rows_numbers_of_its_own(tmp_path: Path) -> None:
    some = making.digits(12)
    moved = Digits(some.ids + np.int32(100), some.images, some.labels)
    digit_files.write(tmp_path / "train.parquet", moved)
    digit_files.write(tmp_path / "test.parquet", making.unlabelled(making.digits(3)))
    (tmp_path / "manifest.json").write_text("{}")
    pq.write_table(pa.table({"row": [1]}), tmp_path / "rejected.parquet")
    found = source(tmp_path)
    assert (found.kind, found.tables["test"].labelled) == ("parquet", False)
    assert list(digits_of(found.tables["train"]).ids) == list(range(1, 13))
    assert np.array_equal(digits_of(found.tables["train"]).images, some.images)


def test_label_over_9_in_parquet_is_a_fault(tmp_path: Path) -> None:
    some = making.digits(12)
    digit_files.write(tmp_path / "a.parquet", Digits(some.ids, some.images, some.known_labels + np.uint8(1)))
    (batch,) = source(tmp_path / "a.parquet").tables["train"].read()
    assert [(fault.row, fault.received) for fault in batch.faults] == [(10, "'10'")]


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


def test_parquet_of_other_columns_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"label": [1]}), tmp_path / "a.parquet")
    assert refusal(tmp_path / "a.parquet") == (
        "a.parquet: the columns are not those of a digit file; expected id: int32, label: uint8, "
        "image: fixed_size_binary[784]; received label: int64; "
        "to go on, give a Parquet file that this project wrote, or a CSV"
    )


def test_parquet_with_some_labels_missing_is_refused(tmp_path: Path) -> None:
    table = digit_files.to_table(making.digits(3)).set_column(1, "label", pa.array([1, None, 3], pa.uint8()))
    pq.write_table(table, tmp_path / "a.parquet")
    assert refusal(tmp_path / "a.parquet") == (
        "a.parquet, column label: some digits have labels and some have none; expected all or none; "
        "received 1 of 3 without; to go on, separate them"
    )


def test_parquet_without_rows_is_refused(tmp_path: Path) -> None:
    digit_files.write(tmp_path / "a.parquet", making.digits(12)[:0])
    assert refusal(tmp_path / "a.parquet") == (
        "a.parquet: there are no rows; expected at least one digit; received none; to go on, give a file that has some"
    )


def test_truncated_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    digit_files.write(path, making.digits(12))
    path.write_bytes(path.read_bytes()[:-100])
    assert refusal(path).startswith(
        "a.parquet: the Parquet file cannot be read; expected a Parquet file that this project wrote; "
        "received Parquet magic bytes not found"
    )


# --- The real files, where they are -----------------------------------------------------------------------------

SHARED = Path(__file__).parents[4] / "shared" / "data"


@pytest.mark.skipif(not (SHARED / "digit-recognizer.zip").exists(), reason="Kaggle's digits are not here")
def test_all_of_kaggle_is_read() -> None:
    parts = source(SHARED / "digit-recognizer.zip").tables
    assert {name: len(digits_of(part)) for name, part in parts.items()} == {"train": 42_000, "test": 28_000}
