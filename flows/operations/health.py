"""Asking a server whether it is there."""

import os
import time
from collections.abc import Callable

from tasks.errors import UsageError

NO_ANSWER = "the server does not answer"
AS_IN = "which looks like http://127.0.0.1:4200/api"
LONGEST_START = 120.0  # seconds that a server has until it answers, with a database to set up


def answers(api: str, auth: str | None) -> bool:
    """Ask a server for its version; return whether it gives it. auth: user:password.

    Raises: UsageError if it asks for another password.
    """
    import httpx

    user, _, password = (auth or ":").partition(":")
    try:
        response = httpx.get(f"{api}/admin/version", auth=(user, password), timeout=10, follow_redirects=True)
    except httpx.HTTPError:
        return False
    # Prefect Cloud asks for a key, which Prefect's client knows of.
    if os.environ.get("PREFECT_API_KEY"):
        return True
    if response.status_code == httpx.codes.UNAUTHORIZED:
        raise UsageError(
            "the server asks for another password", file=api, remedy="give it: PREFECT_API_AUTH_STRING=user:password"
        )
    return response.is_success


def await_answer(
    api: str, auth: str | None, starting: Callable[[], bool] = lambda: True, longest: float | None = None
) -> bool:
    """Wait until a server answers; return whether it does.

    starting: tells whether there is any use in waiting. longest: seconds; LONGEST_START for None.
    Raises: UsageError if it asks for another password.
    """
    deadline = time.monotonic() + (LONGEST_START if longest is None else longest)
    while starting() and time.monotonic() < deadline:
        if answers(api, auth):
            return True
        time.sleep(0.2)
    return False
