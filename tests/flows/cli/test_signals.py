"""What a command says when it is stopped."""

import signal
from pathlib import Path

import pytest

from tests.command import digits

STOPPED_AT_WORK = """
import importlib, os, signal, time
program = importlib.import_module("flows.cli.app")

def work():
    os.kill(os.getpid(), {number})
    time.sleep(60)

signal.signal(signal.SIGINT, signal.default_int_handler)
program.app = work
program.main()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_that_is_stopped_says_how_to_go_on(tmp_path: Path, number: signal.Signals, code: int) -> None:
    run = digits(home=tmp_path, program=STOPPED_AT_WORK.format(number=int(number)))
    assert (run.returncode, run.stdout) == (code, "")
    assert run.stderr == "digits: stopped; the same command goes on where it was\n"
