"""What a process costs, and whether a figure keeps to its limit."""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Run:
    """A whole process, its children included. cpu, wall: seconds. rss: MB, of the largest process. out: its stdout."""

    cpu: float
    wall: float
    rss: float
    out: str


# Between the benchmark and what it measures: a process begins with the peak memory of the one that starts it.
LAUNCHER = """
import json, os, sys
process = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(process, 0)
with open(sys.argv[1], "w") as file:
    json.dump([status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6], file)
"""


def run(*command: str, home: Path) -> Run:
    """Run a Python command in a home of its own; its stderr is shown where it fails."""
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"DIGITS_HOME": str(home), "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "2"}
    with (
        tempfile.NamedTemporaryFile("r") as usage,
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
    ):
        started = time.perf_counter()
        launcher = [sys.executable, "-S", "-c", LAUNCHER, usage.name, sys.executable, *command]
        subprocess.run(launcher, stdout=out, stderr=err, env=environment, cwd=home, check=True)
        wall = time.perf_counter() - started
        out.seek(0), err.seek(0)
        status, cpu, rss = json.load(usage)
        if status:
            raise SystemExit(f"{' '.join(command)} failed:\n{err.read()}")
        return Run(cpu, wall, rss, out.read())


def digits(*arguments: str, home: Path) -> Run:
    return run("-c", "from flows.cli import main; main()", *arguments, home=home)


def show(name: str, cpu: float, wall: float, rss: float | None = None, note: str = "") -> None:
    memory = f"{rss:8,.0f} MB" if rss else " " * 11
    print(f"{name:<44} {cpu:8.1f} s CPU {wall:8.1f} s wall {memory}  {note}", flush=True)


def limit(what: str, value: float, most: float | None = None, least: float | None = None) -> None:
    """Print whether a figure keeps to its limit; main ends with an error where one does not."""
    kept = (most is None or value <= most) and (least is None or value >= least)
    bound = f"at most {most:g}" if most is not None else f"at least {least:g}"
    print(f"  {'met   ' if kept else 'MISSED'} {what}: {value:.2f}, {bound}", flush=True)
    if not kept:
        missed.append(what)


missed: list[str] = []


def made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder
