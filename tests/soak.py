"""Kill runs at random times, again and again, and look at what is left: `python -m tests.soak [KILLS] [SEED]`.

Two flows take turns, `train` on a small file and `score --flow` of its champion in small shards, each started again
until it finishes. After every kill all that is published must be whole, and the champion readable; what finishes must
be what an undisturbed run makes. The last line counts kills, finished runs and losses; any loss is an error.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tasks import registry
from tasks.store import Store, find_damage
from tests import making
from tests.command import PROGRAM, environment

FINISH = 300  # seconds, after which an undisturbed run has hung


@dataclass
class Counts:
    """losses: what was found to be wrong, a line each."""

    kills: int = 0
    finished: int = 0
    losses: list[str] = field(default_factory=list)


class Soak:
    """A home with data in it, in which runs are killed."""

    def __init__(self, home: Path, seed: int) -> None:
        self.home, self.random, self.counts = home, random.Random(seed), Counts()
        self.store = Store(home / "artifacts")
        self.seconds = {"train": 20.0, "score": 12.0}  # of a whole run; measured anew by each that finishes
        making.write_kaggle_zip(home / "d.zip", making.digits(400), making.digits(30, start=400))
        making.write_csv(home / "many.csv", making.unlabelled(making.digits(3_000)))

    def until(self, kills: int) -> None:
        number = 0
        while self.counts.kills < kills:
            number += 1
            changes = ["--recipe", "mlp-relu", "--set", "epochs=3", "--set", f"seed={number}"]
            self.disturbed("train", ["run", "--data", "d.zip", *changes], kills)
            call = ["score", "many.csv", "--shard-rows", "100", "--review-below", f"0.{number + 10}"]
            self.disturbed("score", [*call, "--flow", "--workers", "2", "--output", "disturbed.csv", "--force"], kills)
            self.compare(call)

    def disturbed(self, name: str, call: list[str], kills: int) -> None:
        """Start a run until it finishes, and kill it on the way a few times, if it lives that long."""
        for _ in range(self.random.randint(2, 5)):
            if self.counts.kills >= kills:
                break
            if self.run(call, self.random.uniform(0.2, self.seconds[name])) == 0:
                break
            self.look()
        started = time.monotonic()
        code = self.run(call, FINISH)
        if code:
            self.counts.losses.append(f"{name}: exit code {code} where nobody disturbed it")
        else:
            self.counts.finished += 1
            self.seconds[name] = max(3.0, min(self.seconds[name], 3 * (time.monotonic() - started)))
        self.look()

    def run(self, call: list[str], seconds: float) -> int:
        """The exit code of a run, which is killed after so many seconds."""
        with (self.home / "log.txt").open("ab") as log:
            command = [sys.executable, "-c", PROGRAM, *call]
            process = subprocess.Popen(command, cwd=self.home, env=environment(self.home), stdout=log, stderr=log)
            try:
                return process.wait(seconds)
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                self.counts.kills += 1
                return process.wait()

    def look(self) -> None:
        """Count what is damaged or gone: of what was published, of the champion and of its log."""
        self.counts.losses += [*find_damage(self.store), *registry.damage(self.store)]

    def compare(self, call: list[str]) -> None:
        """What a disturbed run wrote against what an undisturbed one writes, without Prefect and in one process."""
        for one in self.store.all():
            if one.kind == "scores":
                shutil.rmtree(one.path)
        self.run([*call, "--output", "undisturbed.csv", "--force"], FINISH)
        same = (self.home / "disturbed.csv").read_bytes() == (self.home / "undisturbed.csv").read_bytes()
        if not same:
            self.counts.losses.append(f"other bytes: {' '.join(call)}")


def main() -> None:
    kills, seed = (int(given) for given in (sys.argv[1:] + ["50", "0"][len(sys.argv) - 1 :])[:2])
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), seed)
        soak.until(kills)
        found = soak.counts
        print(f"{found.kills} kills, {found.finished} runs finished, {len(found.losses)} losses", flush=True)
        if found.losses:
            print("\n".join(found.losses))
            print((soak.home / "log.txt").read_text()[-5_000:])
            raise SystemExit(1)


if __name__ == "__main__":
    main()
