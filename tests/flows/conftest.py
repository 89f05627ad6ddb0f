"""One Prefect server for all tests of flows, with a database of its own, and a home to score in."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from filelock import FileLock

from flows.operations.daemons import alive
from flows.operations.health import await_answer
from tasks.promote import promote
from tests import making
from tests.command import environment
from tests.conftest import Chain, made_once, shared_folder
from tests.flows.operating import eventually, free_port


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of Prefect's; to make one takes each server ten seconds."""

    def make(folder: Path) -> None:
        folder.mkdir()
        command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"]
        variables = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{folder / 'prefect.db'}"}
        subprocess.run(command, env=environment(folder) | variables, check=True, capture_output=True)

    return made_once(tmp_path_factory, "database", make) / "prefect.db"


def give_database(home: Path, database: Path) -> Path:
    """Put the empty database where Prefect looks for it in this home; return the home."""
    (home / ".prefect").mkdir()
    shutil.copyfile(database, home / ".prefect" / "prefect.db")
    return home


@pytest.fixture(scope="session")
def prefect_server(database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API address of a real server. Tests of other processes have their runs there, too."""
    from prefect.context import _temporary_global_settings_context, get_settings_context
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with (
        standing_server(shared_folder(tmp_path_factory), database) as api,
        temporary_settings({PREFECT_API_URL: api}),
        _temporary_global_settings_context(get_settings_context()),  # for threads that have begun
    ):
        yield api
        APILogWorker.instance().drain()
        EventsWorker.drain_all()


@contextmanager
def standing_server(folder: Path, database: Path) -> Iterator[str]:
    """Have a server for all that name the same folder: the first starts it, the last ends it."""
    note, lock = folder / "server.json", FileLock(folder / "server.lock")
    with lock:
        server = json.loads(note.read_text()) if note.exists() else started(folder, database)
        note.write_text(json.dumps(server | {"users": server["users"] + 1}))
    yield server["api"]
    with lock:
        server = json.loads(note.read_text())
        note.write_text(json.dumps(server | {"users": server["users"] - 1}))
        if server["users"] == 1:
            note.unlink()
            process = psutil.Process(server["pid"])
            process.terminate()
            assert eventually(lambda: not alive([process]))


def started(folder: Path, database: Path) -> dict[str, Any]:
    """Start a server with a database of its own, and wait until it answers."""
    port = free_port()
    own = folder / f"server-{port}.db"  # beside an earlier server's journal, which SQLite would take for its own
    shutil.copyfile(database, own)
    variables = {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{own}",
        "PREFECT_UI_ENABLED": "0",
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port}",
    }
    command = [sys.executable, "-m", "flows.operations.prefect_server"]
    process = subprocess.Popen(command, env=environment(folder) | variables, start_new_session=True)
    api = f"http://127.0.0.1:{port}/api"
    assert await_answer(api, None, starting=lambda: process.poll() is None)
    return {"api": api, "pid": process.pid, "users": 0}


@pytest.fixture
def home(chain: Chain, tmp_path: Path) -> Path:
    """A home with a champion, and test.csv."""
    promote(chain.store, chain.package, chain.prepared)
    for name in (chain.package.name, chain.prepared.name):
        shutil.copytree(chain.store.root / name, tmp_path / "artifacts" / name)
    shutil.copyfile(chain.store.root / "champion.json", tmp_path / "artifacts" / "champion.json")
    making.write_csv(tmp_path / "test.csv", making.unlabelled(making.digits(700)))
    return tmp_path
