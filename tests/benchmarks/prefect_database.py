"""What Prefect's database takes: many runs, and a machine that is busy.

`python -m tests.benchmarks.prefect_database many DATABASE RUNS`: the newest run of the inbox in a copy of `prefect.db`,
from a home in which `digits up` has run, is multiplied, one every five minutes back from now, with its states and log
lines. Prints the size of the database, and how long the UI's questions take.

`python -m tests.benchmarks.prefect_database busy HOME MINUTES`: in a home with a champion, each minute a file and a run
of the inbox, every second minute a training, while two processes keep the cores busy. Prints how often the database
was locked, and how many events therefore reached no automation.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from tests import making
from tests.command import ROOT
from tests.flows.operating import Operated, free_port

PAUSE = timedelta(minutes=5)
CHILDREN = ("flow_run_state", "log")
# What the UI asks for where it lists the runs, and on its first page.
QUESTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "the list of runs": ("/flow_runs/filter", {"sort": "START_TIME_DESC", "limit": 50}),
    "their number": ("/flow_runs/count", {}),
    "a day of them": ("/flow_runs/filter", {"limit": 200, "flow_runs": {"start_time": {"after_": "DAY"}}}),
}


def main() -> None:
    """Measure one of the two. Arguments: as above."""
    which, path, amount = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    {"many": many, "busy": busy}[which](path, amount)


def many(source: Path, runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        shutil.copyfile(source, home / "prefect.db")
        multiply(home / "prefect.db", runs)
        print(f"{runs:,} runs: {(home / 'prefect.db').stat().st_size / 1e6:,.0f} MB")
        for name, seconds in asked(home):
            print(f"{name:<17} {1000 * seconds:,.0f} ms")


def multiply(path: Path, runs: int) -> None:
    """Write the newest run of the inbox again and again, further and further back."""
    with sqlite3.connect(path) as database:
        database.row_factory = sqlite3.Row
        newest = "SELECT * FROM flow_run WHERE name LIKE 'inbox %' AND end_time IS NOT NULL ORDER BY start_time DESC"
        run = dict(database.execute(newest).fetchone())
        children = {
            table: list(map(dict, database.execute(f"SELECT * FROM {table} WHERE flow_run_id = ?", (run["id"],))))
            for table in CHILDREN
        }
        for number in range(1, runs + 1):
            back, new = number * PAUSE, str(uuid.uuid4())
            states = {child["id"]: str(uuid.uuid4()) for child in children["flow_run_state"]}
            unique = {"id": new, "state_id": states[run["state_id"]], "idempotency_key": new}
            _insert(database, "flow_run", _earlier(run, back) | unique)
            for table, rows in children.items():
                for row in rows:
                    child_id = states.get(row["id"], str(uuid.uuid4()))
                    _insert(database, table, _earlier(row, back) | {"id": child_id, "flow_run_id": new})


def _earlier(row: dict[str, Any], back: timedelta) -> dict[str, Any]:
    """Return a row with its times so much earlier, in SQLite's form of them."""
    times = ("created", "updated", "timestamp", "state_timestamp", "expected_start_time", "start_time", "end_time")
    return row | {name: str(datetime.fromisoformat(row[name]) - back) for name in times if row.get(name)}


def _insert(database: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    database.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values()))


def asked(home: Path) -> Iterator[tuple[str, float]]:
    """Yield the questions of the UI, and the seconds of the median of seven answers of a server to each."""
    port = free_port()
    variables = os.environ | {
        "PYTHONPATH": str(ROOT),
        "DIGITS_HOME": str(home),
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home / 'prefect.db'}",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port}",
    }
    server = subprocess.Popen([sys.executable, "-m", "flows.operations.prefect_server"], env=variables)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api", timeout=600) as client:
            while True:
                try:
                    client.get("/health").raise_for_status()
                    break
                except httpx.TransportError:
                    time.sleep(0.5)
            day = str(datetime.now() - timedelta(days=1))
            for name, (path, question) in QUESTIONS.items():
                if "flow_runs" in question:
                    question["flow_runs"]["start_time"]["after_"] = day
                seconds = []
                for _ in range(7):
                    started = time.perf_counter()
                    client.post(path, json=question).raise_for_status()
                    seconds.append(time.perf_counter() - started)
                yield name, sorted(seconds)[3]
    finally:
        server.terminate()
        server.wait()


def busy(home: Path, minutes: int) -> None:
    operated = Operated(home, free_port(), "", [])
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        print(operated.up().stdout)
        before = operated.daemon("server").log.read_text()
        for minute in range(minutes):
            started = time.monotonic()
            pixels = making.unlabelled(making.digits(50, start=50 * minute))
            making.write_csv(home / "data" / "inbox" / f"{time.time():.0f}.csv", pixels)
            operated.start("score/inbox", quiet=0)
            if minute % 2 == 0:
                operated.start("train/nightly", recipe="mlp-relu", changes=["epochs=2"], fresh=True)
            time.sleep(max(0.0, 60 - (time.monotonic() - started)))
        log = operated.daemon("server").log.read_text().removeprefix(before)
        errors = log.count("sqlite3.OperationalError) database is locked")
        print(f"{minutes} minutes: {errors} times locked, {log.count('dead letter')} events lost")
    finally:
        for burner in burners:
            burner.kill()
        operated.command("down")


if __name__ == "__main__":
    main()
