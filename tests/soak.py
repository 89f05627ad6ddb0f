"""Stop runs at random moments, again and again, and look at what is left: `python -m tests.soak [STOPS] [SEED]`.

Three flows take turns: `train` on a small file, `score` of its champion in small shards, with Prefect and without, and
the inbox. A run is stopped by SIGKILL, SIGTERM or SIGINT and started again until it finishes. After every stop all that
is published must be whole, the champion and the log of decisions readable, and every file of the inbox in one place.
What finishes must be what an undisturbed run makes, and leave nothing behind. A line after each round counts stops,
finished runs and losses; any loss is an error.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from tasks import registry
from tasks.models.packaged import form_here, models_of
from tasks.models.scorer import Engine
from tasks.store import Store, find_damage
from tests import making
from tests.command import PROGRAM, environment

FINISH = 900  # seconds, after which an undisturbed run, or one that was told to end, has hung
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
# A shell starts what is in the background with Ctrl-C ignored; this is what a terminal would do.
INTERRUPTIBLE = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
INBOX = "from flows.inbox import score_inbox; score_inbox(quiet=0)"
SUSPECTED = "runs have ended at this file without a word"


@dataclass
class Counts:
    """stops: by the signal's name. losses: what was found to be wrong, a line each."""

    stops: Counter[str] = field(default_factory=Counter)
    finished: int = 0
    losses: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        signals = ", ".join(f"{count} by {name}" for name, count in sorted(self.stops.items()))
        return f"{self.stops.total()} stops ({signals}), {self.finished} runs finished, {len(self.losses)} losses"


class Soak:
    """A home with data in it, in which runs are stopped. server: address of Prefect's."""

    def __init__(self, home: Path, seed: int, server: str) -> None:
        self.home, self.random, self.counts, self.server = home, random.Random(seed), Counts(), server
        self.store = Store(home / "artifacts")
        self.brought: list[str] = []  # names of the files that were put into the inbox
        # Of a whole run; measured anew by each that finishes.
        self.seconds = {"train": 20.0, "score": 12.0, "inbox": 12.0}
        self.digits = making.digits(3_000)
        making.write_kaggle_zip(home / "d.zip", making.digits(400), making.digits(30, start=400))
        making.write_csv(home / "many.csv", making.unlabelled(self.digits))
        (home / "data" / "inbox").mkdir(parents=True)

    def until(self, stops: int) -> None:
        number = 0
        while self.counts.stops.total() < stops:
            number += 1
            changes = ["--recipe", "mlp-relu", "--set", "epochs=3", "--set", f"seed={number}"]
            self.disturbed("train", ["run", "--data", "d.zip", *changes], stops)
            self.check_log()
            call = ["score", "many.csv", "--shard-rows", "100", "--review-below", f"0.{number + 100}"]
            flow = ["--flow"] if number % 2 else []
            self.disturbed("score", [*call, *flow, "--workers", "2", "--output", "disturbed.csv", "--force"], stops)
            self.compare(call)
            self.fill(number)
            self.disturbed("inbox", [], stops)
            self.check_inbox(number)
            print(self.counts, flush=True)

    def disturbed(self, name: str, call: list[str], stops: int) -> None:
        """Start a run until it finishes, and stop it on the way a few times, if it lives that long."""
        for _ in range(self.random.randint(2, 5)):
            if self.counts.stops.total() >= stops:
                break
            if self.run(call, self.random.uniform(0.2, self.seconds[name])) == 0:
                break
            self.look()
        started, written = time.monotonic(), self.log.stat().st_size if self.log.exists() else 0
        code = self.run(call, FINISH)
        words = self.log.read_bytes()[written:].decode(errors="replace")
        if code or "Traceback" in words:
            self.lose(f"{name}: exit code {code} where nobody disturbed it: {words[-2_000:]}")
        else:
            self.counts.finished += 1
            self.seconds[name] = max(3.0, min(self.seconds[name], 1.5 * (time.monotonic() - started)))
        self.look()
        left = [path for folder in (".drafts", ".scratch") for path in (self.store.root / folder).glob("*")]
        self.lose(*(f"{name}: left behind: {path.name}" for path in left))

    @property
    def log(self) -> Path:
        return self.home / "log.txt"

    def lose(self, *losses: str) -> None:
        self.counts.losses += losses
        for loss in losses:
            print(loss, flush=True)

    def run(self, call: list[str], seconds: float) -> int:
        """Return the exit code of a run, which is stopped after so many seconds. No call: of the inbox."""
        program = INTERRUPTIBLE + (PROGRAM if call else INBOX)
        with self.log.open("ab") as log:
            command = [sys.executable, "-c", program, *call]
            variables = environment(self.home, self.server)
            process = subprocess.Popen(command, cwd=self.home, env=variables, stdout=log, stderr=log)
            try:
                return process.wait(seconds)
            except subprocess.TimeoutExpired:
                number = signal.SIGKILL if seconds == FINISH else self.random.choice(SIGNALS)
            process.send_signal(number)
            self.counts.stops[number.name] += 1
            try:
                code = process.wait(FINISH)
            except subprocess.TimeoutExpired:
                self.lose(f"{call[:1]}: goes on after {number.name}")
                process.kill()
                code = process.wait()
            self.wait_for_children()
            return code

    def wait_for_children(self) -> None:
        """Count it as a loss if what a run has started outlives it; a stop takes a moment to reach them all."""
        for _ in range(300):
            alive = [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(self.home)]
            if not alive:
                return
            time.sleep(0.1)
        for process in alive:
            self.lose(f"outlives its run: {process}")
            process.kill()

    def look(self) -> None:
        """Count what is damaged or gone: of what was published, of the champion and of its log."""
        self.lose(*find_damage(self.store), *registry.damage(self.store))
        folders = ("inbox", "working/*", "done", "failed")
        paths = [path for folder in folders for path in (self.home / "data").glob(f"{folder}/[!.]*")]
        lying = sorted(path.name for path in paths if path.is_file() and not path.name.endswith(".reason.txt"))
        if lying != sorted(self.brought):
            self.lose(f"in the inbox's folders are {lying}, and not {sorted(self.brought)}")

    def check_log(self) -> None:
        """Count a decision that is not in the log, or is there twice, and a champion that the log has not."""
        decisions = registry.history(self.store)
        newest = [artifact.name for artifact in self.store.all() if artifact.kind == "package"][-1]
        if sum(decision.package == newest for decision in decisions) != 1:
            self.lose(f"{newest} is in the log {[decision.package for decision in decisions].count(newest)} times")
        promoted = [decision for decision in decisions if decision.promoted]
        if registry.champion(self.store) != promoted[-1]:
            self.lose("the champion is not the last that was promoted")

    def compare(self, call: list[str]) -> None:
        """Compare what a disturbed run wrote with what one writes without Prefect, in one process."""
        for artifact in self.store.all():
            if artifact.kind == "scores":
                shutil.rmtree(artifact.path)
        self.run([*call, "--output", "undisturbed.csv", "--force"], FINISH)
        same = (self.home / "disturbed.csv").read_bytes() == (self.home / "undisturbed.csv").read_bytes()
        if not same:
            self.lose(f"other bytes: {' '.join(call)}")

    def fill(self, number: int) -> None:
        """Put files into the inbox, each of a few rows that no other has."""
        folder, bad = self.home / "data" / "inbox", f"{number}-bad.csv"
        for index in range(4):
            rows = self.digits[100 * index : 100 * index + 80 + number]
            self.brought.append(making.write_csv(folder / f"{number}-{index}.csv", making.unlabelled(rows)).name)
        (folder / bad).write_text("this is\nno digit\n")
        self.brought.append(bad)

    def check_inbox(self, number: int) -> None:
        """Count files that are not where they belong, and answers that are not the champion's."""
        data, package = self.home / "data", registry.champion_package(self.store)
        assert package is not None
        left = [path for folder in ("inbox", "working") for path in (data / folder).glob("[!.]*")]
        self.lose(*(f"left in the inbox: {path.name}" for path in left))
        engine = Engine(models_of(package, form_here()))
        for index in range(4):
            name = f"{number}-{index}.csv"
            reason = data / "failed" / f"{name}.reason.txt"
            if reason.exists() and SUSPECTED in reason.read_text():  # it was stopped there too often
                continue
            rows = self.digits[100 * index : 100 * index + 80 + number]
            answers = np.loadtxt(data / "outbox" / name, int, delimiter=",", skiprows=1)[:, 1]
            if not np.array_equal(answers, engine.answer(rows.images)[0].argmax(axis=1)):
                self.lose(f"other answers: {name}")
            if not (data / "done" / name).exists() or (data / "failed" / name).exists():
                self.lose(f"not where it belongs: {name}")
        if not (data / "failed" / f"{number}-bad.csv").exists():
            self.lose(f"not refused: {number}-bad.csv")


def main() -> None:
    stops, seed = (int(argument) for argument in (sys.argv[1:] + ["50", "0"][len(sys.argv) - 1 :])[:2])
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        os.environ["DIGITS_HOME"] = folder  # of the server
        os.environ["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = str(FINISH)
        from tasks.settings import load

        load()
        from prefect.settings import PREFECT_API_URL

        from flows.operations.embedded_server import running_server

        with running_server():
            soak = Soak(home, seed, str(PREFECT_API_URL.value()))
            soak.until(stops)
        if soak.counts.losses:
            print(soak.log.read_text()[-5_000:])
            raise SystemExit(1)


if __name__ == "__main__":
    main()
