"""A picture that came in is shown beside what the model saw of it, as long as it is there and the same."""

import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from tasks.data.digits import Digits, texts
from tasks.data.streams import Stream
from tasks.reviewing import items
from tasks.reviewing.originals import SIDE, Originals
from tasks.scoring.inbox import Inbox, make_folders
from tasks.scoring.picture_tables import read_picture
from tasks.store import Store
from tests import making
from tests.tasks.pictures import ways
from tests.tasks.reviewing.scored import scored

DIGITS = making.digits(4)


def written(folder: Path, *names: str) -> list[Path]:
    paths = []
    for name, digit in zip(names, DIGITS.images, strict=False):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(ways.as_file(ways.plain(ways.laid(ways.strokes(digit), size=(700, 900)))))
        paths.append(path)
    return paths


def opened(store: Store, pictures: list[Path], files: list[Path], ids: list[str]) -> Originals:
    """The originals of scores of these pictures, which are called `ids` and were read from `files`."""
    seen = [read_picture(Stream(path.name, path), path.name)[1].image for path in pictures]
    count = len(seen)
    some = Digits(np.arange(1, count + 1, dtype=np.int32), np.stack(seen), np.zeros(count, np.uint8))
    scores = scored(store, some, some.known_labels, np.full(count, 0.5), pictures=files)
    return Originals(scores, replace(items.read(scores), ids=pa.chunked_array([texts(ids)])))


def test_pictures_are_shown_small_each_its_own_also_where_two_have_one_name(store: Store, tmp_path: Path) -> None:
    paths = written(tmp_path, "a/1.png", "b/1.png", "2.png")
    originals = opened(store, paths, paths, ["a/1.png", "b/1.png", "2.png"])
    assert originals
    files = [originals.of(index) for index in range(3)]
    assert len(set(files)) == 3
    for path, file in zip(paths, files, strict=True):
        assert file
        shown = Image.open(io.BytesIO(file))
        assert (shown.format, max(shown.size)) == ("JPEG", SIDE)
        expected = np.asarray(Image.open(path).convert("L").resize(shown.size), float)
        assert np.abs(np.asarray(shown.convert("L"), float) - expected).mean() < 3


def test_a_picture_that_is_gone_or_another_one_now_is_not_shown(store: Store, tmp_path: Path) -> None:
    paths = written(tmp_path, "1.png", "2.png", "3.png", "4.png")
    originals = opened(store, paths, paths, [path.name for path in paths])
    paths[0].unlink()
    shutil.copyfile(paths[2], paths[1])
    paths[2].write_bytes(b"no picture")
    assert [bool(originals.of(index)) for index in range(4)] == [False, False, False, True]


def test_a_picture_in_a_zip_and_one_of_the_inbox_are_found(store: Store, tmp_path: Path) -> None:
    archived, scanned = written(tmp_path, "1.png", "2.png")
    archive = making.write_zip(tmp_path / "all.zip", {"forms/1.png": archived.read_bytes()})
    folders = Inbox(tmp_path / "data")
    make_folders(folders)
    shutil.copyfile(scanned, folders.done / "2-3.png")  # since two of this name were there before
    working = folders.working / "2-3.png" / "2.png"
    originals = opened(store, [archived, scanned], [archive, working], ["forms/1.png", "2.png"])
    archived.unlink(), scanned.unlink()
    assert originals.of(0)
    assert originals.of(1)


def test_of_tables_there_are_none(store: Store) -> None:
    scores = scored(store, DIGITS, DIGITS.known_labels, np.full(4, 0.5))
    assert not Originals(scores, items.read(scores))
