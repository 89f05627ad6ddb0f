"""Prefect's server as a program, which answers only where it is called by a name of its own.

A page from elsewhere could have its own name lead to 127.0.0.1 (DNS rebinding), and would then pass for a page of the
server. The names are those of PREFECT_SERVER_CORS_ALLOWED_ORIGINS: who may ask, and by which name, is one list.
"""

from urllib.parse import urlsplit


def main() -> None:
    """Run the server until a signal ends it."""
    import uvicorn
    from prefect import settings
    from prefect.server.api.server import create_app
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    origins = settings.PREFECT_SERVER_CORS_ALLOWED_ORIGINS.value().split(",")
    names = [urlsplit(origin).hostname or origin for origin in origins]
    # Around the app, not in it: its own services call it by a name that is none.
    app = TrustedHostMiddleware(create_app(final=True), allowed_hosts=names, www_redirect=False)
    host, port = settings.PREFECT_SERVER_API_HOST.value(), settings.PREFECT_SERVER_API_PORT.value()
    uvicorn.run(app, host=host, port=port, log_level="warning")


if __name__ == "__main__":
    main()
