"""The page on which a digit is drawn: served with the answers of a package, or as one file that answers by itself."""

import base64
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response

from flows.local import server
from tasks.errors import UsageError
from tasks.judging.familiarity import Familiarity
from tasks.models.network import network_of
from tasks.models.packaged import FAMILIAR, FLOAT32, PackageMetrics, models_of
from tasks.pictures.reading import EMPTY
from tasks.reviewing import drawn
from tasks.scoring.reader import Reader
from tasks.scoring.shards import ODD, STRANGE
from tasks.store import Artifact

PAGE = Path(__file__).parent / "page" / "draw.html"


@dataclass
class Drawing:
    """What the served page works on.

    publish: makes the artifact of what people have said, and returns what else is to be told. answers: folder of that.
    """

    publish: Callable[[], tuple[Artifact, list[str]]]
    reader: Reader
    title: str
    answers: Path
    reviewer: str
    token: str = field(default_factory=server.new_token)


def application(drawing: Drawing) -> Starlette:
    """Return the page and what it asks for."""

    def page(body: dict[str, Any]) -> Response:
        return server.page(PAGE, title=drawing.title, reviewer=drawing.reviewer, token=drawing.token)

    def read(body: dict[str, Any]) -> Response:
        reading = drawing.reader.read(picture(body))
        content = {
            "pixels": base64.b64encode(reading.image.tobytes()).decode(),
            "probabilities": reading.probabilities.tolist(),
            "doubt": reading.doubt,
            "refused": reading.refused,
        }
        return JSONResponse(content)

    def answer(body: dict[str, Any]) -> Response:
        reading = drawing.reader.read(picture(body))
        label = reading.label
        confidence = None if label is None else float(reading.probabilities[label])
        drawn.add(drawing.answers, reading.image, label, confidence, str(body.get("answer")), drawing.reviewer)
        return JSONResponse({"kept": len(drawn.read(drawing.answers))})

    def publish(body: dict[str, Any]) -> Response:
        review, findings = drawing.publish()
        return JSONResponse({"name": review.name, "findings": findings})

    return server.guarded(drawing.token, {"": page}, {"read": read, "answer": answer, "publish": publish})


def standalone(package: Artifact, title: str) -> str:
    """Return the page as one file, with the main model of a package in it, and what that is familiar with.

    Raises: PackageError if the page cannot compute the network.
    """
    models = models_of(package, FLOAT32, cascade=False)
    network = network_of(models.main)
    familiar = Familiarity.of_bytes(package.file(FAMILIAR).read_bytes())
    limits = package.measured(PackageMetrics).limits
    numbers = [familiar.logits, familiar.aggregates, familiar.outline, familiar.distances]
    halves = np.concatenate([np.ravel(array) for array in numbers]).astype("<f2")
    description = asdict(network)
    weights = description.pop("weights")
    model = {
        "network": description,
        "temperature": models.temperature,
        "limits": {"review": limits.review, "refuse": limits.refuse, "odd": ODD, "refused": STRANGE, "empty": EMPTY},
        "familiar": {"known": len(familiar.logits), "others": familiar.distances.shape[1]},
    }
    return server.rendered(
        PAGE,
        title=title,
        token="",
        nonce="page",
        model=model,
        weights=base64.b64encode(weights.astype("<f4").tobytes()).decode(),
        familiar=base64.b64encode(halves.tobytes()).decode(),
    )


def picture(body: dict[str, Any]) -> bytes:
    """Return the content of the picture's file. Raises: UsageError."""
    try:
        return base64.b64decode(body["picture"], validate=True)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError("there is no picture", expected="a file's content in base64 as picture") from error
