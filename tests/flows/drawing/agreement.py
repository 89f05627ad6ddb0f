"""How far an exported page, in Chromium, agrees with the package that it was made from."""

import base64
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.pictures.files import opened
from tasks.pictures.reading import digit_of
from tasks.scoring.reader import Reader
from tests.flows.drawing.person import DIGITS

ANSWER = """
const images = bytes(arguments[0]), answers = [], began = performance.now();
for (let i = 0; i < images.length; i += 784) answers.push(answerTo(images.subarray(i, i + 784)));
const ms = (performance.now() - began) / answers.length;
return [ms, answers.map(({ probabilities, doubt }) => ({ probabilities, doubt }))];
"""
# Draws, and returns what is looked at as a PNG, what the page's own way makes of it, and how long that takes.
DRAW = """
clear();
for (const line of arguments[0]) line.forEach(([x, y], i) => stroke(x * canvas.width, y * canvas.height, i === 0));
const sheet = looked(), { width, height } = sheet, began = performance.now();
const image = digitOf(sheet.getContext("2d").getImageData(0, 0, width, height)), ms = performance.now() - began;
return [sheet.toDataURL().split(",")[1], Array.from(image), ms];
"""
# Opens a picture as one that is dropped.
OPEN = """
const [content, done] = arguments;
open(new File([bytes(content)], "picture")).then(() => read(looked)).then(
  ({ refused, probabilities }) => done(refused ? null : probabilities.indexOf(Math.max(...probabilities))));
"""


@dataclass(frozen=True)
class Agreement:
    """Of so many images, those with the same label and with the same doubt.

    apart: the largest difference of a probability. milliseconds: of an answer, from 784 pixels, by the page.
    """

    images: int
    labels: int
    doubts: int
    apart: float
    milliseconds: float


def answers(chromium: Any, reader: Reader, images: np.ndarray) -> Agreement:
    """Compare the page's answers with the package's. images: uint8 (n, 28, 28)."""
    milliseconds, ours = chromium.execute_script(ANSWER, base64.b64encode(images.tobytes()).decode())
    theirs = [reader.answer(image) for image in images]
    ours_p, theirs_p = np.array([one["probabilities"] for one in ours]), np.array([t.probabilities for t in theirs])
    return Agreement(
        images=len(images),
        labels=int((ours_p.argmax(axis=1) == theirs_p.argmax(axis=1)).sum()),
        doubts=sum(one["doubt"] == other.doubt for one, other in zip(ours, theirs, strict=True)),
        apart=float(np.abs(ours_p - theirs_p).max()),
        milliseconds=milliseconds,
    )


def forms(chromium: Any, count: int) -> tuple[np.ndarray, float]:
    """Have the page draw digits of all sizes, anywhere on the canvas.

    Return by how much the brightest difference of a pixel is, of each from what `tasks/pictures` makes of the same
    PNG, int (n,), 0–255; and the milliseconds that the page takes for one.
    """
    random, apart, milliseconds = np.random.default_rng(0), [], []
    for number in range(count):
        size = random.uniform(0.1, 1.2)
        corner = random.uniform(min(0, 1 - size), max(0, 1 - size), 2)
        lines = [
            (np.array(line) * size + corner + random.normal(0, 0.01, (len(line), 2))).clip(0, 1).tolist()
            for line in DIGITS[number % 10]
        ]
        png, image, ms = chromium.execute_script(DRAW, lines)
        theirs = digit_of(opened(io.BytesIO(base64.b64decode(png)), "drawing")).image
        apart.append(np.abs(np.array(image).reshape(28, 28) - theirs.astype(int)).max())
        milliseconds.append(ms)
    return np.array(apart), float(np.median(milliseconds))


def pictures(chromium: Any, reader: Reader, files: Sequence[Path]) -> str:
    """Say how many pictures, whose names begin with what they show, the page and the package read right and wrong."""
    ours, theirs = Counter[str](), Counter[str]()
    for file in files:
        content = file.read_bytes()
        label = chromium.execute_async_script(OPEN, base64.b64encode(content).decode())
        for answer, counts in ((label, ours), (reader.read(content).label, theirs)):
            counts["no answer" if answer is None else "right" if str(answer) == file.name[0] else "wrong"] += 1
    return f"{dict(ours)} by the page, {dict(theirs)} by the package"
