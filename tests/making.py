"""Makers of tiny data: real digits, few of them, in every form that a source can have."""

import functools
import gzip
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tasks.data import digits as digit_files
from tasks.data.digits import PIXEL_COLUMNS, PIXELS, Digits
from tasks.data.metrics import PreparedMetrics
from tasks.data.sources import recognise
from tasks.settings import Settings
from tasks.store import Artifact, Draft, Store

LABELLED = ("label", *PIXEL_COLUMNS)


@functools.cache
def _sample() -> Digits:
    table = recognise("sample", Settings(home=Path())).tables["train"]
    return digit_files.concatenate(batch.digits for batch in table.read())


def digits(n: int, seed: int = 0, start: int = 0) -> Digits:
    """Some of 4,500 real digits, all different, the classes in turn; ids from 1.

    seed: another order, so other digits. start: from further on in the order: no digit of `digits(start, seed)`.
    """
    sample = _sample()
    shuffled = np.random.default_rng(seed).permutation(len(sample))
    by_class = [shuffled[sample.known_labels[shuffled] == label] for label in range(10)]
    rows = np.stack(by_class, axis=1).ravel()[start : start + n]
    return Digits(np.arange(1, n + 1, dtype=np.int32), sample.images[rows], sample.known_labels[rows])


def prepared(store: Store, training: Digits, judging: Digits) -> Artifact:
    """Prepared data without what comes before; enough for a fit."""

    def build(draft: Draft) -> PreparedMetrics:
        digit_files.write(draft.folder / "train.parquet", training, {})
        digit_files.write(draft.folder / "validation.parquet", judging, {})
        return PreparedMetrics(len(training), len(judging))

    return store.make("prepared", build, code="tasks.prepare", parameters={})


def unlabelled(some: Digits) -> Digits:
    return Digits(some.ids, some.images, None)


def csv_rows(some: Digits, columns: Sequence[str] | None = None) -> list[list[str]]:
    """The cells of the header and of each digit. columns: which, in this order; default label (if known) and pixels."""
    columns = columns or (PIXEL_COLUMNS if some.labels is None else LABELLED)
    table = {name: some.images.reshape(len(some), PIXELS)[:, index] for index, name in enumerate(PIXEL_COLUMNS)}
    table["label"] = np.zeros(len(some), np.uint8) if some.labels is None else some.labels
    return [list(columns), *([str(table[name][row]) for name in columns] for row in range(len(some)))]


def csv_text(rows: Sequence[Sequence[str]]) -> bytes:
    return "".join(",".join(row) + "\n" for row in rows).encode()


def write_csv(path: Path, some: Digits, columns: Sequence[str] | None = None) -> Path:
    """A CSV as Kaggle's; gzipped if the name ends in .gz."""
    text = csv_text(csv_rows(some, columns))
    path.write_bytes(gzip.compress(text, 1) if path.suffix == ".gz" else text)
    return path


def write_zip(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def write_kaggle_zip(path: Path, train: Digits, test: Digits) -> Path:
    """A zip as Kaggle's: train.csv, test.csv without labels, sample_submission.csv."""
    submission = "ImageId,Label\n" + "".join(f"{row},0\n" for row in range(1, len(test) + 1))
    members = {
        "sample_submission.csv": submission.encode(),
        "test.csv": csv_text(csv_rows(unlabelled(test))),
        "train.csv": csv_text(csv_rows(train)),
    }
    return write_zip(path, members)


def idx_images(some: Digits) -> bytes:
    return struct.pack(">4I", 0x0803, len(some), 28, 28) + some.images.tobytes()


def idx_labels(some: Digits) -> bytes:
    return struct.pack(">2I", 0x0801, len(some)) + some.known_labels.tobytes()


def write_idx(folder: Path, some: Digits, name: str = "train", compress: bool = True) -> Path:
    """Images and labels as MNIST's files `<name>-images-idx3-ubyte.gz` and `<name>-labels-idx1-ubyte.gz`."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, content in (("images-idx3", idx_images(some)), ("labels-idx1", idx_labels(some))):
        path = folder / f"{name}-{kind}-ubyte{'.gz' if compress else ''}"
        path.write_bytes(gzip.compress(content, 1) if compress else content)
    return folder
