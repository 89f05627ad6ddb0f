"""Scoring from a bucket into a bucket, against a real S3 server on this machine."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.data import digits as digit_files
from tests import making
from tests.command import digits

pytest.importorskip("s3fs", reason="needs s3fs: make test installs it")

DIGITS = making.unlabelled(making.digits(700))


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of an S3 server with an empty bucket `forms`."""
    from moto.server import ThreadedMotoServer

    running = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The bucket `forms` as an fsspec file system, reached by the environment as a person would set it."""
    import s3fs

    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    files = s3fs.S3FileSystem(endpoint_url=server, skip_instance_cache=True)
    if files.exists("forms"):
        files.rm("forms", recursive=True)
    files.mkdir("forms")
    return files


def put(bucket: Any, key: str, path: Path) -> None:
    with bucket.open(f"forms/{key}", "wb") as file:
        file.write(path.read_bytes())


@pytest.mark.parametrize("name", ["test.csv", "test.csv.gz", "test.parquet"])
def test_a_bucket_is_read_and_written_as_a_folder_is(home: Path, bucket: Any, name: str) -> None:
    if name.endswith(".parquet"):
        digit_files.write(home / name, DIGITS)
    else:
        making.write_csv(home / name, DIGITS)
    put(bucket, f"in/{name}", home / name)
    assert digits("score", name, "-o", "here.csv", home=home).returncode == 0
    run = digits("score", f"s3://forms/in/{name}", "-o", "s3://forms/out/there.csv", home=home)
    assert run.returncode == 0, run.stderr
    assert bucket.cat("forms/out/there.csv") == (home / "here.csv").read_bytes()
    assert bucket.ls("forms/out") == ["forms/out/there.csv"]
    again = digits("score", f"s3://forms/in/{name}", "-o", "s3://forms/out/there.csv", home=home)
    assert again.returncode == 2
    assert "there is such a file already" in again.stderr


def test_patterns_and_shards_may_be_in_a_bucket_and_workers_share_them(home: Path, bucket: Any) -> None:
    for name in ("a.csv", "b.csv"):
        put(bucket, name, home / "test.csv")
    call = ("score", "s3://forms/*.csv", "-o", "both.csv", "--shard-rows", "200", "--workers", "2")
    run = digits(*call, "--shards-in", "s3://forms/shards", home=home)
    assert run.returncode == 0, run.stderr
    lines = (home / "both.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * 700
    assert (lines[1].split(",")[0], lines[-1].split(",")[0]) == ("a.csv:1", "b.csv:700")
    assert bucket.find("forms/shards") == []


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("s3://forms/nothing.csv", "there is no such file or folder"),
        ("s3://nobodys-bucket/test.csv", "there is no such file or folder"),
        ("s3://forms/*.csv", "no file fits this pattern"),
        ("gs://forms/test.csv", "what reads such addresses is not installed"),
        ("ftpx://forms/test.csv", "the address cannot be reached"),
    ],
)
def test_an_address_that_leads_nowhere_is_one_line(home: Path, bucket: Any, address: str, message: str) -> None:
    run = digits("score", address, home=home)
    assert run.returncode == 3, run.stderr
    assert run.stderr.startswith(f"digits: {address}: {message}")
    assert run.stderr.count("\n") == 1


def test_a_store_that_does_not_answer_or_knows_nobody_is_one_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "none"))
    run = digits("score", "s3://forms/test.csv", home=home)
    assert run.returncode == 6, run.stderr
    assert run.stderr.startswith("digits: s3://forms/test.csv: the address cannot be reached")
    assert run.stderr.count("\n") == 1


class Faults:
    """What the server answers with instead, to requests for objects whose key has `part` in it.

    first, count: the first request that fails, from 0, and how many do.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, part: str, first: int, count: int) -> None:
        from moto.server import DomainDispatcherApplication

        self.requests, answer = 0, DomainDispatcherApplication.__call__
        self.failing = range(first, first + count)

        def failing(application: Any, environment: dict[str, Any], start: Any) -> Any:
            if part in environment["PATH_INFO"]:
                self.requests += 1
                if self.requests - 1 in self.failing:
                    refusal = b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"
                    start("503 Slow Down", [("Content-Length", str(len(refusal))), ("Connection", "close")])
                    return [refusal]
            return answer(application, environment, start)

        monkeypatch.setattr(DomainDispatcherApplication, "__call__", failing)


def test_a_store_that_fails_for_a_moment_costs_a_run_nothing(
    home: Path, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bucket, "test.csv", home / "test.csv")
    assert digits("score", "test.csv", "-o", "here.csv", home=home).returncode == 0
    faults = Faults(monkeypatch, "test.csv", 3, 2)
    run = digits("score", "s3://forms/test.csv", "-o", "there.csv", home=home)
    assert run.returncode == 0, run.stderr
    assert faults.requests > 5
    assert (home / "there.csv").read_bytes() == (home / "here.csv").read_bytes()


def test_a_store_that_fails_in_the_middle_is_one_line_and_the_same_command_goes_on(
    home: Path, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bucket, "test.csv", home / "test.csv")
    assert digits("score", "test.csv", "-o", "here.csv", home=home).returncode == 0
    call = (
        "score",
        "s3://forms/test.csv",
        "-o",
        "there.csv",
        "--shard-rows",
        "100",
        "--shards-in",
        "s3://forms/shards",
    )
    faults = Faults(monkeypatch, "part-000000-000000003", 2, 1_000)
    run = digits(*call, home=home)
    assert run.returncode == 6, run.stderr
    assert run.stderr.count("digits: ") == 1, run.stderr
    assert "Traceback" not in run.stderr
    assert "the address cannot be reached; expected a store that answers; received " in run.stderr
    assert not (home / "there.csv").exists()
    done = bucket.find("forms/shards")
    assert any("part-000000-000000002" in name for name in done)
    faults.failing = range(0)
    resumed = digits(*call, home=home)
    assert resumed.returncode == 0, resumed.stderr
    assert (home / "there.csv").read_bytes() == (home / "here.csv").read_bytes()
    bucket.invalidate_cache()
    assert bucket.find("forms/shards") == []
