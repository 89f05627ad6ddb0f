"""What the commands that run a flow have about it: a server, and the lines of its log on the terminal."""

import contextlib
import logging
import os
from collections.abc import Iterator


@contextlib.contextmanager
def running_flows(quiet: bool = False) -> Iterator[None]:
    """Have all that a flow needs: a server, and its lines of log on the terminal; if quiet, warnings only."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")  # `log_to_terminal` shows them
    from flows.operations.embedded_server import running_server

    log_to_terminal(quiet)
    with running_server():
        yield


def log_to_terminal(quiet: bool) -> None:
    """Show on stderr the lines of the stages and Prefect's warnings, but not the error, which `main` tells.

    quiet: of the stages, too, only warnings.
    """
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING if quiet else logging.INFO)
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    handler.addFilter(lambda record: not record.name.startswith("prefect") or record.levelno >= logging.WARNING)
    handler.addFilter(lambda record: not getattr(record, "for_a_person", False))
    handler.addFilter(lambda record: not record.getMessage().startswith(("Finished in state", "Crash detected")))
    for name in ("tasks", "flows", "prefect"):
        logging.getLogger(name).addHandler(handler)
