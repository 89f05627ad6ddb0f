"""How fast a review opens and goes on, and what a model learns from one.

    python -m tests.benchmarks.reviewing [digit-recognizer.zip]

Speed: a million rows of scores, of which 40,000 are to be reviewed. Scores and answers are made up; the command, its
server and the disk are the real ones.
Labels: digits of which one label in a hundred is wrong, a model that has learned from them, and `--labels`.
Learning, where Kaggle's zip is named: a model of the embedded digits meets 3,000 others of train.csv that are turned by
30° and drawn with a broader pen. The 300 that it is least sure of get their true labels on the page. A second model
learns from that, and both read the other 2,700.
"""

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tasks.data import digits as digit_files
from tasks.data.digits import Digits, fingerprints
from tasks.data.sources import recognise
from tasks.judging.statistics import mcnemar, measure_accuracy
from tasks.registry import history
from tasks.reviewing import suspects
from tasks.settings import Settings
from tasks.store import Artifact, Store
from tasks.words import percent
from tests import making
from tests.benchmarks.measure import digits, limit, made, missed, show
from tests.flows.reviewing.serving import Asking, serving
from tests.tasks.reviewing.scored import scored

ROWS, TO_REVIEW, ANSWERS = 1_000_000, 0.04, 200
OF_THE_KIND, CORRECTED = 3_000, 300


def speed(home: Path) -> None:
    """Open the review by the command, answer some images as the browser does, and print what that takes."""
    some, random = making.digits(4000), np.random.default_rng(0)
    rows = random.integers(0, len(some), ROWS)
    many = Digits(np.arange(1, ROWS + 1, dtype=np.int32), some.images[rows], some.known_labels[rows])
    store, confidence = Store(home / "artifacts"), random.random(ROWS)
    for name, count in (("a thousand rows", 1_000), (f"{ROWS:,} rows", ROWS)):
        scores = scored(
            store,
            many[:count],
            many.known_labels[:count],
            confidence[:count],
            below=TO_REVIEW,
            images=False,
            shard_rows=100_000,
        )
        started = time.perf_counter()
        with serving(home, scores.id) as (process, address):
            page = Asking(address)
            page.client.get(f"/?token={page.client.headers['X-Token']}").raise_for_status()
            opened, opened_cpu = time.perf_counter() - started, cpu_seconds(process.pid)
            answers, nexts = [], []
            while len(answers) < ANSWERS and (items := timed(nexts, page, "next")["items"]):
                for item in items[:ANSWERS]:
                    timed(answers, page, "answer", answers={item["index"]: "7"})
            cpu = cpu_seconds(process.pid) - opened_cpu
            # Not ru_maxrss, in which that of the parent counts.
            status = Path(f"/proc/{process.pid}/status").read_text()
        memory = int(status.partition("VmHWM:")[2].split()[0]) / 1000
        show(f"{name}: the page", opened_cpu, opened, memory)
        show(f"{name}: {len(answers)} answers", cpu, sum(answers + nexts))
        limit("seconds from the command to the page", opened, most=2 if count < ROWS else 3)
        limit("MB", memory, most=400)
        limit("median ms from an answer to the server's reply", 1000 * float(np.median(answers)), most=50)
        print(f"         median ms of the next 30 images: {1000 * float(np.median(nexts)):.0f}")


def timed(seconds: list[float], page: Asking, what: str, **body: Any) -> Any:
    """Ask, and note the seconds that it took."""
    began = time.perf_counter()
    answer = page.ask(what, **body)
    seconds.append(time.perf_counter() - began)
    return answer


def cpu_seconds(pid: int) -> float:
    user, system = map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])
    return (user + system) / os.sysconf("SC_CLK_TCK")


def wrong_labels(home: Path) -> None:
    """Train on digits of which one label in a hundred is wrong, and print how many of these `--labels` shows."""
    some = making.digits(4_400)
    labels = some.known_labels.copy()
    wrong = np.random.default_rng(0).choice(4_400, 44, replace=False)
    labels[wrong] = (labels[wrong] + 1 + np.random.default_rng(1).integers(9, size=44)) % 10
    test = making.digits(10, start=4_400)
    archive = making.write_kaggle_zip(home / "digits.zip", Digits(some.ids, some.images, labels), test)
    digits("run", "--data", str(archive), home=home)
    store = Store(home / "artifacts")
    package = store.get(history(store)[-1].package)
    prepared = store.get(next(name for name in package.manifest().inputs if name.startswith("prepared/")))
    shown = fingerprints(suspects.read(store, package).images)
    marks = fingerprints(some.images[wrong])
    for part in ("train", "validation"):
        of_part = marks[np.isin(marks, fingerprints(digit_files.read(prepared.file(f"{part}.parquet")).images))]
        print(f"  of {len(of_part)} wrong labels of the {part} part {np.isin(of_part, shown).sum()} are shown")
    print(f"  of {len(shown)} labels that are shown {np.isin(shown, marks).sum()} are wrong")


def learning(archive: str, home: Path) -> None:
    """Correct what a champion reads badly, train again, and print how the two read the rest of that kind."""
    digits("run", home=home)
    store = Store(home / "artifacts")
    champion = store.get(history(store)[-1].package)
    kind = of_another_kind(archive, store)
    scores = answers_of(store, home, champion, kind)
    truth = dict(zip(map(str, kind.ids.tolist()), kind.known_labels.tolist(), strict=True))
    corrected: set[str] = set()
    with serving(home, scores.id, "--reviewer", "truth") as (_, address):
        page = Asking(address)
        while len(corrected) < CORRECTED:
            items = page.ask("next")["items"][: CORRECTED - len(corrected)]
            page.ask("answer", answers={item["index"]: str(truth[item["id"]]) for item in items})
            corrected |= {item["id"] for item in items}
        print("\n".join(page.ask("publish")["findings"]))
    print(digits("run", "--corrections", "all", home=home).out)
    decision = history(store)[-1]
    print("\n".join(decision.reasons))
    rest = kind[np.array([name not in corrected for name in truth])]
    before, after = (
        labels(answers_of(store, home, package, rest)) == rest.known_labels
        for package in (champion, store.get(decision.package))
    )
    for name, right in (("before", before), ("after", after)):
        accuracy = measure_accuracy(right)
        low, high = map(percent, accuracy.interval)
        print(f"{name}: {percent(accuracy.accuracy)} of {accuracy.images:,} others of that kind ({low} to {high})")
    print(f"only after, only before: {mcnemar(after, before)}")
    limit("points more of the rest of that kind", 100 * float(after.mean() - before.mean()), least=5)
    limit("p of validation being read worse", decision.evidence["p_worse"], least=0.05)


def of_another_kind(archive: str, store: Store) -> Digits:
    """Return digits of train.csv that are no embedded ones, turned by 30° and with strokes about two pixels broader."""
    table = recognise(archive, Settings(home=store.root.parent)).tables["train"]
    others = digit_files.concatenate(batch.digits for batch in table.read())
    dataset = next(artifact for artifact in store.all() if artifact.kind == "dataset")
    known = [fingerprints(digit_files.read(dataset.file(f"{part}.parquet")).images) for part in ("train", "test")]
    others = others[~np.isin(fingerprints(others.images), np.concatenate(known))][:OF_THE_KIND]
    turn = cv2.getRotationMatrix2D((13.5, 13.5), 30, 1)
    pen = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    images = np.stack([cv2.dilate(cv2.warpAffine(image, turn, (28, 28)), pen) for image in others.images])
    return Digits(np.arange(1, len(images) + 1, dtype=np.int32), images, others.known_labels)


def answers_of(store: Store, home: Path, package: Artifact, some: Digits) -> Artifact:
    """Score digits by a package, and return the scores."""
    table = making.write_csv(home / "kind.csv", making.unlabelled(some))
    digits("score", str(table), "--model", package.id, home=home)
    return [artifact for artifact in store.all() if artifact.kind == "scores"][-1]


def labels(scores: Artifact) -> np.ndarray:
    """Return the answers of a submission; 255 where there is none."""
    lines = (scores.path / "submission.csv").read_text().splitlines()[1:]
    return np.array([int(line.partition(",")[2] or 255) for line in lines])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        speed(made(Path(folder) / "speed"))
        wrong_labels(made(Path(folder) / "labels"))
        for archive in sys.argv[1:2]:
            learning(str(Path(archive).resolve()), made(Path(folder) / "learning"))
    if missed:
        raise SystemExit("; ".join(missed))
