"""Backfill: files of the inbox that are done, answered again by another package, with the results beside the old ones.

outbox/NAME.csv stays as it is; what the package ID says is outbox/NAME.ID.csv, written once.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from tasks.errors import StoreError
from tasks.scoring import inbox
from tasks.scoring.inbox import Claim
from tasks.store import Artifact
from tasks.words import counted, in_markdown, percent


@dataclass(frozen=True)
class Again:
    """What came of a file that was answered again.

    changes: how often an answer is another one now, by `old → new`, the most frequent first; None where the old answers
    are gone. reason: why there are no new answers, or nothing.
    """

    claim: Claim
    rows: int = 0
    changes: Mapping[str, int] | None = None
    reason: str = ""

    @property
    def says(self) -> str:
        """What has changed, in words."""
        if self.reason:
            return f"refused: {self.reason}"
        if self.changes is None:
            return "the answers before are gone from outbox/"
        changed = sum(self.changes.values())
        ways = ", ".join(f"{way} ({count:,})" for way, count in list(self.changes.items())[:3])
        return f"{changed:,} ({percent(changed / self.rows)}) differ: {ways}" if changed else "all as before"


def done_since(root: Path, since: float) -> list[Claim]:
    """Return the files that were done from a time on, in seconds since 1970, oldest first."""
    times = {}
    for folders in inbox.inboxes(root):
        for path in folders.done.iterdir() if folders.done.is_dir() else ():
            if path.is_file() and not path.is_symlink():
                times[Claim(folders, path.name)] = path.stat().st_ctime  # when it was moved there
    return sorted((claim for claim, moment in times.items() if moment >= since), key=lambda claim: times[claim])


def result_of(claim: Claim, package: Artifact) -> Path:
    """Return where a package's answers to a file belong."""
    return claim.result.with_name(f"{claim.result.name[: -len('.csv')]}.{package.id}.csv")


def compared(claim: Claim, package: Artifact) -> Again:
    """Compare the answers to a file with those before, row by row. Raises: StoreError if they cannot be read."""
    changes: Counter[str] = Counter()
    rows, has_old = 0, claim.result.exists()
    try:
        for old, new in zip_longest(_labels(claim.result) if has_old else (), _labels(result_of(claim, package))):
            rows += new is not None
            if old != new:
                changes[f"{old or 'none'} → {new or 'none'}"] += 1
    except OSError as error:
        raise StoreError("answers cannot be read", file=str(error.filename), received=error.strerror) from error
    return Again(claim, rows, dict(changes.most_common()) if has_old else None)


def markdown(answered: Sequence[Again], package: Artifact) -> str:
    """Return a page, a line a file."""
    rows = sum(again.rows for again in answered)
    changed = sum(sum((again.changes or {}).values()) for again in answered)
    lines = [
        f"{counted(len(answered), 'file')} with {counted(rows, 'row')} again by `{package.name}`: {changed:,} differ",
        "",
        "| file | rows | what has changed |",
        "|---|--:|---|",
    ]
    for again in answered:
        name = in_markdown(again.claim.printable_name)
        lines.append(f"| {name} | {again.rows:,} | {in_markdown(again.says)} |")
    return "\n".join(lines)


def _labels(path: Path) -> Iterator[str]:
    """Yield the answers of a submission."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows, None)
        yield from (row[1] for row in rows)
