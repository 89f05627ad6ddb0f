"""Every refusal of a source says what is wrong, where, what was expected and received, and what to do."""

import gzip
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.data import digits as digit_files
from tasks.data.digits import Digits
from tests import making
from tests.tasks.data.reading import refusal

SOME = making.digits(12)
ROWS = making.csv_rows(SOME)
CSV = making.csv_text(ROWS)
IDX_IMAGES, IDX_LABELS = making.idx_images(SOME), making.idx_labels(SOME)


def csv_header(*names: str) -> bytes:
    return making.csv_text([names, *ROWS[1:]])


def idx(images: bytes = IDX_IMAGES, labels: bytes = IDX_LABELS) -> dict[str, bytes]:
    return {"train-images-idx3-ubyte": images, "train-labels-idx1-ubyte": labels}


def zipped(change: Callable[[bytes], bytes], members: dict[str, bytes] | None = None) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = making.write_zip(folder / "digits.zip", members or {"train.csv": CSV})
        path.write_bytes(change(path.read_bytes()))
        return path

    return make


def encrypted(content: bytes) -> bytes:
    flags = content.rindex(b"PK\x01\x02") + 8
    return content[:flags] + b"\1" + content[flags + 1 :]


def linked(content: bytes) -> bytes:
    attributes = content.rindex(b"PK\x01\x02") + 38
    return content[:attributes] + (stat.S_IFLNK << 16).to_bytes(4, "little") + content[attributes + 4 :]


def parquet(digits: Digits, packed: bool = False) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        digit_files.write(folder / "train.parquet", digits)
        if packed:
            return making.write_zip(folder / "d.zip", {"train.parquet": (folder / "train.parquet").read_bytes()})
        return folder / "train.parquet"

    return make


# A file's content, a folder's files, or what makes the path.
BAD_INPUTS: dict[str, bytes | dict[str, bytes] | Callable[[Path], Path]] = {
    "missing file": lambda folder: folder / "no.csv",
    "device": lambda _: Path("/dev/zero"),
    "empty folder": {},
    "folder without digits": {"a.txt": b"hello", "b.txt": b"hello"},
    "folder with a zip": {"a.zip": b"PK\x03\x04"},
    "folder with two train files": {"a.csv": CSV, "b.csv": CSV},
    "no labels": making.csv_text(making.csv_rows(making.unlabelled(SOME))),
    "not a zip": {"digits.zip": b"<html>"},
    "zip that climbs out": zipped(bytes, {"../train.csv": CSV}),
    "zip with a link": zipped(linked),
    "truncated zip": zipped(lambda content: content[:2_000]),
    "damaged zip": zipped(lambda content: content[:200] + bytes(50) + content[250:]),
    "zip with a password": zipped(encrypted),
    "missing column": csv_header(*ROWS[0][:-1]),
    "unknown column": csv_header(*ROWS[0][:-1], "weight"),
    "column twice": csv_header(*ROWS[0][:-1], "pixel5"),
    "no header": making.csv_text(ROWS[1:]),
    "no rows": making.csv_text(ROWS[:1]),
    "empty": b"",
    "Latin-1": csv_header("étiquette", *ROWS[0][1:]).decode().encode("latin-1"),
    "UTF-16": CSV.decode().encode("utf-16"),
    "semicolons": CSV.replace(b",", b";"),
    "endless line": making.csv_text(ROWS[:1]) + b"0," * 600_000,
    "picture": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "truncated gzip": gzip.compress(CSV)[:-9],
    "IDX with wrong magic": idx(images=b"\0\0\x08\x02" + IDX_IMAGES[4:]),
    "IDX with a short header": idx(images=IDX_IMAGES[:10]),
    "IDX with a short body": idx(images=IDX_IMAGES[:-1]),
    "IDX with a long body": idx(labels=IDX_LABELS + b"\0"),
    "IDX of another size": idx(images=IDX_IMAGES[:8] + b"\0\0\0\x20" * 2 + IDX_IMAGES[16:]),
    "IDX of two sets": idx(labels=making.idx_labels(SOME[:5])),
    "IDX without labels": {"train-images-idx3-ubyte": IDX_IMAGES},
    "IDX without images": {"train-labels-idx1-ubyte": IDX_LABELS},
    "Parquet without rows": parquet(SOME[:0]),
    "Parquet in a zip": parquet(SOME, packed=True),
    "truncated Parquet": b"PAR1",
}


@pytest.mark.parametrize("bad", BAD_INPUTS.values(), ids=BAD_INPUTS)
def test_every_refusal_says_what_where_expected_received_and_the_remedy(
    tmp_path: Path, bad: bytes | dict[str, bytes] | Callable[[Path], Path]
) -> None:
    path = tmp_path / "train"
    if isinstance(bad, bytes):
        path.write_bytes(bad)
    elif isinstance(bad, dict):
        path.mkdir()
        for name, content in bad.items():
            (path / name).write_bytes(content)
    else:
        path = bad(tmp_path)
    assert re.fullmatch(r"[^;]+: [^;]+; expected .+; received .+; to go on, .+", refusal(path))
