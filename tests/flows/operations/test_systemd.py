"""The units in docs/systemd."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows.operations import server
from tasks import settings
from tests.command import ROOT

UNITS = ROOT / "docs" / "systemd"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")
def test_systemd_verifies_the_units_without_a_word(tmp_path: Path) -> None:
    programs = str(Path(sys.executable).parent)
    for unit in UNITS.glob("*.service"):
        (tmp_path / unit.name).write_text(unit.read_text().replace("/srv/digitflow/.venv/bin", programs))
    command = ["systemd-analyze", "verify", *map(str, sorted(tmp_path.glob("*.service")))]
    verified = subprocess.run(command, capture_output=True, text=True)
    assert (verified.returncode, verified.stderr) == (0, "")


def test_the_units_set_the_variables_that_digits_up_sets() -> None:
    lines = (UNITS / "digitflow.env").read_text().splitlines()
    written = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    overrides = server.Operations(settings.Settings(Path("/var/lib/digitflow"))).environment_overrides()
    assert {name: written.get(name) for name in overrides} == overrides
    assert written["PREFECT_HOME"] == "/var/lib/digitflow/.prefect"


def test_the_recipe_runs_digits_as_the_service_user() -> None:
    lines = (UNITS / "README.md").read_text().splitlines()
    calls = [line for line in lines if "bin/digits" in line or "make run" in line]
    assert calls
    assert all(call.startswith("sudo -u digitflow ") for call in calls)
