"""Digits that people drew, and what they say these are: a log that only grows, and what is published of it.

The file `reviews/drawn.jsonl` has a line for each answer; of several to the same image the last one counts.
"""

import base64
import binascii
import contextlib
import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.data.digits import PIXELS
from tasks.errors import StoreError, UsageError
from tasks.reviewing.answers import NO_DIGIT, locked
from tasks.reviewing.corrections import CORRECTIONS, SCHEMA
from tasks.reviewing.publishing import ReviewMetrics
from tasks.store import Artifact, Draft, Store
from tasks.store.files import append
from tasks.store.typed import as_json, parsed


@dataclass(frozen=True)
class Drawn:
    """A line of the log.

    image: what the model saw, 784 bytes in base64. label, confidence: the model's answer, null where it gave none.
    answer: the person's; `none` for what is no digit. time: ISO 8601, with its zone.
    """

    image: str
    label: int | None
    confidence: float | None
    answer: Literal["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "none"]
    reviewer: str
    time: str


def add(folder: Path, image: np.ndarray, label: int | None, confidence: float | None, answer: str, name: str) -> None:
    """Write an answer into the log of a folder, and return when it is on the disk.

    image: uint8 (28, 28). Raises: UsageError if it is no answer; StoreError if it cannot be written.
    """
    if answer not in (*"0123456789", NO_DIGIT):
        raise UsageError("this is no answer", expected=f"a digit, or {NO_DIGIT}", received=repr(answer)[:100])
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    pixels = base64.b64encode(image.tobytes()).decode()
    path = _path(folder)
    with locked(path):
        append(path, [as_json(Drawn(pixels, label, confidence, answer, name, now))])  # type: ignore[arg-type]


def read(folder: Path) -> dict[bytes, Drawn]:
    """Return the last answer to each image, by its 784 bytes; a line that cannot be read, as after a crash, is none."""
    path, last = _path(folder), {}
    if path.exists():
        with locked(path):
            lines = path.read_bytes().splitlines()
        for line in lines:
            with contextlib.suppress(StoreError, binascii.Error):
                drawn = parsed(Drawn, line, "the answer cannot be read", file=path, remedy="")
                image = base64.b64decode(drawn.image, validate=True)
                if len(image) == PIXELS:
                    last[image] = drawn
    return last


def publish(store: Store, folder: Path) -> Artifact:
    """Publish every digit that was drawn and answered so far as a review; the same once more is found.

    Raises: UsageError if there is none; StoreError.
    """
    drawn = read(folder)
    if not drawn:
        remedy = "draw a digit by `digits draw`, and say what it was"
        raise UsageError("nobody has said yet what a drawn digit was", file=str(_path(folder)), remedy=remedy)
    entries = list(drawn.values())

    def build(draft: Draft) -> ReviewMetrics:
        rows = [
            {
                "id": f"drawn-{number}",
                "image": image,
                "label": entry.label,
                "confidence": entry.confidence,
                "answer": None if entry.answer == NO_DIGIT else int(entry.answer),
                "reviewer": entry.reviewer,
                "time": entry.time,
                "audited": False,
            }
            for number, (image, entry) in enumerate(drawn.items(), start=1)
        ]
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), draft.folder / CORRECTIONS, compression="zstd")
        return ReviewMetrics(
            rows=len(entries),
            to_review=len(entries),
            read=len(entries),
            changed=sum(entry.answer != str(entry.label) for entry in entries),
            no_digit=sum(entry.answer == NO_DIGIT for entry in entries),
            undecided=0,
            reviewers=dict(Counter(entry.reviewer for entry in entries)),
            agreement=None,
            audited=None,
            promised=None,
        )

    digest = hashlib.sha256(repr(entries).encode()).hexdigest()
    source = {"data": "digits that people drew"}
    return store.make("review", build, code=__name__, parameters={"answers": digest}, source=source)


def _path(folder: Path) -> Path:
    return folder / "drawn.jsonl"
