"""Loaded by every Python process with this folder in its PYTHONPATH: what it asks of other machines is written down.

A line a try in the file that OUTGOING names. Nothing is held back.
"""

import os
import sys
from typing import Any

LOCAL = ("127.", "::1", "localhost", "0.0.0.0", "::")


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        address = arguments[1]
    elif event == "socket.getaddrinfo":
        address = arguments[:2]
    else:
        return
    # A path is a socket of this machine; without a host it is the machine itself.
    host = address[0] if isinstance(address, tuple) else None
    host = host.decode() if isinstance(host, bytes) else host
    if host and host != os.uname().nodename and not host.startswith(LOCAL):
        with open(os.environ["OUTGOING"], "a", encoding="utf-8") as file:
            file.write(f"{event} {address} {' '.join(sys.argv)[:200]}\n")


if "OUTGOING" in os.environ:
    sys.addaudithook(watch)
