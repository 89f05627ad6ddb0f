"""State stays below the home, and nothing is sent anywhere, unless the user says otherwise."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tasks import settings
from tasks.errors import StoreError

ROOT = Path(__file__).parent.parent.parent


def test_importing_a_flow_keeps_prefect_at_home_and_its_telemetry_off(tmp_path: Path) -> None:
    program = (
        "import flows.training; from prefect import settings;"
        "print(settings.PREFECT_HOME.value(), settings.PREFECT_SERVER_ANALYTICS_ENABLED.value())"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    (tmp_path / "user").mkdir()
    environment |= {"DIGITS_HOME": str(tmp_path / "new" / "home"), "HOME": str(tmp_path / "user")}
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=ROOT)
    assert run.stdout.split() == [str(tmp_path / "new" / "home" / ".prefect"), "False"]
    assert list((tmp_path / "user").iterdir()) == []


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "mine"))
    settings.keep_libraries_home(settings.Settings(home=tmp_path / "other"))
    assert os.environ["PREFECT_HOME"] == str(tmp_path / "mine")


def test_a_home_that_cannot_be_made_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.delenv("PREFECT_HOME", raising=False)
    home = settings.Settings(home=tmp_path / "file")
    with pytest.raises(StoreError, match=r"Prefect cannot keep its state here; received .*set DIGITS_HOME to"):
        settings.make_home(home)


def test_a_disk_without_room_for_prefects_state_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PREFECT_HOME", raising=False)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=4_999_999))
    with pytest.raises(StoreError) as error:
        settings.make_home(settings.Settings(home=tmp_path))
    assert str(error.value) == (
        f"{tmp_path}/.prefect: Prefect cannot keep its state here; received No space left on device; "
        "to go on, free space, mend the permissions, or set DIGITS_HOME to another folder"
    )


def test_mirrors_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGITS_MNIST_MIRRORS", "http://a/,http://b/")
    assert settings.load().mnist_mirrors == ("http://a/", "http://b/")
