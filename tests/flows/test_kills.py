"""A run that is killed at its worst moment, and started again, finishes and does no finished stage twice."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tasks import registry
from tasks.store import Artifact, Store, damage
from tests import making

ROOT = Path(__file__).parent.parent.parent
# What SIGKILL meets: a stage whose work is done and not yet published, or the champion without its line in the log.
PROGRAM = """
import os, signal, sys
from tasks import registry, store

victim = sys.argv.pop(1)
publish, append = store.Store._publish, registry._append

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if victim == "promotion":
    registry._append = die
elif victim:
    store.Store._publish = lambda self, draft, manifest: (
        die() if manifest.kind == victim else publish(self, draft, manifest)
    )

from flows.cli import main
main()
"""


VICTIMS = ("validation", "model", "evaluation", "package", "promotion", "scores")


def run(home: Path, victim: str, server: str) -> subprocess.CompletedProcess[str]:
    """`digits run`, killed at `victim`."""
    environment = os.environ | {"DIGITS_HOME": str(home), "PYTHONPATH": str(ROOT), "PREFECT_API_URL": server}
    command = [sys.executable, "-c", PROGRAM, victim, "run", "--data", "d.zip"]
    changes = ["--recipe", "mlp-relu", "--set", "epochs=1"]  # the cheapest to start
    return subprocess.run([*command, *changes], cwd=home, env=environment, timeout=120, capture_output=True, text=True)


def test_a_run_killed_at_any_stage_goes_on_where_it_was(tmp_path: Path, prefect_server: str) -> None:
    making.write_kaggle_zip(tmp_path / "d.zip", making.digits(400), making.digits(30, start=400))
    store = Store(tmp_path / "artifacts")
    expected = ["dataset", "validation", "prepared", "model", "evaluation", "package", "scores"]
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
