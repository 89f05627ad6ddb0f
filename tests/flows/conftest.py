"""One Prefect server for all tests of flows, with a database of its own, and a home to score in."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.promote import promote
from tests import making
from tests.conftest import Chain


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[str]:
    """The API address of a real server, with a temporary database."""
    from prefect.settings import PREFECT_API_URL
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
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
