"""MNIST's files: images and labels have to belong together and be as long as they say."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tasks.data.digits import Digits, concatenate
from tasks.data.sources import recognise, tables_in
from tasks.data.tables import Batch, Fault
from tasks.errors import DataError
from tasks.settings import Settings
from tests import making

IMAGES = "train-images-idx3-ubyte"
LABELS = "train-labels-idx1-ubyte"


def batches(folder: Path) -> list[Batch]:
    return list(recognise(str(folder), Settings(home=folder)).tables["train"].read())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """20 digits, not gzipped."""
    return making.write_idx(tmp_path / "mnist", making.digits(20), compress=False)


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzipped"])
def test_digits_come_back_as_they_were_written(tmp_path: Path, compress: bool) -> None:
    some = making.digits(20)
    found = concatenate(
        batch.digits for batch in batches(making.write_idx(tmp_path / "mnist", some, compress=compress))
    )
    assert np.array_equal(found.images, some.images)
    assert np.array_equal(found.known_labels, some.known_labels)
    assert list(found.ids) == list(range(1, 21))


def test_more_than_a_batch_is_read_in_batches_numbered_on(tmp_path: Path) -> None:
    one = making.digits(1)
    many = Digits(np.arange(1, 20_002, dtype=np.int32), np.repeat(one.images, 20_001, 0), np.zeros(20_001, np.uint8))
    found = batches(making.write_idx(tmp_path / "mnist", many))
    assert [len(batch.digits) for batch in found] == [10_000, 10_000, 1]
    assert [int(batch.digits.ids[0]) for batch in found] == [1, 10_001, 20_001]


def test_names_with_a_dot_are_known_too(folder: Path) -> None:
    for path in list(folder.iterdir()):
        path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    assert len(batches(folder)[0].digits) == 20


def test_any_names_will_do_for_a_single_pair(folder: Path) -> None:
    (folder / IMAGES).rename(folder / "x.bin")
    (folder / LABELS).rename(folder / "y.bin")
    assert len(batches(folder)[0].digits) == 20


def test_the_files_can_lie_in_a_zip(tmp_path: Path, folder: Path) -> None:
    members = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert len(batches(making.write_zip(tmp_path / "mnist.zip", members))[0].digits) == 20


def test_label_over_9_is_a_fault_with_its_row(folder: Path) -> None:
    content = bytearray((folder / LABELS).read_bytes())
    content[8 + 4] = 10
    (folder / LABELS).write_bytes(content)
    (batch,) = batches(folder)
    assert batch.faults == (Fault(5, "label", "label outside 0-9", "a whole number from 0 to 9", "'10'"),)
    assert list(batch.digits.ids) == [1, 2, 3, 4, *range(6, 21)]


AGAIN = "to go on, copy or download it again"


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        pytest.param(
            IMAGES,
            lambda content: b"\0\0\x08\x02" + content[4:],
            f"mnist/{IMAGES}: the magic number is not that of an MNIST file; expected 00 00 08 03 for images or "
            "00 00 08 01 for labels; received 00 00 08 02; to go on, download it again",
            id="wrong magic",
        ),
        pytest.param(
            IMAGES,
            lambda content: b"<html>not found</html>",
            f"mnist/{IMAGES}: the magic number is not that of an MNIST file; expected 00 00 08 03 for images or "
            "00 00 08 01 for labels; received 3c 68 74 6d; to go on, download it again",
            id="a page instead",
        ),
        pytest.param(
            IMAGES,
            lambda content: content[:10],
            f"mnist/{IMAGES}: the file ends in its header; expected 16 bytes; received 10 bytes; {AGAIN}",
            id="short header",
        ),
        pytest.param(
            IMAGES,
            lambda content: content[:-1],
            f"mnist/{IMAGES}: the file is not as long as its header says; expected 20 x 784 = 15,680 bytes of content; "
            f"received 15,679 bytes; {AGAIN}",
            id="short body",
        ),
        pytest.param(
            IMAGES,
            lambda content: content + b"\0",
            f"mnist/{IMAGES}: the file is not as long as its header says; expected 20 x 784 = 15,680 bytes of content; "
            f"received more; {AGAIN}",
            id="long body",
        ),
        pytest.param(
            LABELS,
            lambda content: content[:-3],
            f"mnist/{LABELS}: the file is not as long as its header says; expected 20 x 1 = 20 bytes of content; "
            f"received 17 bytes; {AGAIN}",
            id="short labels",
        ),
        pytest.param(
            LABELS,
            lambda content: content + b"\0",
            f"mnist/{LABELS}: the file is not as long as its header says; expected 20 x 1 = 20 bytes of content; "
            f"received more; {AGAIN}",
            id="long labels",
        ),
        pytest.param(
            LABELS,
            lambda content: content[:4] + b"\0\0\0\x13" + content[8:],
            f"mnist/{LABELS}: images and labels do not belong together; expected 20 labels; received 19; "
            "to go on, put the two files of one set side by side",
            id="other count",
        ),
        pytest.param(
            IMAGES,
            lambda content: content[:8] + b"\0\0\0\x20\0\0\0\x20" + content[16:],
            f"mnist/{IMAGES}: the images have another size; expected 28 x 28; received 32 x 32; "
            "to go on, scale them to that size",
            id="other size",
        ),
        pytest.param(
            IMAGES,
            lambda content: gzip.compress(content)[:-9],
            f"mnist/{IMAGES}: the file is damaged or incomplete; expected a whole file; received Compressed file ended "
            f"before the end-of-stream marker was reached; {AGAIN}",
            id="truncated gzip",
        ),
    ],
)
def test_bad_file_is_refused(folder: Path, name: str, change: Callable[[bytes], bytes], message: str) -> None:
    (folder / name).write_bytes(change((folder / name).read_bytes()))
    with pytest.raises(DataError) as error:
        batches(folder)
    assert str(error.value) == message


def test_no_images_at_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        batches(making.write_idx(tmp_path / "mnist", making.digits(20)[:0]))
    assert str(error.value) == (
        "mnist/train-images-idx3-ubyte.gz: there are no rows; expected at least one digit; received none; "
        "to go on, give a file that has some"
    )


def test_labels_without_images_are_refused(folder: Path) -> None:
    (folder / IMAGES).unlink()
    with pytest.raises(DataError) as error:
        batches(folder)
    assert str(error.value) == (
        f"mnist/{LABELS}: there are no images for these labels; expected a file of images whose name begins alike; "
        "received no images; to go on, put the file of their images beside it"
    )


def test_images_without_labels_cannot_be_learned_from(folder: Path) -> None:
    (folder / LABELS).unlink()
    with pytest.raises(DataError) as error:
        batches(folder)
    assert str(error.value) == (
        f"mnist: there are no labels to learn from; expected a column label, or a file of labels; received {IMAGES}; "
        "to go on, give the labelled digits too"
    )


def test_a_header_that_claims_too_much_is_refused_before_shards_are_planned(tmp_path: Path) -> None:
    path = tmp_path / IMAGES
    path.write_bytes(b"\0\0\x08\x03" + b"\xff" * 4 + making.idx_images(making.digits(2))[8:])
    (table,) = tables_in(path)
    with pytest.raises(DataError) as error:
        table.places(1_000_000)
    assert str(error.value) == (
        f"{IMAGES}: the file is not as long as its header says; "
        "expected 4,294,967,295 x 784 = 3,367,254,359,280 bytes of content; received 1,568 bytes; "
        "to go on, copy or download it again"
    )
