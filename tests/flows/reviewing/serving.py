"""The page of `digits review` as a process of its own, and a program at it that asks as the browser does."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.command import PROGRAM, environment


@contextmanager
def serving(home: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `digits review` and yield its process, which is killed at the end, with the address that it prints."""
    command = [sys.executable, "-c", PROGRAM, "review", *arguments]
    with subprocess.Popen(command, cwd=home, env=environment(home), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, next(line.split()[1] for line in process.stdout if line.startswith("open"))
        finally:
            process.kill()


class Asking:
    """Who asks the server for what the page asks it for."""

    def __init__(self, address: str) -> None:
        origin, _, token = address.partition("/?token=")
        self.client = httpx.Client(base_url=origin, headers={"Origin": origin, "X-Token": token}, timeout=60)

    def ask(self, what: str, **body: Any) -> Any:
        response = self.client.post(f"/{what}", json={"tab": "a", **body})
        assert response.is_success, response.text
        return response.json()
