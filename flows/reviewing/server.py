"""What the review's page may ask for. The work is that of `tasks/reviewing`; here it gets addresses."""

import base64
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from flows.local import server
from tasks.errors import UsageError
from tasks.reviewing.answers import LONGEST
from tasks.reviewing.desk import Desk
from tasks.reviewing.items import UNREAD
from tasks.reviewing.originals import Originals
from tasks.store import Artifact

AHEAD = 30  # images that the browser is given before it needs them
PAGE = Path(__file__).parent / "page" / "review.html"


@dataclass
class Review:
    """What the page works on.

    publish: makes the artifact of what is answered. originals: the pictures that came in. published: the last review.
    password: without one only who started the server reviews, at `desk`; with one everybody at `desks`, by name.
    """

    desk: Desk
    title: str
    publish: Callable[[], tuple[Artifact, list[str]]]
    originals: Originals
    password: str | None = None
    desks: dict[str, Desk] = field(default_factory=dict)
    token: str = field(default_factory=server.new_token)
    published: Artifact | None = None

    def desk_of(self, body: dict[str, Any]) -> Desk:
        """Return the desk of whoever sends this."""
        name = body.get(server.SENDER)
        return self.desks.setdefault(name, self.desk.at(name)) if name else self.desk


def application(review: Review) -> Starlette:
    """Return the page and what it asks for."""

    def page(body: dict[str, Any]) -> Response:
        return server.page(
            PAGE,
            title=review.title,
            reviewer=review.desk_of(body).reviewer,
            token=review.token,
            pictures=bool(review.originals),
        )

    def following(body: dict[str, Any]) -> Response:
        desk = review.desk_of(body)
        return _shown(desk, desk.next(_tab(body), AHEAD))

    def wall(body: dict[str, Any]) -> Response:
        desk = review.desk_of(body)
        wanted = body.get("label")
        label, indices = desk.wall(_tab(body), wanted if isinstance(wanted, int) else None)
        return _shown(desk, indices, label=label)

    def answer(body: dict[str, Any]) -> Response:
        desk, answers = review.desk_of(body), body.get("answers")
        if not isinstance(answers, dict) or not answers or not all(re.fullmatch(r"\d{1,9}", name) for name in answers):
            raise UsageError("these are no answers", received=repr(answers)[:100])
        desk.answer({int(index): given for index, given in answers.items()})
        return _shown(desk, [])

    def picture(body: dict[str, Any]) -> Response:
        index = body.get("index")
        if not isinstance(index, int) or not 0 <= index < len(review.desk.items.rows):
            raise UsageError("this is no image of these scores", received=repr(index)[:100])
        file = review.originals.of(index)
        return JSONResponse({"picture": file and f"data:image/jpeg;base64,{base64.b64encode(file).decode()}"})

    def take_back(body: dict[str, Any]) -> Response:
        desk = review.desk_of(body)
        return _shown(desk, desk.take_back())

    def publish(body: dict[str, Any]) -> Response:
        review.published, findings = review.publish()
        return JSONResponse({"name": review.published.name, "findings": findings})

    def report(body: dict[str, Any]) -> Response:
        if review.published is None:
            return PlainTextResponse("nothing is published yet", 404)
        return HTMLResponse(review.published.file("review.html").read_text(encoding="utf-8"))

    posts = {"next": following, "wall": wall, "answer": answer, "back": take_back, "publish": publish}
    # To read a picture takes longer than anybody is to wait for the next image, and changes nothing.
    beside = {"picture": picture}
    return server.guarded(review.token, {"": page, "report": report}, posts, beside, review.password)


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
