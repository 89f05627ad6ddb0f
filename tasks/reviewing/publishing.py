"""What a review came to: the artifact `review`, with people's answers in place of the model's.

submission.csv       that of scores, with what people say; what is no digit has no answer
corrections.parquet  every image that was decided on, with both answers: what the next model can learn from
review.html          what was changed, how far people agree, and how wrong the answers are that the model was sure of
"""

import csv
import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.data.digits import PIXELS, column, fingerprints, texts
from tasks.errors import UsageError
from tasks.judging.calibration import Expected
from tasks.judging.statistics import Accuracy, measure_accuracy
from tasks.models.packaged import LEARNED
from tasks.reports import html
from tasks.reviewing.answers import NO_DIGIT, Agreement, Entry, Log, agreement, decided, readers
from tasks.reviewing.corrections import ALL, CORRECTIONS, SCHEMA, read, reviews_of
from tasks.reviewing.items import UNREAD, Items
from tasks.scoring import delivery, inbox
from tasks.scoring.outputs import SUBMISSION
from tasks.scoring.scores import Beside, ScoresMetrics
from tasks.store import Artifact, Draft, Store
from tasks.store.provenance import commit, versions
from tasks.words import counted, percent

PAGE = "review.html"
SHOWN = 500  # changed images on the page


@dataclass(frozen=True)
class ReviewMetrics:
    """The figures of a review.

    rows: of scores, or labels that look wrong, of which `to_review` were to be looked at. read: rows that people have
    decided on, those of an audit among them; `changed` to another answer than was there, `no_digit` of these to none.
    undecided: rows on which two people differ, where the answer stays. reviewers: answers by name.
    audited: the model's accuracy on rows that were not to be reviewed, drawn at random; None without an audit.
    promised: as in `ScoresMetrics.expected`.
    beside: as in `ScoresMetrics`, of the rows that people have decided on; None without a second package.
    """

    rows: int
    to_review: int
    read: int
    changed: int
    no_digit: int
    undecided: int
    reviewers: dict[str, int]
    agreement: Agreement | None
    audited: Accuracy | None
    promised: Expected | None
    beside: Beside | None = None


def publish(store: Store, reviewed: Artifact, items: Items, log: Log) -> Artifact:
    """Publish what people have answered so far; the same answers once more are found.

    reviewed: scores, or the package by which labels look wrong, of which there is no submission.
    Where scores are of a file of the inbox, its outbox gets the new submission as well.
    Raises: UsageError if nothing is decided yet; StoreError.
    """
    log.refresh()
    entries = [decided(log.readings.get(row, {})) for row in items.rows.tolist()]
    chosen = [(index, entry) for index, entry in enumerate(entries) if entry]
    if not chosen:
        raise UsageError(
            "nobody has decided on anything yet",
            file=str(log.path),
            remedy=f"answer some images first: {command(reviewed)}",
        )

    def build(draft: Draft) -> ReviewMetrics:
        metrics = replace(_metrics(reviewed, items, log, chosen), beside=_beside(store, reviewed, items, chosen))
        if before := reviewed.file_if_any(SUBMISSION):
            _write_submission(before, draft.folder / SUBMISSION, {entry.row: entry for _, entry in chosen})
        pq.write_table(_corrections(items, chosen), draft.folder / CORRECTIONS, compression="zstd")
        (draft.folder / PAGE).write_text(_page(reviewed, items, chosen, metrics), encoding="utf-8")
        return metrics

    held = [by_name for row, by_name in sorted(log.readings.items())]
    digest = hashlib.sha256(repr([list(by_name.values()) for by_name in held]).encode()).hexdigest()
    review = store.make("review", build, code=__name__, parameters={"answers": digest}, inputs=[reviewed])
    if target := inbox.reviewed_result(reviewed):
        delivery.deliver(review, str(target))
    return review


def command(reviewed: Artifact) -> str:
    """Return the command that reviews scores, or the labels that look wrong by a package."""
    return f"digits review {'' if reviewed.kind == 'scores' else '--labels '}{reviewed.id}"


def title(reviewed: Artifact) -> str:
    """Return what is reviewed, for people."""
    return str(reviewed.manifest().source["data"]) if reviewed.kind == "scores" else "labels that look wrong"


def count_new(store: Store) -> int:
    """Count the images whose last answer, in all reviews, no training part was made with. Raises: StoreError."""
    reviews = reviews_of(store, ALL)
    learned = {name for artifact in store.all() if artifact.kind == "prepared" for name in artifact.manifest().inputs}
    everything, known = read(reviews), read([review for review in reviews if review.name in learned])
    answers, known_answers = (
        set(zip(fingerprints(part.images).tolist(), part.known_labels.tolist(), strict=True))
        for part in (everything, known)
    )
    return len(answers - known_answers)


def _metrics(reviewed: Artifact, items: Items, log: Log, chosen: list[tuple[int, Entry]]) -> ReviewMetrics:
    scored = reviewed.measured(ScoresMetrics) if reviewed.kind == "scores" else None
    right = {index: entry.answer == str(items.labels[index]) for index, entry in chosen}
    audited = np.array([right[index] for index, _ in chosen if not items.review[index]], bool)
    known = {row: log.readings[row] for row in items.rows.tolist() if row in log.readings}
    return ReviewMetrics(
        rows=scored.rows if scored else len(items.rows),
        to_review=int(items.review.sum()),
        read=len(chosen),
        changed=sum(not value for value in right.values()),
        no_digit=sum(entry.answer == NO_DIGIT for _, entry in chosen),
        undecided=sum(bool(readers(by_name)) and not decided(by_name) for by_name in known.values()),
        reviewers=dict(Counter(entry.reviewer for by_name in known.values() for entry in readers(by_name))),
        agreement=agreement(known),
        audited=measure_accuracy(audited) if len(audited) else None,
        promised=scored.expected if scored else None,
    )


def _beside(store: Store, reviewed: Artifact, items: Items, chosen: list[tuple[int, Entry]]) -> Beside | None:
    """Count who is right where two packages differ, by people; not of images that either of them has learned from."""
    beside = reviewed.measured(ScoresMetrics).beside if reviewed.kind == "scores" else None
    if not beside:
        return None
    indices = np.array([index for index, _ in chosen])
    packages = [store.find(name) for name in (reviewed.manifest().inputs[0], beside.package)]
    learned = [np.load(package.file(LEARNED)) for package in packages if package]
    new = ~np.isin(fingerprints(items.images[indices]), np.concatenate([*learned, np.empty(0, np.uint64)]))
    first, second = items.labels[indices], items.beside[indices]
    truth = np.array([entry.answer for _, entry in chosen])
    counted_rows = new & (first != second) & (first != UNREAD)
    return Beside(
        beside.package,
        differ=int(counted_rows.sum()),
        only_first=int((counted_rows & (first.astype(str) == truth)).sum()),
        only_second=int((counted_rows & (second.astype(str) == truth)).sum()),
    )


def _write_submission(source: Path, target: Path, answers: Mapping[int, Entry]) -> None:
    """Copy a submission with people's answers in its second column."""
    with source.open(encoding="utf-8", newline="") as before, target.open("w", encoding="utf-8", newline="") as after:
        writer = csv.writer(after, lineterminator="\n")
        for number, cells in enumerate(csv.reader(before)):
            if entry := answers.get(number - 1):  # after the header
                cells[1] = "" if entry.answer == NO_DIGIT else entry.answer
            writer.writerow(cells)


def _corrections(items: Items, chosen: list[tuple[int, Entry]]) -> pa.Table:
    indices = np.array([index for index, _ in chosen])
    entries = [entry for _, entry in chosen]
    answers = np.array([UNREAD if entry.answer == NO_DIGIT else int(entry.answer) for entry in entries], np.uint8)
    labels = items.labels[indices]
    columns = {
        "id": texts([entry.id for entry in entries]),
        "image": column(items.images[indices], pa.binary(PIXELS)),
        "label": column(labels, pa.uint8(), labels == UNREAD),
        "confidence": column(items.confidence[indices], pa.float32(), labels == UNREAD),
        "answer": column(answers, pa.uint8(), answers == UNREAD),
        "reviewer": texts([entry.reviewer for entry in entries]),
        "time": texts([entry.time for entry in entries]),
        "audited": column(~items.review[indices], pa.bool_()),
    }
    return pa.table(columns, schema=SCHEMA)


# --- The page ---------------------------------------------------------------------------------------------------


def _page(reviewed: Artifact, items: Items, chosen: list[tuple[int, Entry]], metrics: ReviewMetrics) -> str:
    changed = [(index, entry) for index, entry in chosen if entry.answer != str(items.labels[index])]
    # What the model was surest of is the worst.
    changed.sort(key=lambda pair: -items.confidence[pair[0]])
    return html.render(
        "review.html",
        title=f"Review of {title(reviewed)}",
        headline=f"{counted(metrics.changed, 'answer')} of {metrics.read:,} that people read "
        f"{'was' if metrics.changed == 1 else 'were'} changed.",
        findings=findings(metrics),
        reviewed=reviewed.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        metrics=metrics,
        changed=[
            (items.images[index], entry, None if items.labels[index] == UNREAD else int(items.labels[index]))
            for index, entry in changed[:SHOWN]
        ],
        confidence=[float(items.confidence[index]) for index, _ in changed[:SHOWN]],
        reproduce=f"{command(reviewed)} --publish",
        commit=commit(),
        versions=versions(),
    )


def findings(metrics: ReviewMetrics) -> list[str]:
    """Return what a review came to, in sentences."""
    names = ", ".join(f"{name} ({answers:,})" for name, answers in metrics.reviewers.items())
    wanted = metrics.read - (metrics.audited.images if metrics.audited else 0)
    to_review, were = counted(metrics.to_review, "answer"), "was" if wanted == 1 else "were"
    sentences = [f"Of {to_review} to look at {wanted:,} {were} decided on, by {names}."]
    if metrics.no_digit:
        sentences.append(f"No digit, and without an answer now: {counted(metrics.no_digit, 'image')}.")
    if metrics.undecided:
        sentences.append(
            f"On {counted(metrics.undecided, 'image')} two people differ: the model's answer stays until a third reads."
        )
    if measured := metrics.agreement:
        kappa = "" if measured.kappa is None else f", Cohen's kappa {measured.kappa:.3f}"
        share = percent(measured.agreed / measured.images)
        sentences.append(f"Of {counted(measured.images, 'image')} that two have read they agree on {share}{kappa}.")
    if (beside := metrics.beside) and beside.differ:
        sentences.append(
            f"Of these {beside.package} had answered {beside.differ:,} otherwise: it alone was right on "
            f"{beside.only_second:,}, the model of the scores alone on {beside.only_first:,}."
        )
    if metrics.audited:
        sentences += _audit(metrics.audited, metrics.promised)
    return sentences


def _audit(audited: Accuracy, promised: Expected | None) -> list[str]:
    low, high = (1 - bound for bound in reversed(audited.interval))
    wrong = audited.images - round(audited.accuracy * audited.images)
    sentences = [
        f"Audit: {wrong:,} of {counted(audited.images, 'answer')} that the model was sure of "
        f"{'is' if wrong == 1 else 'are'} wrong, {percent(1 - audited.accuracy)} "
        f"(95 % sampling interval {percent(low)} to {percent(high)})."
    ]
    if promised:
        verdict = "more than promised" if low > promised.wrong_at_most else "which this does not contradict"
        at_most = percent(promised.wrong_at_most)
        sentences.append(f"Validation had promised {percent(promised.wrong)} wrong, {at_most} at most: {verdict}.")
    else:
        sentences.append("Validation had promised nothing, since these digits may be unlike its own.")
    return sentences
