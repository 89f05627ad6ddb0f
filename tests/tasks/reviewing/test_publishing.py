"""A review puts people's answers in place, tells what they found, and is the same for the same answers."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tasks.errors import UsageError
from tasks.judging.calibration import Expected
from tasks.judging.statistics import Accuracy
from tasks.registry import garbage
from tasks.reviewing import items
from tasks.reviewing.answers import Agreement, Log
from tasks.reviewing.publishing import ReviewMetrics, findings, publish
from tasks.scoring.inbox import Inbox, make_folders
from tasks.scoring.scores import Beside
from tasks.store import Artifact, Store
from tests import making
from tests.tasks.reviewing.scored import scored

DIGITS = making.digits(100)
TRUTH = DIGITS.known_labels
CONFIDENCE = np.linspace(0.5, 1, 100)  # 90 are to be reviewed
ANSWERED = np.where(np.isin(np.arange(100), [3, 7, 95]), (TRUTH + 1) % 10, TRUTH).astype(np.uint8)


@pytest.fixture
def scores(store: Store) -> Artifact:
    return scored(store, DIGITS, ANSWERED, CONFIDENCE, doubted=[5])


def test_people_say_who_was_right_where_a_second_package_differs(store: Store, tmp_path: Path) -> None:
    """Of rows 3, 7 and 95, which the first reads wrong, the second reads 3 and 7 right; it reads 10 wrong itself."""
    beside = np.where(np.isin(np.arange(100), [10, 95]), (TRUTH + 2) % 10, TRUTH).astype(np.uint8)
    scores = scored(store, DIGITS, ANSWERED, CONFIDENCE, beside=beside)
    log = Log(tmp_path / "reviews", scores)
    log.add({row: (str(row + 1), str(TRUTH[row])) for row in (3, 4, 7, 10, 95)}, "ann")  # type: ignore[misc]
    metrics = published(store, scores, log).measured(ReviewMetrics)
    assert metrics.beside == Beside("package/bbbbbbbbbbbb", differ=4, only_first=1, only_second=2)
    assert findings(metrics)[1] == (
        "Of these package/bbbbbbbbbbbb had answered 4 otherwise: it alone was right on 2, the model of the scores "
        "alone on 1."
    )


def published(store: Store, scores: Artifact, log: Log) -> Artifact:
    return publish(store, scores, items.read(scores), log)


def test_peoples_answers_take_the_place_of_the_models(store: Store, scores: Artifact, tmp_path: Path) -> None:
    log = Log(tmp_path / "reviews", scores)
    log.add({3: ("4", str(TRUTH[3])), 4: ("5", str(TRUTH[4])), 5: ("6", "none"), 7: ("8", "skip")}, "ann")  # type: ignore[dict-item]
    log.add({95: ("96", str(TRUTH[95])), 97: ("98", str(TRUTH[97]))}, "ben")  # type: ignore[dict-item]
    review = published(store, scores, log)
    before, after = ((one.path / "submission.csv").read_text().splitlines() for one in (scores, review))
    changed = {number: line for number, line in enumerate(after) if line != before[number]}
    assert changed == {4: f"4,{TRUTH[3]}", 96: f"96,{TRUTH[95]}"}
    assert after[6] == "6,"
    metrics = review.measured(ReviewMetrics)
    assert (metrics.rows, metrics.to_review, metrics.read) == (100, 90, 5)
    assert (metrics.changed, metrics.no_digit, metrics.undecided) == (3, 1, 0)
    assert metrics.reviewers == {"ann": 3, "ben": 2}
    assert metrics.audited is not None
    assert (metrics.audited.images, metrics.audited.accuracy) == (2, 0.5)
    rows = pq.read_table(review.path / "corrections.parquet").to_pylist()
    assert [(row["id"], row["answer"], row["reviewer"], row["audited"]) for row in rows] == [
        ("4", TRUTH[3], "ann", False),
        ("5", TRUTH[4], "ann", False),
        ("6", None, "ann", False),
        ("96", TRUTH[95], "ben", True),
        ("98", TRUTH[97], "ben", True),
    ]
    assert rows[0]["image"] == DIGITS.images[3].tobytes()
    assert rows[0]["label"] == ANSWERED[3]
    assert rows[2]["label"] is None
    page = (review.path / "review.html").read_text()
    assert "3 answers of 5 that people read were changed." in page
    assert page.count('<img class="digit"') == 3


def test_the_same_answers_are_published_once_and_others_anew(store: Store, scores: Artifact, tmp_path: Path) -> None:
    log = Log(tmp_path, scores)
    log.add({3: ("4", "1")}, "ann")
    first = published(store, scores, log)
    assert published(store, scores, log) == first
    log.add({4: ("5", "1")}, "ann")
    assert published(store, scores, log) != first


def test_two_who_publish_at_once_publish_the_same(store: Store, scores: Artifact, tmp_path: Path) -> None:
    log = Log(tmp_path, scores)
    log.add({3: ("4", "1")}, "ann")
    reviews: list[Artifact] = []
    threads = [
        threading.Thread(target=lambda: reviews.append(published(store, scores, Log(tmp_path, scores))))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reviews) == 2
    assert reviews[0] == reviews[1]
    assert [artifact.kind for artifact in store.all()] == ["scores", "review"]


def test_before_the_first_answer_there_is_nothing_to_publish(store: Store, scores: Artifact, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"nobody has decided on anything yet; .* digits review {scores.id}"):
        published(store, scores, Log(tmp_path, scores))


def test_a_file_of_the_inbox_gets_its_reviewed_answers_in_the_outbox(store: Store, tmp_path: Path) -> None:
    folders = Inbox(tmp_path / "data")
    make_folders(folders)
    scores = scored(store, DIGITS, ANSWERED, CONFIDENCE, source=folders.working / "forms.csv" / "forms.csv")
    log = Log(tmp_path, scores)
    log.add({3: ("4", str(TRUTH[3]))}, "ann")  # type: ignore[dict-item]
    review = published(store, scores, log)
    assert (folders.outbox / "forms.reviewed.csv").read_bytes() == (review.path / "submission.csv").read_bytes()


def test_garbage_collection_leaves_reviews_though_it_takes_the_scores(
    store: Store, scores: Artifact, tmp_path: Path
) -> None:
    log = Log(tmp_path, scores)
    log.add({3: ("4", "1")}, "ann")
    review = published(store, scores, log)
    later = datetime.now(UTC) + timedelta(days=100)
    assert [item.name for item in garbage.remove(store, now=later)] == [scores.name]
    assert store.all() == [review]


def test_the_interval_of_the_audit_holds_the_true_error_in_eighteen_of_twenty_reviews(
    store: Store, tmp_path: Path
) -> None:
    many = making.digits(4000)
    truth, random = many.known_labels, np.random.default_rng(1)
    wrong = random.random(4000) < 0.03
    answers = np.where(wrong, (truth + 1) % 10, truth).astype(np.uint8)
    holds = 0
    for number in range(20):
        # Another confidence each time: other rows are to be reviewed, and others are drawn.
        confidence = random.random(4000)
        scores = scored(store, many, answers, confidence, below=0.1 + number / 200)
        shown = items.read(scores)
        log = Log(tmp_path, scores)
        audit = [index for index in shown.order(300).tolist() if not shown.review[index]]
        log.add({int(shown.rows[index]): ("", str(truth[shown.rows[index]])) for index in audit}, "ann")  # type: ignore[misc]
        audited = published(store, scores, log).measured(ReviewMetrics).audited
        assert audited is not None
        low, high = (1 - bound for bound in reversed(audited.interval))
        holds += low <= wrong[shown.rows[~shown.review]].mean() <= high
    assert holds >= 18


METRICS = ReviewMetrics(1000, 90, 320, 13, 1, 2, {"ann": 300, "ben": 60}, None, None, None)


def test_findings_are_sentences() -> None:
    measured = replace(
        METRICS,
        agreement=Agreement(40, 38, 0.944),
        audited=Accuracy(300, 0.99, (0.97, 0.995)),
        promised=Expected(0.09, 0.001, 0.004),
    )
    assert [sentence.replace("\u00a0", " ") for sentence in findings(measured)] == [
        "Of 90 answers to look at 20 were decided on, by ann (300), ben (60).",
        "No digit, and without an answer now: 1 image.",
        "On 2 images two people differ: the model's answer stays until a third reads.",
        "Of 40 images that two have read they agree on 95.00 %, Cohen's kappa 0.944.",
        "Audit: 3 of 300 answers that the model was sure of are wrong, 1.00 % "
        "(95 % sampling interval 0.50 % to 3.00 %).",
        "Validation had promised 0.10 % wrong, 0.40 % at most: more than promised.",
    ]
    assert len(findings(METRICS)) == 3
