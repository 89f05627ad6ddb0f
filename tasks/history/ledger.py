"""The ledger: a line for every scores and every review that there ever was, kept in one file beside the artifacts.

`history.parquet` only copies what manifests say: where it is removed or damaged, it is made again. Of what `digits gc`
has removed it alone knows, so gc brings it up to date before, and nothing takes a line away.
"""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.registry.packages import UNREADABLE
from tasks.reviewing.publishing import ReviewMetrics
from tasks.scoring.scores import Beside, ScoresMetrics
from tasks.store import Artifact, Manifest, Store, unwritable
from tasks.store.files import written_whole

log = logging.getLogger(__name__)

FILE = "history.parquet"
KINDS = ("scores", "review")
TYPES: dict[Any, pa.DataType] = {
    str: pa.string(),
    bool: pa.bool_(),
    int: pa.int64(),
    int | None: pa.int64(),
    float: pa.float64(),
    float | None: pa.float64(),
    dict[str, float]: pa.map_(pa.string(), pa.float64()),
}


@dataclass(frozen=True)
class Line:
    """What is kept of one scores, or of one review: then only `read` and what follows are filled in.

    name, created: of the artifact. of: the name of the package that answered, or of the scores that people have read.
    incoming: whether it came to be scored; the test part of a training did not, nor what was answered again later.
    rows, quarantined, review, passed_on, drift, shifts: as in `ScoresMetrics`. review_below: as in `Options`.
    labelled, right: rows with a label, and how many of them were read right.
    latency: seconds from the file's arrival in the inbox to its scores; None of any other.
    read, changed: rows that people have decided on, and to what the model had not said. audited, audited_right: of
    these, such as were drawn at random of those that the model was sure of, and where it was right.
    beside: name of the second package, or nothing. differ, only_first, only_second: as in `Beside`, of scores by
    labels, of reviews by people.
    """

    name: str
    created: str
    of: str
    incoming: bool = True
    review_below: float = 0
    rows: int = 0
    quarantined: int = 0
    review: int = 0
    passed_on: int | None = None
    drift: str = ""
    shifts: dict[str, float] = field(default_factory=dict)
    labelled: int = 0
    right: int = 0
    latency: float | None = None
    read: int = 0
    changed: int = 0
    audited: int = 0
    audited_right: int = 0
    beside: str = ""
    differ: int = 0
    only_first: int = 0
    only_second: int = 0


SCHEMA = pa.schema([(field.name, TYPES[field.type]) for field in fields(Line)])


def read(store: Store) -> list[Line]:
    """Return the lines, oldest first, of all that there is and all that gc has removed; keep what is new.

    What cannot be read is left out: `digits verify` names it. Raises: StoreError if the ledger cannot be written.
    """
    from filelock import FileLock

    if not store.root.is_dir():
        return []
    path = store.root / FILE
    try:
        with FileLock(store.root / f".{FILE}.lock"):
            lines = {line.name: line for line in _kept(path)}
            unknown = [item for item in store.all() if item.kind in KINDS and item.name not in lines]
            new = [line for item in unknown for line in _lines_of(item)]
            if new:
                lines |= {line.name: line for line in new}
                rows = [vars(line) | {"shifts": list(line.shifts.items())} for line in lines.values()]
                with written_whole(path) as file:
                    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), file, compression="zstd")
    except OSError as error:
        raise unwritable(store.root, error) from error
    return sorted(lines.values(), key=lambda line: datetime.fromisoformat(line.created))


def _kept(path: Path) -> list[Line]:
    """Read the file; where it cannot be read, put it aside, and begin anew from what there is."""
    if not path.exists():
        return []
    known = {field.name for field in fields(Line)}
    try:
        with pq.ParquetFile(path) as file:  # read_table imports pandas
            rows = file.read().to_pylist()
        # An earlier version's has fewer columns.
        named = [{name: value for name, value in row.items() if name in known} for row in rows]
        return [Line(**row | {"shifts": dict(row["shifts"])}) for row in named]
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        aside = path.with_name(f"{FILE}.damaged")
        log.warning("%s cannot be read (%s); it is made again, without what gc has removed", path, error)
        path.rename(aside)
        return []


def _lines_of(artifact: Artifact) -> Iterator[Line]:
    """Yield the line of an artifact; none where it is damaged, or of another version."""
    with contextlib.suppress(*UNREADABLE):
        manifest = artifact.manifest()
        yield (_line_of_review if artifact.kind == "review" else _line_of_scores)(artifact, manifest)


def _line_of_scores(artifact: Artifact, manifest: Manifest) -> Line:
    metrics = artifact.measured(ScoresMetrics, manifest)
    accuracy, arrived = metrics.accuracy, manifest.source.get("arrived")
    waited = datetime.fromisoformat(manifest.created) - datetime.fromisoformat(arrived) if arrived else None
    return Line(
        name=artifact.name,
        created=manifest.created,
        of=manifest.inputs[0],
        incoming=not ("again" in manifest.source or any(name.startswith("prepared/") for name in manifest.inputs)),
        review_below=manifest.parameters["review_below"],
        rows=metrics.rows,
        quarantined=metrics.quarantined,
        review=metrics.review,
        passed_on=metrics.passed_on,
        drift=metrics.drift.verdict,
        shifts=metrics.drift.shifts,
        labelled=accuracy.images if accuracy else 0,
        right=round(accuracy.accuracy * accuracy.images) if accuracy else 0,
        latency=max(0.0, waited.total_seconds()) if waited else None,
        **_of_beside(metrics.beside),
    )


def _line_of_review(artifact: Artifact, manifest: Manifest) -> Line:
    metrics = artifact.measured(ReviewMetrics, manifest)
    audited = metrics.audited
    return Line(
        name=artifact.name,
        created=manifest.created,
        of=next(iter(manifest.inputs), ""),  # of drawn digits there are no scores
        read=metrics.read,
        changed=metrics.changed,
        audited=audited.images if audited else 0,
        audited_right=round(audited.accuracy * audited.images) if audited else 0,
        **_of_beside(metrics.beside),
    )


def _of_beside(beside: Beside | None) -> dict[str, Any]:
    if not beside:
        return {}
    fields_of = asdict(beside)
    return {"beside": fields_of.pop("package"), **fields_of}
