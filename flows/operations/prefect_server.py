"""Prefect's server as a program, which answers only where it is called by a name of its own.

A page from elsewhere could have its own name lead to 127.0.0.1 (DNS rebinding), and would then pass for a page of the
server. The names are those of PREFECT_SERVER_CORS_ALLOWED_ORIGINS: who may ask, and by which name, is one list.
"""

from typing import Any
from urllib.parse import urlsplit


def main() -> None:
    """Run the server until a signal ends it."""
    import uvicorn
    from prefect import settings
    from prefect.server.api.server import create_app
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    _write_in_turn()
    origins = settings.PREFECT_SERVER_CORS_ALLOWED_ORIGINS.value().split(",")
    names = [urlsplit(origin).hostname or origin for origin in origins]
    # Around the app, not in it: its own services call it by a name that is none.
    app = TrustedHostMiddleware(create_app(final=True), allowed_hosts=names, www_redirect=False)
    host, port = settings.PREFECT_SERVER_API_HOST.value(), settings.PREFECT_SERVER_API_PORT.value()
    uvicorn.run(app, host=host, port=port, log_level="warning")


def _write_in_turn() -> None:
    """Let each transaction of Prefect's take SQLite's write lock when it begins, and wait for it as long as it takes.

    Prefect begins most of them DEFERRED. One that has read, and writes after another has, then fails at once with
    "database is locked", whatever the time-out; and an event that four times fails so reaches no automation.
    https://www.sqlite.org/lang_transaction.html#deferred_immediate_and_exclusive_transactions
    """
    from prefect.server.database.configurations import AioSqliteConfiguration

    begin = AioSqliteConfiguration.begin_transaction

    def begin_immediate(self: Any, session: Any, with_for_update: bool = False) -> Any:
        return begin(self, session, with_for_update=True)

    AioSqliteConfiguration.begin_transaction = begin_immediate  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
