"""Run the benchmarks and print a table: CPU seconds (user and system, of all processes), wall seconds, peak RSS.

`python -m tests.benchmarks` measures the embedded digits; with a path to Kaggle's zip, that too, and the plain script.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tasks.store import Store

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Run:
    """A whole process, its children included. cpu, wall: seconds. rss: MB, of the largest process. out: its stdout."""

    cpu: float
    wall: float
    rss: float
    out: str


def run(*command: str, home: Path) -> Run:
    """Run a Python command in a home of its own; its stderr is shown where it fails."""
    environment = os.environ | {"DIGITS_HOME": str(home), "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started = time.perf_counter()
        process = subprocess.Popen([sys.executable, *command], stdout=out, stderr=err, env=environment, cwd=home)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        out.seek(0), err.seek(0)
        if status:
            raise SystemExit(f"{' '.join(command)} failed:\n{err.read()}")
        return Run(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, out.read())


def digits(*arguments: str, home: Path) -> Run:
    return run("-c", "from flows.cli import main; main()", *arguments, home=home)


def show(name: str, cpu: float, wall: float, rss: float | None = None, note: str = "") -> None:
    memory = f"{rss:8,.0f} MB" if rss else " " * 11
    print(f"{name:<44} {cpu:8.1f} s CPU {wall:8.1f} s wall {memory}  {note}", flush=True)


def pipeline(name: str, home: Path, *arguments: str) -> float:
    """A first run and the same again; returns the CPU seconds of the fit."""
    first = digits("run", *arguments, home=home)
    artifacts = {artifact.kind: artifact for artifact in Store(home / "artifacts").all()}
    fit, found = artifacts["model"].metrics["fit_cpu_seconds"], artifacts["evaluation"].metrics
    accuracy = f"{found['accuracy']:.2%} of {found['images']:,} validation digits"
    show(name, first.cpu, first.wall, first.rss, accuracy)
    show("  of which the fit", fit, artifacts["model"].manifest().seconds["wall"])
    show("  of which all else", first.cpu - fit, first.wall - artifacts["model"].manifest().seconds["wall"])
    again = digits("run", *arguments, home=home)
    show("  the same again", again.cpu, again.wall, again.rss, f"{len(Store(home / 'artifacts').all())} artifacts")
    return float(fit)


def ingestion(archive: str, home: Path) -> None:
    """train.csv to Parquet: pandas against the reader of the stage `ingest`."""
    plain = json.loads(run("-m", "tests.benchmarks.reference", "ingest", archive, str(home), home=home).out)
    program = (
        "import json, sys, time, pathlib\n"
        "import flows\n"
        "from tasks import settings, sources\n"
        "from tasks.ingest import read_part\n"
        "part = sources.recognise(sys.argv[1], settings.load()).parts['train']\n"
        "wall, cpu = time.perf_counter(), time.process_time()\n"
        "read_part(part, pathlib.Path('ours.parquet'), [])\n"
        "print(json.dumps({'wall': time.perf_counter() - wall, 'cpu': time.process_time() - cpu}))\n"
    )
    ours = json.loads(run("-c", program, archive, home=home).out)
    show("train.csv to Parquet, pandas", plain["cpu"], plain["wall"])
    ratio = f"{plain['cpu'] / ours['cpu']:.1f} times faster in CPU, {plain['wall'] / ours['wall']:.1f} in wall"
    show("train.csv to Parquet, digits", ours["cpu"], ours["wall"], note=ratio)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        pipeline("digits run (embedded digits)", _made(home / "sample"))
        if len(sys.argv) > 1:
            archive = str(Path(sys.argv[1]).absolute())
            ingestion(archive, home)
            plain = run("-m", "tests.benchmarks.reference", "fit", archive, home=home)
            found = json.loads(plain.out.splitlines()[-1])
            note = f"{found['accuracy']:.2%}; of which the fit {found['fit_cpu']:.1f} s CPU"
            show("plain script: pandas and Keras, on the zip", plain.cpu, plain.wall, plain.rss, note)
            fit = pipeline("digits run --data (the zip)", _made(home / "kaggle"), "--data", archive)
            print(f"fit against the plain script's: {fit / found['fit_cpu']:.2f} times its CPU seconds")


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


if __name__ == "__main__":
    main()
