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
from urllib.parse import urlsplit

from flows.operations.daemons import Daemon
from tasks.errors import DigitsError, FetchError

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


def call_webhook(address: str, sentence: str, event: str = "digitflow.supervisor") -> int:
    """Tell a webhook, in the form in which the server's automations do; return the HTTP status of its answer.

    Raises: FetchError, which names of the address only the host: whoever knows the rest can write there.
    """
    import httpx

    host = urlsplit(address).hostname
    remedy = "look at the address; `digits up --webhook ADDRESS` sets another"
    try:
        response = httpx.post(address, json={"text": f"digitflow: {sentence}", "event": event}, timeout=30)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise FetchError("the webhook does not answer", file=host, received=str(error), remedy=remedy) from error
    if not response.is_success:
        # Not the answer's text, in which many repeat the address.
        received = f"{response.status_code} {response.reason_phrase}".strip()
        raise FetchError("the webhook refuses the message", file=host, received=received, remedy=remedy)
    return response.status_code


def main() -> None:
    """Supervise what `digits up` has started, until a signal ends it.

    Arguments: the server's port, and for how many days it keeps runs.
    """
    from flows.operations import server
    from tasks import settings

    logging.basicConfig(level=logging.INFO, format="%(asctime)s  %(message)s")
    auth = os.environ.get("PREFECT_API_AUTH_STRING")
    operations = server.Operations(settings.load(), int(sys.argv[1]), auth, int(sys.argv[2]))
    supervised = [
        Supervised(operations.server, lambda: server.start_server(operations)),
        Supervised(operations.worker, lambda: server.start_worker(operations)),
    ]
    while True:
        with server.only_one(operations) as is_free:
            if is_free:
                supervise(supervised, _tell)
        time.sleep(PAUSE)


def _tell(sentence: str) -> None:
    """Tell the webhook, where there is one."""
    try:
        if address := os.environ.get("DIGITS_WEBHOOK"):
            call_webhook(address, sentence)
    except FetchError as error:
        log.error("%s", error)


if __name__ == "__main__":
    main()
