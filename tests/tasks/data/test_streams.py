"""Zips: what is read out of one, and what is refused and how."""

import gzip
import stat
import zipfile
from pathlib import Path

import pytest

from tasks.data import digits as digit_files
from tasks.data.streams import Stream, in_zip
from tests import making
from tests.tasks.data.reading import ALL_KINDS, GIVE, digits_of, refusal, source


@pytest.fixture
def kaggle(tmp_path: Path) -> Path:
    return making.write_kaggle_zip(tmp_path / "digits.zip", making.digits(30), making.digits(10))


def test_page_named_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "digits.zip"
    path.write_text("<!DOCTYPE html><title>Sign in</title>")
    assert refusal(path) == (
        "digits.zip: this is not a zip; expected a zip with digits; received bytes b'<!DO'; to go on, download it again"
    )


def test_truncated_zip_is_refused(kaggle: Path) -> None:
    kaggle.write_bytes(kaggle.read_bytes()[:5_000])
    assert refusal(kaggle) == (
        "digits.zip: the zip is truncated or damaged; expected a whole zip; received 5,000 bytes; "
        "File is not a zip file; to go on, download it again"
    )


def test_corrupted_zip_member_is_refused(kaggle: Path) -> None:
    with zipfile.ZipFile(kaggle) as archive:
        member = archive.getinfo("train.csv")
    content = bytearray(kaggle.read_bytes())
    content[content.index(b"PK\x01\x02", member.header_offset) - 40] ^= 0xFF
    kaggle.write_bytes(content)
    assert refusal(kaggle).startswith(
        "digits.zip/train.csv: the file is damaged or incomplete; expected a whole file; received "
    )


def test_corrupted_member_of_a_zip_that_is_packed_by_lzma_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "digits.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("train.csv", making.csv_text(making.csv_rows(making.digits(30))))
    content = bytearray(path.read_bytes())
    content[60] ^= 0xFF
    path.write_bytes(content)
    assert refusal(path).startswith("digits.zip/train.csv: the file is damaged or incomplete; expected a whole file; ")


def test_wrong_checksum_of_a_zip_member_is_refused(kaggle: Path) -> None:
    with zipfile.ZipFile(kaggle) as archive:
        checksum = archive.getinfo("train.csv").CRC.to_bytes(4, "little")
    kaggle.write_bytes(kaggle.read_bytes().replace(checksum, b"\1\2\3\4"))
    assert refusal(kaggle) == (
        "digits.zip/train.csv: the file is damaged or incomplete; expected a whole file; "
        "received Bad CRC-32 for file 'train.csv'; to go on, copy or download it again"
    )


def test_zip_with_a_password_is_refused(kaggle: Path) -> None:
    content = bytearray(kaggle.read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 1  # the flag "encrypted" of the last member in the directory
    kaggle.write_bytes(content)
    assert refusal(kaggle) == (
        "digits.zip: the zip asks for a password; expected a zip without one; received 'train.csv' encrypted; "
        "to go on, unpack it and give the folder"
    )


@pytest.mark.parametrize(
    "name", ["../train.csv", "a/../../train.csv", "/etc/train.csv", "..\\train.csv", "\\train.csv", "C:\\train.csv"]
)
def test_zip_whose_names_climb_out_is_refused(tmp_path: Path, name: str) -> None:
    train = making.csv_text(making.csv_rows(making.digits(12)))
    path = making.write_zip(tmp_path / "digits.zip", {"train.csv": train, name: b"x"})
    assert refusal(path) == (
        f"digits.zip: a name in the zip points outside of it; expected names of files inside the zip; "
        f"received '{name}'; to go on, download it again from where it is published"
    )


def test_zip_with_a_link_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "digits.zip"
    link = zipfile.ZipInfo("train.csv")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert refusal(path) == (
        "digits.zip: the zip holds a link; expected files; received a link 'train.csv'; to go on, pack the file itself"
    )


def test_hidden_files_of_a_zip_are_passed_over_as_those_of_a_folder(tmp_path: Path) -> None:
    names = ["a/1.png", "__MACOSX/a/._1.png", ".DS_Store"]
    path = making.write_zip(tmp_path / "digits.zip", dict.fromkeys(names, b"x"))
    assert [stream.name for stream in in_zip(path)] == ["digits.zip/a/1.png"]


def test_zip_with_two_files_of_one_name_is_refused(tmp_path: Path) -> None:
    path = making.write_zip(tmp_path / "digits.zip", {"1.png": b"first", "2.png": b"second"})
    path.write_bytes(path.read_bytes().replace(b"2.png", b"1.png"))
    assert refusal(path) == (
        "digits.zip: two files in the zip have the same name; expected a name of its own for each; "
        "received '1.png' twice; to go on, unpack it and give the folder"
    )


def test_zip_with_a_file_without_a_name_is_refused(tmp_path: Path) -> None:
    path = making.write_zip(tmp_path / "digits.zip", {"nameless": b"x"})
    path.write_bytes(path.read_bytes().replace(b"nameless", b"\0ameless"))
    assert refusal(path) == (
        "digits.zip: a file in the zip has no name; expected a name of its own for each; received ''; "
        "to go on, unpack it and give the folder"
    )


def test_the_directory_of_a_zip_is_read_once_however_many_files_are_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = zipfile.ZipFile._RealGetContents  # type: ignore[attr-defined]
    readings: list[zipfile.ZipFile] = []
    monkeypatch.setattr(
        zipfile.ZipFile, "_RealGetContents", lambda archive: (readings.append(archive), read(archive)), raising=True
    )
    path = making.write_zip(tmp_path / "digits.zip", {f"{number}.png": bytes([number]) for number in range(50)})
    for stream in in_zip(path):
        with stream.open() as file:
            assert file.read() == bytes([int(stream.base.removesuffix(".png"))])
    assert len(readings) == 1
    making.write_zip(path, {"1.png": b"another"})
    with Stream("1.png", path, "1.png").open() as file:
        assert file.read() == b"another"


def test_packed_parquet_is_refused(tmp_path: Path) -> None:
    digit_files.write(tmp_path / "train.parquet", making.digits(12))
    content = (tmp_path / "train.parquet").read_bytes()
    (tmp_path / "train.parquet.gz").write_bytes(gzip.compress(content))
    making.write_zip(tmp_path / "digits.zip", {"train.parquet": content})
    for path, file in (("train.parquet.gz", "train.parquet.gz"), ("digits.zip", "digits.zip/train.parquet")):
        assert refusal(tmp_path / path) == (
            f"{file}: Parquet inside a zip or gzip is not read; expected the Parquet file itself; received it packed; "
            "to go on, unpack it"
        )


@pytest.mark.parametrize(
    ("members", "received"),
    [({}, "nothing"), ({"a.txt": b"hello", "b.txt": b"hello"}, "a.txt, b.txt")],
    ids=["empty", "other files"],
)
def test_zip_without_digits_is_refused(tmp_path: Path, members: dict[str, bytes], received: str) -> None:
    path = making.write_zip(tmp_path / "digits.zip", members)
    assert refusal(path) == f"digits.zip: no digits are in it; expected {ALL_KINDS}; received {received}; {GIVE}"


def test_zip_is_never_unpacked_to_disk(kaggle: Path) -> None:
    before = sorted(kaggle.parent.iterdir())
    digits_of(source(kaggle).tables["train"])
    assert sorted(kaggle.parent.iterdir()) == before
