"""The calls of the command line that make a flow's result again, for its page."""

import shlex
from collections.abc import Sequence

from tasks.data.expectations import Limits


def call(command: str, data: str, *options: str, changes: Sequence[str] | None, max_bad_rows: float) -> str:
    """Return the call of a command of `digits` with these options, and with `--set` and the limit where they differ."""
    words = ["digits", command, "--data", data, *options]
    for change in changes or ():
        words += ["--set", change]
    if max_bad_rows != Limits().bad_rows:
        words += ["--max-bad-rows", str(max_bad_rows)]
    return shlex.join(words)
