"""The server of the review's page: open to this user of this machine only, and to nothing but this page.

It listens on 127.0.0.1, answers only to that name, wants a token in every request, and the page's own origin in each
that changes something. No request names a file. The work is that of `tasks/reviewing`; here it gets addresses.
"""

import base64
import secrets
import socket
import threading
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tasks.errors import DigitsError, UsageError
from tasks.reviewing.answers import LONGEST
from tasks.reviewing.desk import Desk
from tasks.reviewing.items import UNREAD
from tasks.store import Artifact

HOST = "127.0.0.1"
AHEAD = 30  # images that the browser is given before it needs them
PAGE = Path(__file__).parent / "page"


@dataclass
class Review:
    """What the page works on. publish: makes the artifact of what is answered. published: the last one, if any."""

    desk: Desk
    title: str
    publish: Callable[[], tuple[Artifact, list[str]]]
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    published: Artifact | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


def application(review: Review) -> Starlette:
    """Return the page and what it asks for."""

    def page(request: Request, body: dict[str, Any]) -> Response:
        nonce = secrets.token_urlsafe(12)
        policy = (
            f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; "
            "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        return HTMLResponse(_page(review, nonce), headers={"Content-Security-Policy": policy})

    def following(request: Request, body: dict[str, Any]) -> Response:
        return _shown(review.desk, review.desk.next(_tab(body), AHEAD))

    def wall(request: Request, body: dict[str, Any]) -> Response:
        label, indices = review.desk.wall(_tab(body), body.get("label"))
        return _shown(review.desk, indices, label=label)

    def answer(request: Request, body: dict[str, Any]) -> Response:
        answers = body.get("answers")
        if not isinstance(answers, dict) or not answers or not all(name.isdecimal() for name in answers):
            raise UsageError("these are no answers", received=repr(answers)[:100])
        review.desk.answer({int(index): given for index, given in answers.items()})
        return _shown(review.desk, [])

    def take_back(request: Request, body: dict[str, Any]) -> Response:
        return _shown(review.desk, review.desk.take_back())

    def publish(request: Request, body: dict[str, Any]) -> Response:
        review.published, findings = review.publish()
        return JSONResponse({"name": review.published.name, "findings": findings})

    def report(request: Request, body: dict[str, Any]) -> Response:
        if review.published is None:
            return PlainTextResponse("nothing is published yet", 404)
        return HTMLResponse(review.published.file("review.html").read_text(encoding="utf-8"))

    def guarded(work: Callable[[Request, dict[str, Any]], Response]) -> Callable[[Request], Awaitable[Response]]:
        """Let in who knows the token; carry out one request at a time, and tell errors that are for people."""

        async def respond(request: Request) -> Response:
            token = request.headers.get("X-Token") or request.query_params.get("token", "")
            if not secrets.compare_digest(token.encode(), review.token.encode()):
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
                with review.lock:
                    return work(request, body)

            try:
                response = await run_in_threadpool(alone)
            except DigitsError as error:
                response = JSONResponse({"error": str(error)}, 400 if isinstance(error, UsageError) else 507)
            response.headers["Cache-Control"] = "no-store"
            response.headers["Referrer-Policy"] = "no-referrer"
            response.headers["X-Content-Type-Options"] = "nosniff"
            return response

        return respond

    posts = {"next": following, "wall": wall, "answer": answer, "back": take_back, "publish": publish}
    routes = [Route(f"/{name}", guarded(work), methods=["POST"]) for name, work in posts.items()]
    routes += [Route("/", guarded(page)), Route("/report", guarded(report))]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"], www_redirect=False)
    return Starlette(routes=routes, middleware=[hosts])


def serve(review: Review, port: int, tell: Callable[[str], None]) -> None:
    """Serve the page until a signal ends it. port: 0 for any that is free. tell: called with the address.

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
        tell(f"http://{HOST}:{listening.getsockname()[1]}/?token={review.token}")
        config = uvicorn.Config(
            application(review),
            log_level="warning",
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        uvicorn.Server(config).run(sockets=[listening])


def _page(review: Review, nonce: str) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    pages = Environment(loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined)
    return pages.get_template("review.html").render(
        title=review.title, reviewer=review.desk.reviewer, token=review.token, nonce=nonce
    )


def _tab(body: dict[str, Any]) -> str:
    return str(body.get("tab", ""))[:LONGEST]


def _shown(desk: Desk, indices: list[int], **others: Any) -> Response:
    """Return items as the page draws them, and the progress.

    How sure the model was is not told: it would give away which are there for an audit.
    """
    shown = [
        {
            "index": index,
            "id": desk.id(index),
            "label": None if desk.items.labels[index] == UNREAD else int(desk.items.labels[index]),
            "reason": desk.items.reasons[index].as_py(),
            "pixels": base64.b64encode(desk.items.images[index].tobytes()).decode(),
        }
        for index in indices
    ]
    return JSONResponse({"items": shown, "progress": asdict(desk.progress()), **others})
