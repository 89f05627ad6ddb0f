"""A run that is killed at its worst moment, and started again, finishes and does no finished stage twice."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tasks import registry
from tasks.store import Artifact, Store, damage
from tests import making
from tests.command import environment
from tests.flows.operating import PATIENCE, eventually

# SIGKILL comes when a stage's work is done and not yet published, or the champion is written and not yet in the log.
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


def run(home: Path, victim: str, server: str) -> subprocess.CompletedProcess[str]:
    """Run `digits run`, and kill it at `victim`."""
    command = [sys.executable, "-c", PROGRAM, victim, "run", "--data", "d.zip"]
    changes = ["--recipe", "mlp-relu", "--set", "epochs=1"]  # the cheapest to start
    variables = environment(home, server)
    return subprocess.run(
        [*command, *changes], cwd=home, env=variables, timeout=PATIENCE, capture_output=True, text=True
    )


def test_a_run_killed_after_its_fit_and_amid_the_promotion_goes_on_where_it_was(
    tmp_path: Path, prefect_server: str
) -> None:
    """`python -m tests.soak` kills at any place."""
    making.write_kaggle_zip(tmp_path / "d.zip", making.digits(400), making.digits(30, start=400))
    store = Store(tmp_path / "artifacts")
    expected = ["dataset", "validation", "prepared", "model", "evaluation", "package", "report", "scores"]
    before: list[Artifact] = []
    for victim, status in [("model", -signal.SIGKILL), ("promotion", -signal.SIGKILL), ("", 0)]:
        outcome = run(tmp_path, victim, prefect_server)
        assert outcome.returncode == status, outcome.stderr
        reused = [line.split()[1].rstrip(":") for line in outcome.stderr.splitlines() if "nothing to do" in line]
        assert reused == [artifact.name for artifact in before]
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
    time.sleep(3600)

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
    variables = environment(tmp_path, prefect_server)
    variables["PYTHONPATH"] += f"{os.pathsep}{tmp_path}"
    program = f"import sleepers; sleepers.nap({str(asleep)!r})"
    run = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, env=variables, stderr=subprocess.DEVNULL)
    try:
        assert eventually(lambda: len(list(asleep.iterdir())) == 2)
        run.terminate()
        run.wait(timeout=PATIENCE)
        workers = [int(path.name) for path in asleep.iterdir()]
        assert eventually(lambda: not any(map(psutil.pid_exists, workers)))
    finally:
        run.kill()
