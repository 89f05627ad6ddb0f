"""The server of a page that is open to this user of this machine only, and to nothing but this page.

It listens on 127.0.0.1, answers only to that name, wants a token in every request, and the page's own origin in each
that changes something. No request names a file. For a team it may listen elsewhere, and wants a password that they
share (HTTP's basic one), with each person's name.
"""

import base64
import contextlib
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
from tasks.reviewing.answers import reviewer_name

HOST, EVERYWHERE = "127.0.0.1", "0.0.0.0"
SENDER = "sender"  # where there is a password, the name of whoever sends something, among what they send
Work = Callable[[dict[str, Any]], Response]  # from what the page sends; empty where it only asks


def new_token() -> str:
    return secrets.token_urlsafe(24)


def guarded(
    token: str,
    gets: Mapping[str, Work],
    posts: Mapping[str, Work],
    beside: Mapping[str, Work] | None = None,
    password: str | None = None,
) -> Starlette:
    """Return an application that carries out one request at a time, of whoever knows the token.

    gets, posts: what is done for each path, without its slash. beside: as posts, but at the same time as others.
    A DigitsError is told to the page. password: that is wanted as well, with a name; whoever has it is given the page,
    and with it the token, which keeps forged requests out.
    """
    lock, beside = threading.Lock(), beside or {}

    def checked(work: Work) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            sender = _sender(request, password) if password else None
            if password and not sender:
                wanted = {"WWW-Authenticate": 'Basic realm="your name", charset="UTF-8"'}
                return PlainTextResponse("your name and the team's password are wanted", 401, wanted)
            sent = request.headers.get("X-Token") or request.query_params.get("token", "")
            known = secrets.compare_digest(sent.encode(), token.encode()) or (sender and work is gets.get(""))
            if not known:
                return PlainTextResponse("the token is missing or wrong: open the address that was printed", 403)
            body: Any = {}
            if request.method == "POST":
                # http, or https before a proxy.
                if request.headers.get("Origin", "").partition("://")[2] != request.headers["Host"]:
                    return PlainTextResponse("this was not asked by the page itself", 403)
                try:
                    body = await request.json()
                except ValueError:
                    body = None
                if not isinstance(body, dict):
                    return PlainTextResponse("expected a JSON object", 400)
            body = {**body, SENDER: sender}

            def alone() -> Response:
                with contextlib.nullcontext() if work in beside.values() else lock:
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

    routes = [Route(f"/{name}", checked(work), methods=["POST"]) for name, work in {**posts, **beside}.items()]
    routes += [Route(f"/{name}", checked(work)) for name, work in gets.items()]
    # A page elsewhere that pretends to be this host (DNS rebinding) has no password.
    names = ["*"] if password else [HOST, "localhost"]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=names, www_redirect=False)
    return Starlette(routes=routes, middleware=[hosts])


def _sender(request: Request, wanted: str) -> str | None:
    """Return the name that comes with the password; None where either is not as it has to be."""
    try:
        encoded = request.headers.get("Authorization", "").removeprefix("Basic ")
        name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        return reviewer_name(name) if secrets.compare_digest(password.encode(), wanted.encode()) else None
    except (ValueError, UsageError):
        return None


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


def serve(application: Starlette, token: str, port: int, tell: Callable[[str], None], host: str = HOST) -> None:
    """Serve a page until a signal ends it. port: 0 for any that is free.

    token: empty where it is not for the address. tell: called with the address.
    host: to listen on; another one only for an application that wants a password.
    Raises: UsageError if there is no such host, or the port is taken.
    """
    import uvicorn

    # With the protocol named, asyncio sends at once (TCP_NODELAY); else an answer waits for 40 ms.
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
        except OSError as error:
            remedy = "name another by --port, or none for any that is free"
            raise UsageError(
                "the page cannot be served here", received=f"{host}:{port}: {error.strerror}", remedy=remedy
            ) from error
        listening.listen()
        name = socket.gethostname() if host == EVERYWHERE else host
        tell(f"http://{name}:{listening.getsockname()[1]}/{token and f'?token={token}'}")
        config = uvicorn.Config(
            application,
            log_level="warning",
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        uvicorn.Server(config).run(sockets=[listening])
