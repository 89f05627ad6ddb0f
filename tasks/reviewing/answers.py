"""What people answered: a log that only grows, a line an answer, and what follows from it.

Several processes may write to the log and read it at the same time. A line that cannot be read, as after a crash in its
middle, is passed over. Nothing is ever changed in it: an answer that is taken back is a further line.
"""

import contextlib
import getpass
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from tasks.errors import StoreError, UsageError
from tasks.store import Artifact
from tasks.store.files import append
from tasks.store.typed import as_json, parsed

Answer = Literal["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "none", "skip"]
NO_DIGIT: Final = "none"
SKIPPED: Final = "skip"
TAKEN_BACK: Final = "back"
DIGITS = tuple("0123456789")
LONGEST = 40  # characters of a reviewer's name

# What is handed out, by the image's row: to whom, and until which time of day, in seconds since 1970.
Leases = dict[int, tuple[str, float]]


@dataclass(frozen=True)
class Entry:
    """A line of the log.

    row: in the scores, from 0. id: the same as people know it. answer: a digit; `none` for what is no digit; `skip`;
    `back`, which takes the reviewer's answer to this row back. time: ISO 8601, with its zone, the same for answers that
    were given together.
    """

    row: int
    id: str
    answer: Answer | Literal["back"]
    reviewer: str
    time: str


@dataclass(frozen=True)
class Agreement:
    """How often two people who have read the same agree: of so many images, so many; kappa is Cohen's (1960).

    kappa: chance alone gives 0, full agreement 1; None where all have the same answer, which tells nothing.
    """

    images: int
    agreed: int
    kappa: float | None


class Log:
    """The answers to the rows of scores, in the file `reviews/<id of the scores>.jsonl`.

    readings: by row the answer of each reviewer that holds, `skip` among them, in the order in which they came.
    rows: of every line that was read, in their order. unreadable: lines that are no answers, as a crash or another
    version leaves them.
    """

    def __init__(self, folder: Path, scores: Artifact) -> None:
        """folder: for the answers to all scores. Nothing is made before the first answer. Raises: StoreError."""
        self.path = folder / f"{scores.id}.jsonl"
        self._begin()
        self.refresh()

    def refresh(self) -> None:
        """Read what has been added since the last time. Raises: StoreError."""
        if self.path.exists():
            with locked(self.path):
                self._read()

    def add(self, answers: Mapping[int, tuple[str, Answer | Literal["back"]]], reviewer: str) -> None:
        """Write answers, given together, by row with its id, and return when they are on the disk: all, or none.

        Raises: StoreError if they cannot be written.
        """
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        entries = [Entry(row, name, answer, reviewer, now) for row, (name, answer) in answers.items()]
        with locked(self.path):
            append(self.path, map(as_json, entries))
            self._read()

    @contextlib.contextmanager
    def leases(self) -> Iterator[Leases]:
        """Yield what is handed out to whom, to be changed, while no other process does; what is answered is left out.

        Raises: StoreError if it cannot be read or written.
        """
        path = self.path.with_name(f".{self.path.stem}.leases")
        with locked(self.path):
            leases: Leases = {}
            with contextlib.suppress(FileNotFoundError, ValueError, TypeError):  # torn: then two may be handed the same
                entries = json.loads(path.read_bytes())
                leases = {
                    row: (name, until)
                    for row, name, until in entries
                    if until > time.time() and name not in self.readings.get(row, {})
                }
            yield leases
            path.write_text(json.dumps([(row, *lease) for row, lease in leases.items()]), encoding="utf-8")

    def last_of(self, reviewer: str) -> list[Entry]:
        """Return the answers that a reviewer gave last, and has not taken back: several where they came together."""
        own = [by_name[reviewer] for by_name in self.readings.values() if reviewer in by_name]
        last = max((entry.time for entry in own), default=None)
        return [entry for entry in own if entry.time == last]

    def _begin(self) -> None:
        self.readings: dict[int, dict[str, Entry]] = {}
        self.rows: list[int] = []
        self.unreadable = 0
        self._end = 0

    def _read(self) -> None:
        size = self.path.stat().st_size
        if size < self._end:  # another file of this name
            self._begin()
        with self.path.open("rb") as file:
            file.seek(self._end)
            # What follows the last end of a line is torn, and no answer.
            lines, ended, _ = file.read().rpartition(b"\n")
        self._end += len(lines) + len(ended)
        for line in lines.splitlines():
            try:
                self._take(parsed(Entry, line, "the answer cannot be read", file=self.path, remedy=""))
            except StoreError:
                self.unreadable += 1

    def _take(self, entry: Entry) -> None:
        self.rows.append(entry.row)
        by_name = self.readings.setdefault(entry.row, {})
        by_name.pop(entry.reviewer, None)  # a second answer of the same person comes last
        if entry.answer != TAKEN_BACK:
            by_name[entry.reviewer] = entry
        elif not by_name:
            del self.readings[entry.row]


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a log; its folder is made if need be. Raises: StoreError for what goes wrong meanwhile."""
    from filelock import FileLock

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.stem}.lock")):
            yield
    except OSError as error:
        raise StoreError(
            "the answers cannot be kept",
            file=str(path),
            received=error.strerror or str(error),
            remedy="free space, or mend the permissions, and answer again: what was saved before stays",
        ) from error


def reviewer_name(name: str | None) -> str:
    """Return the name of whoever reviews; that of the system's user where none is given. Raises: UsageError."""
    if name is None:
        try:
            return getpass.getuser()[:LONGEST]
        except (KeyError, OSError):  # a user without a name, as in containers
            return "somebody"
    if not name.strip() or len(name) > LONGEST or not name.isprintable():
        expected = f"1 to {LONGEST} printable characters"
        raise UsageError("this is no name of a reviewer", expected=expected, received=repr(name[:100]))
    return name.strip()


def readers(by_name: Mapping[str, Entry]) -> list[Entry]:
    """Return the answers to a row of those who did not skip it, in the order in which they came."""
    return [entry for entry in by_name.values() if entry.answer != SKIPPED]


def decided(by_name: Mapping[str, Entry]) -> Entry | None:
    """Return the answer that counts for a row: that of most readers; None where nobody has read it, or two differ.

    Where three or more differ the last of them decides.
    """
    read = readers(by_name)
    answers = [entry.answer for entry in read]
    if not read or (len(read) == 2 and answers[0] != answers[1]):
        return None
    most = max(map(answers.count, answers))
    return [entry for entry in read if answers.count(entry.answer) == most][-1]


def agreement(readings: Mapping[int, Mapping[str, Entry]]) -> Agreement | None:
    """Compare the first two answers of each row that two people have read; None where there is no such row."""
    twice = [pair[:2] for by_name in readings.values() if len(pair := readers(by_name)) > 1]
    if not twice:
        return None
    first, second = ([entry.answer for entry in column] for column in zip(*twice, strict=True))
    agreed = sum(a == b for a, b in zip(first, second, strict=True))
    return Agreement(len(twice), agreed, _kappa(first, second))


def _kappa(first: Sequence[str], second: Sequence[str]) -> float | None:
    """Return Cohen's kappa (Educational and Psychological Measurement 20, 1960)."""
    from sklearn.metrics import cohen_kappa_score

    if len({*first, *second}) < 2:
        return None
    return float(cohen_kappa_score(first, second))
