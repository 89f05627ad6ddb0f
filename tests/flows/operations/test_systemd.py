"""The units in docs/systemd, by systemd's own eyes."""

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
def test_systemd_finds_nothing_to_say_about_the_units(tmp_path: Path) -> None:
    here = str(Path(sys.executable).parent)
    for unit in UNITS.glob("*.service"):
        (tmp_path / unit.name).write_text(unit.read_text().replace("/srv/digitflow/.venv/bin", here))
    command = ["systemd-analyze", "verify", *map(str, sorted(tmp_path.glob("*.service")))]
    verified = subprocess.run(command, capture_output=True, text=True)
    assert (verified.returncode, verified.stderr) == (0, "")


def test_the_units_tell_the_server_what_digits_up_tells_it() -> None:
    lines = (UNITS / "digitflow.env").read_text().splitlines()
    written = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    told = server.Operations(settings.Settings(Path("/srv/digitflow"))).told()
    assert {name: written.get(name) for name in told} == told
    assert written["PREFECT_HOME"] == "/srv/digitflow/.prefect"
