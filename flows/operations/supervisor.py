"""What keeps server and worker up: a process that `digits up` starts, and that starts them again when they have died.

One that keeps dying is given up, and somebody is told: a thing that cannot run must not look as if it did. It also
keeps the logs from filling the disk.
"""

import contextlib
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from flows.operations.daemons import Daemon
from tasks.errors import DigitsError

log = logging.getLogger(__name__)

PAUSE = 5.0  # seconds between two looks
DEATHS, WITHIN = 5, 600.0  # so many deaths within so many seconds are one too many
LONGEST_LOG = 10 * 1024 * 1024  # bytes; the same amount is kept of what was before


@dataclass
class Supervised:
    """A daemon that is to be kept up. start: starts it, or raises a DigitsError. deaths: when, in monotonic seconds."""

    daemon: Daemon
    start: Callable[[], None]
    deaths: list[float] = field(default_factory=list)
    given_up: bool = False


def supervise(all_supervised: Sequence[Supervised], tell: Callable[[str], None]) -> None:
    """Look at the daemons once: start again what has died, give up what keeps dying. tell: called with a sentence.

    One whose record is gone was ended by somebody, and is left alone.
    """
    for supervised in all_supervised:
        daemon = supervised.daemon
        _rotate(daemon)
        if supervised.given_up or daemon.runs() or not daemon.record.exists():
            continue
        now = time.monotonic()
        supervised.deaths = [*(death for death in supervised.deaths if now - death < WITHIN), now]
        words = daemon.last_words()
        if len(supervised.deaths) > DEATHS:
            supervised.given_up = True
            log.error("%s: given up", daemon.name)
            tell(f"the {daemon.name} has died {DEATHS + 1} times and is not started again; its last words: {words}")
            continue
        log.warning("%s: it has died, its last words: %s; it is started again", daemon.name, words)
        try:
            supervised.start()
        except DigitsError as error:
            log.error("%s: %s", daemon.name, error)


def _rotate(daemon: Daemon) -> None:
    """Put a long log aside and begin it anew; who writes to it goes on writing at its end."""
    with contextlib.suppress(OSError):
        if daemon.log.stat().st_size > LONGEST_LOG:
            shutil.copyfile(daemon.log, daemon.log.with_suffix(".log.1"))
            os.truncate(daemon.log, 0)


def call_webhook(address: str | None, sentence: str) -> None:
    """Tell a webhook, in the form in which the server's automations do."""
    import httpx

    if address:
        with contextlib.suppress(httpx.HTTPError, httpx.InvalidURL):
            message = {"text": f"digitflow: {sentence}", "event": "digitflow.supervisor"}
            httpx.post(address, json=message, timeout=30).raise_for_status()


def main() -> None:
    """Supervise what `digits up` has started, until a signal ends it. Arguments: the server's port."""
    from flows.operations import server
    from tasks import settings

    logging.basicConfig(level=logging.INFO, format="%(asctime)s  %(message)s")
    operations = server.Operations(settings.load(), int(sys.argv[1]), os.environ.get("PREFECT_API_AUTH_STRING"))
    supervised = [
        Supervised(operations.server, lambda: server.start_server(operations)),
        Supervised(operations.worker, lambda: server.start_worker(operations)),
    ]
    while True:
        with server.only_one(operations) as is_free:
            if is_free:
                supervise(supervised, lambda sentence: call_webhook(os.environ.get("DIGITS_WEBHOOK"), sentence))
        time.sleep(PAUSE)


if __name__ == "__main__":
    main()
