"""Scoring on a real Dask cluster of two processes, one of which is killed in the middle."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.store import Store
from tests import making
from tests.command import PROGRAM, digits, environment

pytest.importorskip("prefect_dask", reason="needs prefect-dask: make test installs it")

DIGITS = making.unlabelled(making.digits(3_000))


def test_a_worker_that_dies_costs_no_shard(home: Path, prefect_server: str) -> None:
    from distributed import LocalCluster

    making.write_csv(home / "many.csv", DIGITS)
    call = ("score", "many.csv", "--shard-rows", "100", "--output")
    plain = digits(*call, "plain.csv", home=home)
    assert plain.returncode == 0, plain.stderr
    for artifact in Store(home / "artifacts").all():
        if artifact.kind == "scores":
            shutil.rmtree(artifact.path)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        command = [*call, "dask.csv", "--address", cluster.scheduler_address]
        run = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *command],
            cwd=home,
            env=environment(home, prefect_server),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            shards = _first_shards(home, run)
            os.kill(cluster.workers[0].pid, signal.SIGKILL)
            _, log = run.communicate()
        finally:
            run.kill()
    assert run.returncode == 0, log.decode()
    assert 0 < shards < 30
    assert (home / "dask.csv").read_bytes() == (home / "plain.csv").read_bytes()


def _first_shards(home: Path, run: "subprocess.Popen[bytes]") -> int:
    """How many shards are done, as soon as some are."""
    while run.poll() is None:
        if done := len(list((home / "artifacts" / ".scratch").glob("shards-*/part-*.json"))):
            return done
    raise AssertionError(f"no shard was scored: {run.communicate()[1].decode()}")
