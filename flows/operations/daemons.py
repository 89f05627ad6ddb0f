"""Processes that go on when the command that started them has ended, and end when another command says so."""

import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tasks.errors import StoreError
from tasks.store.files import written_whole

GRACE = 20.0  # seconds that a process has to end by itself


@dataclass(frozen=True)
class Daemon:
    """A process apart from the terminal, whose record and log lie in a folder as `<name>.json` and `<name>.log`."""

    folder: Path
    name: str

    @property
    def record(self) -> Path:
        return self.folder / f"{self.name}.json"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def start(self, command: Sequence[str], **options: str) -> int:
        """Start it apart from this terminal; return its pid. options: what `saved_options` gives again.

        Raises: StoreError.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self.log.open("ab") as log:
                process = subprocess.Popen(
                    list(command),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            try:
                record = {"pid": process.pid, "started": _started(psutil.Process(process.pid)), "options": options}
                with written_whole(self.record) as file:
                    file.write(json.dumps(record).encode())
            except BaseException:  # nobody would find it again
                process.kill()
                raise
        except OSError as error:
            raise StoreError(
                f"the {self.name} cannot be started",
                file=str(error.filename or self.folder),
                received=error.strerror,
                remedy="mend the permissions, or set DIGITS_HOME to another folder",
            ) from error
        return process.pid

    def runs(self) -> bool:
        return bool(self.family())

    def saved_options(self) -> dict[str, str]:
        """Return the options that it was started with; none if it does not run."""
        with contextlib.suppress(FileNotFoundError):  # somebody has ended it in between
            return json.loads(self.record.read_text(encoding="utf-8"))["options"] if self.runs() else {}
        return {}

    def last_words(self) -> str:
        """Return the last line of its log."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        lines = text.strip().splitlines()
        return lines[-1].strip() if lines else "nothing"

    def end(self, with_children: bool = True) -> bool:
        """End it and, unless they are to go on, all that it has started; return whether it ran. Raises: StoreError."""
        family = self.family() if with_children else self.family()[:1]
        try:
            _signal(family, signal.SIGTERM)
            deadline = time.monotonic() + GRACE
            while alive(family) and time.monotonic() < deadline:
                time.sleep(0.1)
            _signal(family, signal.SIGKILL)
            self.record.unlink(missing_ok=True)
        except (OSError, psutil.AccessDenied) as error:
            what, remedy = f"the {self.name} cannot be ended", "end it as the user who has started it"
            raise StoreError(what, file=str(self.record), received=str(error), remedy=remedy) from error
        return bool(family)

    def family(self) -> list[psutil.Process]:
        """Return its process and all that this has started; none if it does not run."""
        try:
            record = json.loads(self.record.read_text(encoding="utf-8"))
            process = psutil.Process(record["pid"])
            # A pid is used again in time: then it is another process, which is none of our business.
            if _started(process) != record["started"]:
                return []
            return alive([process, *process.children(recursive=True)])
        except (OSError, ValueError, KeyError, psutil.NoSuchProcess):
            return []


def alive(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Return those that still run. A zombie does not; nobody may ever ask for its exit code."""
    running = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                running.append(process)
    return running


def _started(process: psutil.Process) -> float:
    """Return a time that stays the same for as long as the process runs, whatever is done to the machine's clock."""
    # Linux counts from its boot, and moves the time of that when its clock is set.
    epoch = psutil.boot_time() if psutil.LINUX else 0.0
    return round(process.create_time() - epoch, 2)


def _signal(processes: Sequence[psutil.Process], number: int) -> None:
    for process in alive(processes):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
