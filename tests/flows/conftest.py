"""One Prefect server for all tests of flows, with a database of its own, and a home to score in."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from tasks.promote import promote
from tests import making
from tests.command import environment
from tests.conftest import Chain, made_once


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of Prefect's; to make one takes each server ten seconds."""

    def make(folder: Path) -> None:
        folder.mkdir()
        command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"]
        variables = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{folder / 'prefect-test.db'}"}
        subprocess.run(command, env=environment(folder) | variables, check=True, capture_output=True)

    return made_once(tmp_path_factory, "database", make) / "prefect-test.db"


@pytest.fixture(scope="session")
def prefect_server(database: Path) -> Iterator[str]:
    """The API address of a real server, with a temporary database."""
    from prefect.settings import PREFECT_API_URL
    from prefect.testing import utilities

    folder = Path(tempfile.mkdtemp())
    shutil.copy(database, folder)
    # Where the harness would make a database; it removes the folder itself.
    with (
        patch.object(utilities, "mkdtemp", return_value=str(folder)),
        utilities.prefect_test_harness(server_startup_timeout=120),
    ):
        yield str(PREFECT_API_URL.value())


@pytest.fixture
def home(chain: Chain, tmp_path: Path) -> Path:
    """A home with a champion, and test.csv."""
    promote(chain.store, chain.package, chain.prepared)
    for name in (chain.package.name, chain.prepared.name):
        shutil.copytree(chain.store.root / name, tmp_path / "artifacts" / name)
    shutil.copyfile(chain.store.root / "champion.json", tmp_path / "artifacts" / "champion.json")
    making.write_csv(tmp_path / "test.csv", making.unlabelled(making.digits(700)))
    return tmp_path
