"""Pictures of digits drawn in many ways, with and without each clever part of the reading; and of what is no digit.

Prints tables in Markdown, which stand in docs/pictures-sheet.md, and draws docs/pictures-sheet.png.
"""

import contextlib
import io
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from unittest.mock import patch

import numpy as np
from PIL import Image, ImageDraw

from tasks.data import digits as digit_files
from tasks.judging import familiarity
from tasks.judging.familiarity import Familiarity, Limits
from tasks.judging.statistics import softmax
from tasks.models.packaged import FLOAT32, PackageMetrics
from tasks.models.scorer import Scorer
from tasks.pictures import form, ink, reading
from tasks.pictures.files import opened
from tasks.scoring.scores import Options
from tasks.store import Store
from tests.benchmarks import strangers
from tests.benchmarks.measure import ROOT, limit
from tests.tasks.pictures import ways

DRAWN = 60  # digits a way; of the largest pictures FEW
FEW = 20
STRANGE = 200
KNOWN = 6_000  # validation digits that the familiarity is measured on; the others are drawn
Known = tuple[Familiarity, Limits]
File = tuple[bytes, int]  # with its label

# Each clever part, and what stands for it where it is left out.
PARTS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "all": contextlib.nullcontext,
    "no light": lambda: patch.object(ink, "light_of", lambda view, paper: np.ones(1, np.float32)),
    "no lines": lambda: patch.object(reading, "without_lines", lambda strokes: strokes),
    "no border": lambda: patch.object(ink, "without_border", lambda total, contact, shape: total),
    "no thickening": lambda: patch.object(form, "STROKE", 0),
    "no specks": lambda: patch.object(ink, "SPECKS", 0),
}


def pictures(home: Path) -> None:
    """By the champion, on validation digits that it has not learned from, and reads right as they are."""
    store = Store(home / "artifacts")
    package, prepared = (
        next(artifact for artifact in store.all() if artifact.kind == kind) for kind in ("package", "prepared")
    )
    digits = digit_files.read(prepared.path / "validation.parquet")
    temperature = package.measured(PackageMetrics).calibration.temperature
    scorer = Scorer(package.file(FLOAT32), temperature=temperature)
    answers = scorer.logits(digits.images)
    known = familiarity.measure(digits.images[:KNOWN], answers[:KNOWN])
    _false_alarms(digits.images[KNOWN:], answers[KNOWN:], known)
    _speed(digits.images[:12])
    right = KNOWN + np.flatnonzero(answers.argmax(axis=1)[KNOWN:] == digits.known_labels[KNOWN:])
    drawn = _drawn(digits.images[right], digits.known_labels[right])
    _draw_sheet(drawn, ROOT / "docs" / "pictures-sheet.png")
    _ways(drawn, scorer, known)
    _strangers(strangers.all_strangers(digits.images[KNOWN:], STRANGE), scorer, known)


def _drawn(images: np.ndarray, labels: np.ndarray) -> dict[str, list[File]]:
    """Draw digits in every way."""
    sets: dict[str, list[File]] = {}
    for name, way in (ways.sized() | ways.WAYS).items():
        random = np.random.default_rng(0)
        count = FEW if name.endswith(("900", "2000")) else DRAWN
        sets[name] = [(way(images[at], random), int(labels[at])) for at in range(count)]
    sets["matplotlib's fonts"] = ways.by_matplotlib(np.random.default_rng(0), 2 * DRAWN)
    sets["Pillow's font"] = ways.by_pillow(np.random.default_rng(0), 2 * DRAWN)
    return sets


def _ways(sets: dict[str, list[File]], scorer: Scorer, known: Known) -> None:
    print(f"| way | pictures | {' | '.join(PARTS)} | refused | reviewed |")
    print(f"|---|{'---|' * (len(PARTS) + 3)}")
    shares = []
    for name, files in sets.items():
        truth = np.array([label for _, label in files])
        right = []
        for leave_out in PARTS.values():
            with leave_out():
                images = _seen([file for file, _ in files])
            answers = scorer.logits(images)
            right.append((answers.argmax(axis=1) == truth).mean())
            if len(right) == 1:
                refused, reviewed = _flagged(known, images, answers)
        # Where a part changes nothing, its cell stays empty.
        shown = [right[0], *(share if share != right[0] else None for share in right[1:]), refused, reviewed]
        print(f"| {name} | {len(files)} | {' | '.join(map(_percent, shown))} |", flush=True)
        shares.append(right)
    means = np.mean(shares, axis=0)
    print(f"| **mean** | | {' | '.join(map(_percent, means))} | | |")
    limit("pictures read right, percent, mean of the ways", 100 * means[0], least=99)
    limit("pictures read right, percent, worst way", 100 * min(way[0] for way in shares), least=95)


def _draw_sheet(sets: dict[str, list[File]], path: Path) -> None:
    """Draw two pictures of each way, and beside each what the model sees."""
    columns, height, side = 4, 76, 60
    rows = -(-len(sets) // columns)
    sheet = Image.new("RGB", (columns * 4 * (side + 4), rows * height), "lightsteelblue")
    pen = ImageDraw.Draw(sheet)
    for at, (name, files) in enumerate(sets.items()):
        left, top = at // rows * 4 * (side + 4), at % rows * height
        pen.text((left, top), name, "black")
        for place, (file, _) in enumerate(files[1:3]):
            picture = opened(io.BytesIO(file), name)
            shown = Image.fromarray(picture).resize(_fitted(picture.shape, side), Image.Resampling.BOX)
            model_sees = Image.fromarray(reading.digit_of(picture).image).resize((side, side), Image.Resampling.NEAREST)
            sheet.paste(shown, (left + place * 2 * (side + 2), top + 13))
            sheet.paste(model_sees, (left + (place * 2 + 1) * (side + 2), top + 13))
    sheet.quantize(64).save(path, optimize=True)


def _fitted(shape: tuple[int, ...], side: int) -> tuple[int, int]:
    scale = side / max(shape)
    return max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale))


def _strangers(sets: dict[str, list[bytes]], scorer: Scorer, known: Known) -> None:
    print("| what is no digit | pictures | no answer | no answer, or reviewed |\n|---|---|---|---|")
    shares = []
    for name, files in sets.items():
        images = _seen(files)
        refused, reviewed = _flagged(known, images, scorer.logits(images))
        print(f"| {name} | {len(files)} | {_percent(refused)} | {_percent(reviewed)} |", flush=True)
        shares.append(reviewed)
    limit("not digits: no answer or reviewed, percent", 100 * float(np.mean(shares)), least=95)


def _false_alarms(images: np.ndarray, logits: np.ndarray, known: Known) -> None:
    """Of digits as they are, which neither model nor limits have seen; beside those that are too unsure anyway."""
    refused, reviewed = _flagged(known, images, logits)
    sure = softmax(logits).max(axis=1) >= Options().review_below
    _, reviewed_though_sure = _flagged(known, images[sure], logits[sure])
    print(
        f"of {len(images):,} digits {_percent(refused)} no answer, {_percent(reviewed)} reviewed for their strangeness"
    )
    limit("digits that get no answer, percent", 100 * refused, most=0.3)
    limit("digits reviewed for their strangeness alone, percent", 100 * reviewed_though_sure * sure.mean(), most=3)


def _flagged(known: Known, images: np.ndarray, logits: np.ndarray) -> tuple[float, float]:
    """Return the shares of images that get no answer, and that get none or are reviewed for their strangeness."""
    inkless = ~images.any(axis=(1, 2))
    familiar, limits = known
    strangeness = familiar.strangeness(images, logits)
    refused, reviewed = (inkless | (strangeness > limit) for limit in (limits.refuse, limits.review))
    return float(refused.mean()), float(reviewed.mean())


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _seen(files: list[bytes]) -> np.ndarray:
    """Return what the model sees, uint8 (n, 28, 28)."""
    return np.stack([reading.digit_of(opened(io.BytesIO(file), "picture")).image for file in files])


def _speed(digits: np.ndarray) -> None:
    """Without the model."""
    for side, least in ((100, 300), (1_000, 60)):
        ink_of_digits = [ways.margin(ways.scaled(digit, side // 2), 0.5) for digit in digits]
        files = [draw(strokes) for strokes in ink_of_digits for draw in (ways.gray, ways.binarised)]
        best = min(_cpu(files) for _ in range(5))
        limit(f"pictures of {side} × {side} a CPU second", len(files) / best, least=least)


def _cpu(files: list[bytes]) -> float:
    started = time.process_time()
    _seen(files)
    return time.process_time() - started
