"""The `digits` command as a person types it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROGRAM = "from flows.cli import main; main()"


def digits(
    *arguments: str, home: Path, server: str = "", stdin: bytes | None = None, program: str = PROGRAM
) -> subprocess.CompletedProcess[str]:
    """Run the command in a home of its own, a real process.

    server: address of a standing server; without it the command starts its own, as for somebody who has none.
    stdin: what comes from standard input. program: what is run instead of the command alone.
    """
    command = [sys.executable, "-c", program, *arguments]
    run = subprocess.run(
        command, input=stdin, capture_output=True, timeout=600, env=environment(home, server), cwd=home
    )
    return subprocess.CompletedProcess(command, run.returncode, run.stdout.decode(), run.stderr.decode())


def environment(home: Path, server: str = "") -> dict[str, str]:
    """Return the variables of such a process."""
    paths = os.pathsep.join(map(str, (ROOT / "tests" / "outgoing", ROOT)))
    variables = os.environ | {"DIGITS_HOME": str(home), "PYTHONPATH": paths, "COLUMNS": "120"}
    for name in [name for name in variables if name.startswith(("PREFECT_", "KERAS_", "MPLCONFIG"))]:
        del variables[name]
    return variables | ({"PREFECT_API_URL": server} if server else {})
