"""The server of a page that is open to this user of this machine only, and to nothing but this page.

It listens on 127.0.0.1, answers only to that name, wants a token in every request, and the page's own origin in each
that changes something. No request names a file.
"""

import secrets
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tasks.errors import DataError, DigitsError, UsageError

HOST = "127.0.0.1"
Work = Callable[[dict[str, Any]], Response]  # from what the page sends; empty where it only asks


def new_token() -> str:
    return secrets.token_urlsafe(24)


def guarded(token: str, gets: Mapping[str, Work], posts: Mapping[str, Work]) -> Starlette:
    """Return an application that carries out one request at a time, of whoever knows the token.

    gets, posts: what is done for each path, without its slash. A DigitsError is told to the page.
    """
    lock = threading.Lock()

    def checked(work: Work) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            sent = request.headers.get("X-Token") or request.query_params.get("token", "")
            if not secrets.compare_digest(sent.encode(), token.encode()):
                return PlainTextResponse("the token is missing or wrong: open the address that was printed", 403)
            body: Any = {}
            if request.method == "POST":
                if request.headers.get("Origin") != f"http://{request.headers['Host']}":
                    return PlainTextResponse("this was not asked by the page itself", 403)
                try:
                    body = await request.json()
                except ValueError:
                    body = None
                if not isinstance(body, dict):
                    return PlainTextResponse("expected a JSON object", 400)

            def alone() -> Response:
                with lock:
                    return work(body)

            try:
                response = await run_in_threadpool(alone)
            except DigitsError as error:
                code = 400 if isinstance(error, UsageError | DataError) else 507
                response = JSONResponse({"error": str(error)}, code)
            response.headers["Cache-Control"] = "no-store"
            response.headers["Referrer-Policy"] = "no-referrer"
            response.headers["X-Content-Type-Options"] = "nosniff"
            return response

        return respond

    routes = [Route(f"/{name}", checked(work), methods=["POST"]) for name, work in posts.items()]
    routes += [Route(f"/{name}", checked(work)) for name, work in gets.items()]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"], www_redirect=False)
    return Starlette(routes=routes, middleware=[hosts])


def page(template: Path, **values: Any) -> Response:
    """Return a page of a template, which may load nothing and run only what stands in it."""
    nonce = secrets.token_urlsafe(12)
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return HTMLResponse(rendered(template, nonce=nonce, **values), headers={"Content-Security-Policy": policy})


def rendered(template: Path, **values: Any) -> str:
    """Render a template, which may include what lies beside it and in this folder."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folders = FileSystemLoader([template.parent, Path(__file__).parent])
    pages = Environment(loader=folders, autoescape=True, undefined=StrictUndefined)
    return pages.get_template(template.name).render(values)


def serve(application: Starlette, token: str, port: int, tell: Callable[[str], None]) -> None:
    """Serve a page until a signal ends it. port: 0 for any that is free. tell: called with the address.

    Raises: UsageError if the port is taken.
    """
    import uvicorn

    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
        except OSError as error:
            remedy = "name another by --port, or none for any that is free"
            raise UsageError(
                "the page cannot be served on this port", received=f"{port}: {error.strerror}", remedy=remedy
            ) from error
        listening.listen()
        tell(f"http://{HOST}:{listening.getsockname()[1]}/?token={token}")
        config = uvicorn.Config(
            application,
            log_level="warning",
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        uvicorn.Server(config).run(sockets=[listening])
