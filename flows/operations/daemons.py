"""Processes that go on when the command that started them has ended, and end when another command says so."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tasks.errors import StoreError

GRACE = 20.0  # seconds to end by itself


@dataclass(frozen=True)
class Process:
    """started: in the system's words; with the pid, which is used again in time, it says which process is meant."""

    pid: int
    parent: int
    started: str


@dataclass(frozen=True)
class Daemon:
    """A process whose pid and log lie in a folder, as `<name>.json` and `<name>.log`."""

    folder: Path
    name: str

    @property
    def record(self) -> Path:
        return self.folder / f"{self.name}.json"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def said(self) -> dict[str, str]:
        """What `start` was told to keep; nothing if it does not run."""
        return json.loads(self.record.read_text(encoding="utf-8"))["kept"] if self.family() else {}

    def runs(self) -> bool:
        return bool(self.family())

    def start(self, command: Sequence[str], environment: Mapping[str, str], **keep: str) -> int:
        """Start it apart from this terminal; its pid. keep: what `said` tells. Raises: StoreError."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self.log.open("ab") as log:
                process = subprocess.Popen(
                    list(command),
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            started = _table()[process.pid]
            self.record.write_text(json.dumps(asdict(started) | {"kept": keep}))
        except OSError as error:
            raise StoreError(
                f"the {self.name} cannot be started",
                file=str(error.filename or self.folder),
                received=error.strerror,
                remedy="mend the permissions, or set DIGITS_HOME to another folder",
            ) from error
        return process.pid

    def last_words(self) -> str:
        """The last line of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n") if self.log.exists() else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "nothing")

    def end(self) -> bool:
        """End it and whatever it has started; whether it ran. Nothing happens to another process with its pid."""
        family = self.family()
        _signal(family, signal.SIGTERM)
        _wait(family)
        _signal(family, signal.SIGKILL)
        self.record.unlink(missing_ok=True)
        return bool(family)

    def family(self) -> list[Process]:
        """It, and whatever it has started; none if it does not run."""
        try:
            process = _process(json.loads(self.record.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError):
            return []
        return [process, *_descendants(process)] if process else []


def _process(record: Mapping[str, object]) -> Process | None:
    """The process that a record speaks of, if it still runs."""
    found = _table().get(int(str(record["pid"])))
    return found if found and found.started == record["started"] else None


def _descendants(process: Process) -> list[Process]:
    table, found = _table(), [process]
    for one in found:
        found += [child for child in table.values() if child.parent == one.pid]
    return found[1:]


def _wait(family: Sequence[Process]) -> None:
    until = time.monotonic() + GRACE
    while alive(family) and time.monotonic() < until:
        time.sleep(0.1)


def alive(family: Sequence[Process]) -> list[Process]:
    """Those that still run."""
    table = _table()
    return [one for one in family if one.pid in table and table[one.pid].started == one.started]


def _signal(family: Sequence[Process], number: int) -> None:
    for one in alive(family):
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.pid, number)


def _table() -> dict[int, Process]:
    """Every process but the zombies, by its pid."""
    if Path("/proc/self/stat").exists():
        found = map(_read, Path("/proc").glob("[0-9]*/stat"))
    else:
        listing = ["ps", "-A", "-o", "pid=,ppid=,state=,lstart="]
        lines = subprocess.run(listing, capture_output=True, text=True, check=True).stdout.splitlines()
        found = map(_parsed, lines)
    return {process.pid: process for process in found if process}


def _read(stat: Path) -> Process | None:
    """Of Linux's /proc: pid (name) state parent … start, the 22nd, in ticks since the machine's."""
    try:
        text = stat.read_text(encoding="utf-8", errors="replace")
    except OSError:  # it is gone
        return None
    cells = text.rpartition(")")[2].split()
    return None if cells[0] in "ZX" else Process(int(stat.parent.name), int(cells[1]), cells[19])


def _parsed(line: str) -> Process | None:
    pid, parent, state, started = line.split(maxsplit=3)
    return None if state.startswith("Z") else Process(int(pid), int(parent), started)
