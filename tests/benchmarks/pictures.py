"""Pictures of digits, drawn and photographed in many ways, against the same digits as they are."""

import time
from pathlib import Path

import numpy as np

from tasks.data import digits as digit_files
from tasks.models.packaged import default_model
from tasks.models.scorer import Scorer
from tasks.pictures.reading import digit_of
from tasks.store import Store
from tests.benchmarks.measure import limit, show
from tests.tasks.pictures.test_reading import WAYS, picture, strokes

SOME = 150  # digits, each drawn in every way


def pictures(home: Path) -> None:
    """By the champion, on validation digits that it has not learned from."""
    store = Store(home / "artifacts")
    package, prepared = (next(one for one in store.all() if one.kind == kind) for kind in ("package", "prepared"))
    some = digit_files.read(prepared.path / "validation.parquet")
    rows = [row for row in range(len(some)) if fits(some.images[row])][:SOME]
    images, truth = some.images[rows], some.known_labels[rows]
    scorer = Scorer(default_model(package))
    plain = (scorer.probabilities(images).argmax(axis=1) == truth).mean()
    right = []
    for name, way in WAYS.items():
        drawn = [picture(way(strokes(image))) for image in images]
        started = time.process_time()
        seen = [digit_of(one) for one in drawn]
        cpu = time.process_time() - started
        read = scorer.probabilities(np.stack([one.image for one in seen])).argmax(axis=1) == truth
        flagged = sum(one.reason is not None for one in seen)
        right.append(read.mean())
        show(f"{SOME} pictures, {name}", cpu, 0, note=f"{read.mean():.2%} right, {flagged} said to be no digit")
    print(f"         the same digits as they are: {plain:.2%}")
    limit("pictures read right, percent", 100 * float(np.mean(right)), least=98)


def fits(image: np.ndarray) -> bool:
    """Whether it is no wider than the sheets that it is laid on."""
    rows, columns = np.nonzero(image > 40)
    return bool(np.ptp(columns) <= 1.2 * np.ptp(rows))
