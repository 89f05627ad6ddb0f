"""A run that is killed at its worst moment, and started again, finishes and does no finished stage twice."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tasks import registry
from tasks.store import Artifact, Store, damage
from tests import making

ROOT = Path(__file__).parent.parent.parent
# What SIGKILL meets: a stage whose work is done and not yet published, or the champion without its line in the log.
PROGRAM = """
import os, signal, sys
from tasks.registry import decisions
from tasks.store import Store

victim = sys.argv.pop(1)
publish = Store._publish

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if victim == "promotion":
    decisions._append = die
elif victim:
    Store._publish = lambda self, draft, manifest: (
        die() if manifest.kind == victim else publish(self, draft, manifest)
    )

from flows.cli.app import main
main()
"""


# Each at another place of its work; `python -m tests.soak` kills at any.
VICTIMS = ("model", "promotion")


def run(home: Path, victim: str, server: str) -> subprocess.CompletedProcess[str]:
    """`digits run`, killed at `victim`."""
    environment = os.environ | {"DIGITS_HOME": str(home), "PYTHONPATH": str(ROOT), "PREFECT_API_URL": server}
    command = [sys.executable, "-c", PROGRAM, victim, "run", "--data", "d.zip"]
    changes = ["--recipe", "mlp-relu", "--set", "epochs=1"]  # the cheapest to start
    return subprocess.run([*command, *changes], cwd=home, env=environment, timeout=120, capture_output=True, text=True)


def test_a_run_killed_at_any_stage_goes_on_where_it_was(tmp_path: Path, prefect_server: str) -> None:
    making.write_kaggle_zip(tmp_path / "d.zip", making.digits(400), making.digits(30, start=400))
    store = Store(tmp_path / "artifacts")
    expected = ["dataset", "validation", "prepared", "model", "evaluation", "package", "report", "scores"]
    before: list[Artifact] = []
    for victim, status in [*((victim, -signal.SIGKILL) for victim in VICTIMS), ("", 0)]:
        outcome = run(tmp_path, victim, prefect_server)
        assert outcome.returncode == status, outcome.stderr
        found = [line.split()[1].rstrip(":") for line in outcome.stderr.splitlines() if "found, nothing to do" in line]
        assert found == [artifact.name for artifact in before]
        before = store.all()
        assert [artifact.kind for artifact in before] == expected[: len(before)]
    assert [artifact.kind for artifact in store.all()] == expected
    assert [damage(artifact) for artifact in store.all()] == [[]] * len(expected)
    assert not list((store.root / ".drafts").iterdir())
    assert not list((store.root / ".scratch").iterdir())
    (decision,) = registry.history(store)
    assert registry.champion(store) == decision
    assert decision.package == before[5].name


SLEEPERS = """
import os, pathlib, time
from prefect import flow
from tasks.stage import run_all, stage

def sleep(folder):
    (pathlib.Path(folder) / str(os.getpid())).touch()
    time.sleep(300)

sleep_stage = stage(sleep)

@flow
def nap(folder):
    run_all(sleep_stage, [(folder,), (folder,)], workers=2)
"""


def test_a_run_that_is_told_to_end_ends_its_workers_in_the_middle_of_their_work(
    tmp_path: Path, prefect_server: str
) -> None:
    (tmp_path / "sleepers.py").write_text(SLEEPERS)
    asleep = tmp_path / "asleep"
    asleep.mkdir()
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{tmp_path}", "PREFECT_API_URL": prefect_server}
    program = f"import sleepers; sleepers.nap({str(asleep)!r})"
    run = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    try:
        assert _within(60, lambda: len(list(asleep.iterdir())) == 2)
        run.terminate()
        run.wait(timeout=30)
        workers = [Path(f"/proc/{path.name}") for path in asleep.iterdir()]
        assert _within(10, lambda: not any(path.exists() for path in workers))
    finally:
        run.kill()


def _within(seconds: float, happened: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not happened() and time.monotonic() < until:
        time.sleep(0.2)
    return happened()
