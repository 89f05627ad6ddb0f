"""Stage 1, ingest: turn a source into a `dataset`: train.parquet, test.parquet where there is one, rejected.parquet.

Rows that cannot be read as a digit are kept in rejected.parquet, with the reason; `validate` judges them.
"""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tasks.data import digits, quarantine
from tasks.data.sources import NAMED, recognise
from tasks.data.tables import Table
from tasks.errors import DataError
from tasks.settings import Settings
from tasks.stage import stage
from tasks.store import Artifact, Draft, Store, sha256

log = logging.getLogger(__name__)


def ingest(store: Store, data: str, settings: Settings, *, fresh: bool = False) -> Artifact:
    """The dataset of a source; see `sources.recognise` for what `data` can be.

    Raises: DataError if the source is missing, not what it seems, or changes while it is read; FetchError if it has to
    be fetched and cannot.
    """
    source = recognise(data, settings)
    content = source.digest()

    def build(draft: Draft) -> dict[str, Any]:
        rejected: list[dict[str, Any]] = []
        metrics: dict[str, Any] = {
            name: read_table(table, draft.folder / f"{name}.parquet", rejected) for name, table in source.tables.items()
        }
        if source.digest() != content:
            raise DataError(
                "the file changed while it was read",
                file=", ".join(path.name for path in source.files),
                expected="the same content before and after",
                received="another sha256",
                remedy="wait until whoever writes it is done, and run again",
            )
        quarantine.write(draft.folder / "rejected.parquet", rejected)
        return metrics

    where = data if data in NAMED else str(Path(data).expanduser().absolute())
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


def read_table(table: Table, path: Path, rejected: list[dict[str, Any]]) -> dict[str, int]:
    """Write a part's digits, collect its faults; returns rows read and rows rejected."""
    about = {"file": table.file, "labelled": str(table.labelled).lower(), "columns": ",".join(table.columns or ())}
    faulty = 0
    with digits.Writer(path, about) as writer:
        for batch in table.read():
            writer.write(batch.digits)
            rejected += [{"part": table.split} | asdict(fault) for fault in batch.faults]
            faulty += len(batch.faults)
    log.info("%s: %s digits read as %s, %s rows rejected", table.file, f"{writer.rows:,}", table.split, f"{faulty:,}")
    return {"rows": writer.rows, "rejected": faulty}


ingest_stage = stage(ingest)
