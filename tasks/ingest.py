"""Stage 1, ingest: turn a source into a `dataset`: train.parquet, test.parquet where there is one, rejected.parquet.

Rows that cannot be read as a digit are kept in rejected.parquet, with the reason; `validate` judges them.
"""

import logging
from dataclasses import asdict
from pathlib import Path

from tasks.data import digits, quarantine
from tasks.data.addresses import expanded
from tasks.data.metrics import DatasetMetrics, RowCounts
from tasks.data.sources import NAMED, Source, recognise
from tasks.data.streams import changed
from tasks.data.tables import Fault, Table
from tasks.settings import Settings
from tasks.stage import stage
from tasks.store import Artifact, Draft, Store, sha256

log = logging.getLogger(__name__)


def ingest(store: Store, data: str, settings: Settings, *, fresh: bool = False) -> Artifact:
    """Return the dataset of a source; see `sources.recognise` for what `data` can be.

    Raises: DataError if the source is missing, not what it seems, or changes while it is read; FetchError if it has to
    be fetched and cannot.
    """
    source = recognise(data, settings)
    content = source.digest()

    def build(draft: Draft) -> DatasetMetrics:
        metrics = write_tables(source, draft.folder)
        if source.digest() != content:
            names = ", ".join(path.name for path in source.files)
            raise changed(names, "the same content before and after", "another sha256")
        return metrics

    where = data if data in NAMED else str(expanded(data).absolute())
    files = [
        {"path": str(path.absolute()), "bytes": path.stat().st_size, "sha256": sha256(path)} for path in source.files
    ]
    return store.make(
        "dataset",
        build,
        code=__name__,
        parameters={"kind": source.kind, "content": content},
        source={"data": where, "files": files},
        fresh=fresh,
    )


def write_tables(source: Source, folder: Path) -> DatasetMetrics:
    """Write the digits of each table of a source into a folder, and the rows that are none into rejected.parquet."""
    counts: dict[str, RowCounts] = {}
    rejected: list[tuple[str, Fault]] = []
    for split, table in source.tables.items():
        rows, faults = write_digits(table, folder / f"{split}.parquet")
        counts[split] = RowCounts(rows, len(faults))
        rejected += [(split, fault) for fault in faults]
    quarantine.write(folder / "rejected.parquet", [{"part": split} | asdict(fault) for split, fault in rejected])
    return DatasetMetrics(**counts)


def write_digits(table: Table, path: Path) -> tuple[int, list[Fault]]:
    """Write a table's digits; return how many they are, and the faults of the other rows."""
    about = {"file": table.file, "labelled": str(table.labelled).lower(), "columns": ",".join(table.columns or ())}
    faults: list[Fault] = []
    with digits.Writer(path, about) as writer:
        for batch in table.read():
            writer.write(batch.digits)
            faults += batch.faults
    log.info(
        "%s: %s digits read as %s, %s rows rejected", table.file, f"{writer.rows:,}", table.split, f"{len(faults):,}"
    )
    return writer.rows, faults


ingest_stage = stage(ingest)
