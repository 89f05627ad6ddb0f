"""How fast a review opens and goes on: a million rows of scores, of which 40,000 are to be reviewed.

    python -m tests.benchmarks.reviewing

Scores and answers are made up; the reading and the desk are the real ones, in a process of their own.
"""

import multiprocessing
import tempfile
import time
from pathlib import Path

import numpy as np

from tasks.data.digits import Digits
from tasks.store import Artifact, Store
from tests import making
from tests.tasks.reviewing.scored import scored

ROWS, TO_REVIEW, ANSWERS = 1_000_000, 0.04, 200


def made(root: Path) -> Artifact:
    """Publish scores of real digits, each many times, with a confidence at random."""
    some, random = making.digits(4000), np.random.default_rng(0)
    rows = random.integers(0, len(some), ROWS)
    many = Digits(np.arange(1, ROWS + 1, dtype=np.int32), some.images[rows], some.known_labels[rows])
    confidence = random.random(ROWS)
    return scored(Store(root), many, many.known_labels, confidence, below=TO_REVIEW, images=False, shard_rows=100_000)


def measure(root: Path) -> None:
    """Open the review, answer some images, and print what that took."""
    started, cpu = time.perf_counter(), time.process_time()
    from tasks.reviewing import items
    from tasks.reviewing.answers import Log
    from tasks.reviewing.desk import Desk

    scores = items.choose(Store(root), None)
    desk = Desk(items.read(scores), Log(root, scores), "bench")
    shown = desk.next("tab", ANSWERS)
    opened, opened_cpu = time.perf_counter() - started, time.process_time() - cpu
    # Not ru_maxrss, in which that of the parent counts.
    status = Path("/proc/self/status").read_text()
    memory = int(status.partition("VmHWM:")[2].split()[0]) / 1000
    seconds = []
    for index in shown:
        began = time.perf_counter()
        desk.answer({index: "7"})
        desk.progress()
        desk.next("tab", 30)
        seconds.append(time.perf_counter() - began)
    print(f"opened   {opened:.2f} s, {opened_cpu:.2f} CPU seconds, {memory:.0f} MB at most")
    print(f"answer   {1000 * np.median(seconds):.0f} ms, 95 % within {1000 * np.quantile(seconds, 0.95):.0f} ms")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        made(Path(folder))
        process = multiprocessing.get_context("spawn").Process(target=measure, args=(Path(folder),))
        process.start()
        process.join()
