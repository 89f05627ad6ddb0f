"""Submissions to Kaggle's competition, sent with the user's own credentials, and the log of their public scores.

The log, `submissions.jsonl` beside the artifacts, only grows. What was sent, Kaggle's own list knows: each submission's
description ends with the name of its scores.
"""

import contextlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tasks.data.downloads import COMPETITION, KAGGLE_PAGE, AttemptError, ask_kaggle
from tasks.errors import DataError, FetchError, StoreError
from tasks.scoring.outputs import SUBMISSION
from tasks.scoring.scores import ScoresMetrics
from tasks.store import Artifact, Store, unwritable
from tasks.store.files import append
from tasks.store.locks import locked
from tasks.store.typed import as_json, parsed

LOG = "submissions.jsonl"
ROWS = 28_000  # of the competition's test.csv
POLL, PATIENCE = 5.0, 600.0  # seconds between two looks for the score, and for all of them


@dataclass(frozen=True)
class Submission:
    """Scores that Kaggle has judged. score: public, a share of 0-1. told: when Kaggle said so, ISO 8601."""

    scores: str
    package: str
    score: float
    message: str
    told: str


def submissions(store: Store) -> list[Submission]:
    """Return all submissions with a score, the oldest first. Raises: StoreError if the log cannot be read."""
    path = store.root / LOG
    lines = path.read_bytes().splitlines() if path.exists() else []
    what, remedy = "the submission cannot be read", "correct the line, or remove it"
    return [
        parsed(Submission, line, what, file=path, row=number, remedy=remedy)
        for number, line in enumerate(lines, start=1)
    ]


def choose(store: Store, scores_id: str | None) -> Artifact:
    """Return the scores of this id, or the newest of as many rows as the competition has.

    Raises: DataError if they are of another number of rows; StoreError if there are none.
    """
    if scores_id is None:
        for scores in reversed(store.all()):
            # One that is damaged, or made by another version, keeps no other from being chosen.
            with contextlib.suppress(StoreError):
                if scores.kind == "scores" and scores.measured(ScoresMetrics).rows == ROWS:
                    return scores
        remedy = "score the competition's test.csv by `digits score`"
        raise StoreError(f"no scores have the {ROWS:,} rows of the competition", remedy=remedy)
    scores = store.get(scores_id)
    if scores.kind != "scores":
        raise StoreError("these are no scores", received=scores.name, remedy="see `digits artifacts scores`")
    rows = scores.measured(ScoresMetrics).rows
    if rows != ROWS:
        what = "this is no submission to the competition"
        raise DataError(what, file=scores.name, expected=f"{ROWS:,} rows", received=f"{rows:,}")
    return scores


def submit(store: Store, scores: Artifact, message: str) -> Submission:
    """Send the submission unless that was done, wait for its public score, and keep that in the log.

    Raises: AccessError without credentials, and nothing is sent; FetchError without a network, or where there is no
    score after ten minutes; DataError if Kaggle refuses the file.
    """
    try:
        with locked(store.root / f".{LOG}.lock", "another submission is being sent: waiting for it"):
            for submission in submissions(store):
                if submission.scores == scores.name:
                    return submission
            before = _at_kaggle(scores)
            refused = before.ref if before and before.status.name == "ERROR" else None
            if before is None or refused:
                _send(scores, message)
            entry = _judged(scores, refused)
            if entry.status.name == "ERROR":
                raise DataError("Kaggle refuses the submission", file=scores.name, received=entry.error_description)
            package, told = scores.manifest().inputs[0], datetime.now(UTC).isoformat(timespec="seconds")
            submission = Submission(scores.name, package, float(entry.public_score), entry.description, told)
            append(store.root / LOG, [as_json(submission)])
            return submission
    except OSError as error:
        raise unwritable(store.root, error) from error


def _send(scores: Artifact, message: str) -> None:
    path = scores.file(SUBMISSION)

    def send(api: Any) -> None:
        answer = api.competition_submit(str(path), f"{message} {_mark(scores)}".strip(), COMPETITION, quiet=True)
        if answer.message == api.COMPETITION_SUBMIT_UPLOAD_FAILED_MESSAGE:
            raise AttemptError("Kaggle has not taken the file; to go on, try again")

    ask_kaggle(send, "the submission cannot be sent", f"send {path} by hand at {KAGGLE_PAGE}/submit")


def _judged(scores: Artifact, refused: int | None) -> Any:
    """Wait for Kaggle's judgement of these scores, not that of an earlier try which it has refused."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        entry = _at_kaggle(scores)
        if entry and entry.ref != refused and entry.status.name != "PENDING":
            return entry
        time.sleep(POLL)
    remedy = "ask again by the same command, which does not send it again"
    raise FetchError("Kaggle has given no score yet", file=scores.name, remedy=remedy)


def _at_kaggle(scores: Artifact) -> Any:
    """Return the newest submission of these scores in Kaggle's list, as its client has it; None without one."""
    failure, by_hand = "Kaggle's submissions cannot be read", f"look at {KAGGLE_PAGE}/submissions"
    listed = ask_kaggle(lambda api: api.competition_submissions(COMPETITION, page_size=100), failure, by_hand)
    return next((entry for entry in listed or [] if _mark(scores) in (entry.description or "")), None)


def _mark(scores: Artifact) -> str:
    return f"[{scores.name}]"
