"""The files of published scores: for Kaggle and for people.

scores.parquet    a folder with a file a shard: what everything else is written from
submission.csv    in Kaggle's format
review.csv        what a person should look at, the least sure of it also as pictures in review.png
beside.png        where a second package answers too: the first pictures that the two answer differently
quarantine.csv    the rows that were set aside, where there are any
seen.png          on demand: the first pictures that came in, beside what the model saw
"""

import csv
import heapq
import itertools
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.data.digits import CLASSES, SIDE
from tasks.data.tables import Fault
from tasks.reports import sheets
from tasks.reports.sheets import Tile
from tasks.scoring import shards
from tasks.scoring.picture_tables import read_picture
from tasks.scoring.shards import Job, Shard
from tasks.store import Artifact
from tasks.words import in_spreadsheet

SCORES, SUBMISSION, REVIEW = "scores.parquet", "submission.csv", "review.csv"
QUARANTINE, REVIEW_SHEET, SEEN_SHEET, BESIDE_SHEET = "quarantine.csv", "review.png", "seen.png", "beside.png"
ROWS = 10_000  # that are in memory at once
SHOWN = 100  # images on a sheet


def write_submission(folder: Path, probabilities: bool) -> None:
    """Write submission.csv from the scores in the same folder; with the ten probabilities of each row if wanted."""
    header, columns = ["ImageId", "Label"], ["id", "label"]
    if probabilities:
        header += [f"Probability{label}" for label in range(CLASSES)]
        rows = _rows(folder, [*columns, "probabilities"])
        _write_csv(
            folder / SUBMISSION,
            header,
            ((name, label, *(f"{share:.6f}" for share in shares)) for name, label, shares in rows),
        )
    elif pq.read_schema(_shard_files(folder)[0]).field("id").type == pa.int64():
        _write_numbers(folder / SUBMISSION, header, _batches(folder, columns))
    else:
        _write_csv(folder / SUBMISSION, header, _rows(folder, columns))


def write_review(folder: Path) -> None:
    """Write review.csv from the scores in the same folder, and review.png where there is anything to review."""
    columns = ["id", "label", "confidence", "reason"]
    _write_csv(folder / REVIEW, columns, _for_people(_rows(folder, columns, only_review=True)))
    rows = _rows(folder, [*columns, "image"], only_review=True)
    least_sure = heapq.nsmallest(SHOWN, rows, key=lambda row: row[2] or 0.0)
    if least_sure:
        sheets.write(folder / REVIEW_SHEET, [_tile(*row) for row in least_sure])


def write_beside(folder: Path) -> None:
    """Draw the first pictures that the second package answers differently, with both answers, the second's last."""
    rows = _rows(folder, ["id", "label", "confidence", "beside", "beside_confidence", "beside_image"])
    differing = itertools.islice((row for row in rows if row[-1] is not None), SHOWN)
    tiles = [
        Tile(
            [np.frombuffer(image, np.uint8).reshape(SIDE, SIDE)],
            str(name),
            f"{label}, {sure:.0%}; {other}, {other_sure:.0%}",
        )
        for name, label, sure, other, other_sure, image in differing
    ]
    if tiles:
        sheets.write(folder / BESIDE_SHEET, tiles)


def published_files(scores: Artifact) -> list[Path]:
    """Return the files of `scores.parquet`, in order. Raises: StoreError if one is not what was written."""
    manifest = scores.manifest()
    return [scores.file(name, manifest) for name in sorted(manifest.files) if name.startswith(f"{SCORES}/")]


def answers(scores: Artifact) -> Iterator[tuple[Any, ...]]:
    """Return id, label, confidence and reason, as in `shards.COLUMNS`, of every row. Raises: as `published_files`."""
    published_files(scores)
    return _rows(scores.path, ["id", "label", "confidence", "reason"])


def write_quarantine(folder: Path, job: Job, finished: Iterable[Shard]) -> None:
    """Write quarantine.csv where rows were set aside."""
    shards_with_faults = [shard for shard in finished if shard.quarantined]
    if shards_with_faults:
        rows = (
            _quarantined(job, shard, fault) for shard in shards_with_faults for fault in shards.faults_of(job, shard)
        )
        _write_csv(folder / QUARANTINE, ["id", "column", "rule", "expected", "received"], _for_people(rows))


def write_seen(folder: Path, job: Job) -> None:
    """Draw the first pictures beside what the model saw, its answer, and the truth where it is another.

    Where there are none, as in a table of pixels, nothing is read, let alone kept.
    """
    from tasks.pictures.form import reduced

    pictures = chain.from_iterable(zip(table.names, table.pictures, strict=True) for table in job.tables)
    shown = dict(islice(pictures, SHOWN))
    tiles = []
    for name, *answer in _rows(folder, ["id", "label", "confidence", "reason", "truth"]) if shown else ():
        if stream := shown.get(name):
            pixels, seen = read_picture(stream, name)
            tiles.append(_seen_tile([reduced(pixels, 2 * sheets.TILE), seen.image], name, *answer))
    if tiles:
        sheets.write(folder / SEEN_SHEET, tiles)


def _rows(folder: Path, columns: Sequence[str], only_review: bool = False) -> Iterator[tuple[Any, ...]]:
    """Read the columns of the shards' rows, in order."""
    for batch in _batches(folder, [*columns, "review"] if only_review else columns):
        chosen = batch.filter(batch.column("review")) if only_review else batch
        yield from zip(*(chosen.column(name).to_pylist() for name in columns), strict=True)


def _batches(folder: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    for path in _shard_files(folder):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS, columns=columns):
                yield batch.select(columns)


def _shard_files(folder: Path) -> list[Path]:
    return sorted((folder / SCORES).iterdir())


def _write_numbers(path: Path, header: Sequence[str], batches: Iterable[pa.RecordBatch]) -> None:
    """Write columns of numbers, with nothing for null, as `_write_csv` would; thirty times as fast."""
    from pyarrow import csv as arrow_csv

    with path.open("wb") as file:
        file.write(f"{','.join(header)}\n".encode())
        for batch in batches:
            arrow_csv.write_csv(batch, file, arrow_csv.WriteOptions(include_header=False))


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _for_people(rows: Iterable[Sequence[Any]]) -> Iterator[list[Any]]:
    return ([in_spreadsheet(cell) for cell in row] for row in rows)


def _tile(name: Any, label: int | None, confidence: float | None, reason: str | None, image: bytes) -> Tile:
    picture = np.frombuffer(image, np.uint8).reshape(SIDE, SIDE)
    return Tile([picture], str(name), _answer(label, confidence, reason), alert=bool(reason))


def _seen_tile(
    pictures: list[np.ndarray],
    name: str,
    label: int | None,
    confidence: float | None,
    reason: str | None,
    truth: int | None,
) -> Tile:
    wrong = label is not None and truth not in (None, label)
    correction = f", but it is {truth}" if wrong else ""
    return Tile(pictures, name, _answer(label, confidence, reason) + correction, alert=wrong or bool(reason))


def _answer(label: int | None, confidence: float | None, reason: str | None) -> str:
    return str(reason) if label is None else f"{label}, {confidence:.0%}"


def _quarantined(job: Job, shard: Shard, fault: Fault) -> tuple[Any, ...]:
    (name,) = shards.ids(job, shard.table_index, np.array([fault.row])).to_pylist()
    return name, fault.column, fault.rule, fault.expected, fault.received
