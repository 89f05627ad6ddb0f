"""Libraries that write to the terminal past Python are silent for a while, and nobody else afterwards."""

import os

import pytest

from tasks.silence import silence


def test_what_is_written_meanwhile_is_thrown_away_whoever_ends_first(capfd: pytest.CaptureFixture[str]) -> None:
    first, second = silence(), silence()  # as two threads would
    first.__enter__()
    second.__enter__()
    os.write(2, b"both")
    first.__exit__(None, None, None)
    os.write(2, b"one is left")
    second.__exit__(None, None, None)
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"
