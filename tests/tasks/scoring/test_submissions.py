"""Submissions, against a server on this machine in Kaggle's place."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import AccessError, DataError, FetchError
from tasks.scoring import submissions
from tasks.scoring.submissions import choose, submit
from tasks.store import Artifact, Store

CONTENT = b"ImageId,Label\n1,7\n"
SERVICE = "/api/v1/competitions.CompetitionApiService/"


class Kaggle:
    """A server that behaves like Kaggle's API: it takes a file, and judges it once it was asked for twice.

    asked: the methods that were called. verdict: what it says of each submission.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.files: list[bytes] = []
        self.listed: list[dict[str, Any]] = []
        self.verdict: dict[str, Any] = {"status": "COMPLETE", "publicScore": "0.98764"}
        self.status = 200

    def answer(self, method: str, body: bytes, address: str) -> dict[str, Any]:
        self.asked.append(method)
        request = json.loads(body) if body.startswith(b"{") else {}
        if method == "IntrospectToken":
            return {"active": True, "username": "somebody"}
        if method == "StartSubmissionUpload":
            return {"token": "file-1", "createUrl": f"{address}/upload"}
        if method == "upload":
            self.files.append(body)
        if method == "CreateSubmission":
            entry = {"ref": 7 + len(self.listed), "description": request["submissionDescription"], "status": "PENDING"}
            self.listed.insert(0, entry)
            return {"ref": entry["ref"], "message": "Successfully submitted"}
        if method == "ListSubmissions":
            answer = json.loads(json.dumps({"submissions": self.listed}))
            for entry in self.listed[:1]:
                entry.update(self.verdict)
            return answer  # type: ignore[no-any-return]
        return {}


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaggle]:
    """A server that all of Kaggle's client talks to, and a token that it knows."""
    from kaggle.api.kaggle_api_extended import KaggleApi
    from kagglesdk import kaggle_env  # type: ignore[import-untyped]

    kaggle = Kaggle()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            host, port = self.server.server_address[:2]
            method = self.path.rpartition("/")[2]
            content = json.dumps(kaggle.answer(method, body, f"http://{host!s}:{port}")).encode()
            self.send_response(kaggle.status if method.endswith("Submission") else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_PUT = do_POST  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    home = tmp_path / "person"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAGGLE_API_TOKEN", "secret")
    address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, address)
    monkeypatch.setattr(KaggleApi, "args", ["--local"])
    monkeypatch.setattr(KaggleApi, "config", str(home / "kaggle.json"))
    monkeypatch.setattr(submissions, "POLL", 0.0)
    monkeypatch.setattr(submissions, "ROWS", 1)
    yield kaggle
    server.shutdown()


@pytest.fixture
def scores(store: Store) -> Artifact:
    """Scores of one row."""
    package = store.make("package", lambda draft: {}, code="tasks.data.digits", parameters={})
    metrics = {
        "rows": 1,
        "quarantined": 0,
        "class_counts": [0] * 7 + [1] + [0] * 2,
        "review": 0,
        "pictures": False,
        "learned": 0,
        "expected": None,
        "drift": {"verdict": "none", "reasons": [], "psi": {}},
        "accuracy": None,
        "confusion": None,
    }

    def write(draft: Any) -> dict[str, Any]:
        (draft.folder / "submission.csv").write_bytes(CONTENT)
        return metrics

    return store.make("scores", write, code="tasks.data.digits", parameters={}, inputs=[package])


def test_scores_are_sent_once_and_their_public_score_is_kept(store: Store, scores: Artifact, kaggle: Kaggle) -> None:
    submission = submit(store, choose(store, None), "our best")
    assert (submission.scores, submission.score) == (scores.name, 0.98764)
    assert submission.message == f"our best [{scores.name}]"
    assert submission.package == scores.manifest().inputs[0]
    assert kaggle.files == [CONTENT]
    asked = list(kaggle.asked)
    assert submit(store, scores, "once more") == submission
    assert kaggle.asked == asked
    # One that was sent, by a command that has not lived to see its score.
    (store.root / submissions.LOG).unlink()
    assert submit(store, scores, "once more").message == submission.message
    assert kaggle.files == [CONTENT]
    assert submissions.submissions(store) == [submit(store, scores, "")]


def test_scores_that_two_send_at_once_are_sent_once(store: Store, scores: Artifact, kaggle: Kaggle) -> None:
    with ThreadPoolExecutor(2) as people:
        first, second = people.map(lambda message: submit(store, scores, message), ["one", "two"])
    assert first == second
    assert kaggle.asked.count("CreateSubmission") == 1


def test_a_refused_submission_is_said_with_kaggles_reason_and_may_be_sent_again(
    store: Store, scores: Artifact, kaggle: Kaggle
) -> None:
    kaggle.verdict = {"status": "ERROR", "errorDescription": "Submission must have 28000 rows"}
    with pytest.raises(DataError, match=r"Kaggle refuses the submission; received Submission must have 28000 rows"):
        submit(store, scores, "")
    assert submissions.submissions(store) == []
    kaggle.verdict = {"status": "COMPLETE", "publicScore": "0.5"}
    assert submit(store, scores, "").score == 0.5
    assert len(kaggle.files) == 2


def test_no_score_in_time_is_said_and_nothing_is_sent_again(
    store: Store, scores: Artifact, kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch
) -> None:
    kaggle.verdict = {}
    monkeypatch.setattr(submissions, "PATIENCE", 0.2)
    for _ in range(2):
        with pytest.raises(FetchError, match="Kaggle has given no score yet; to go on, ask again by the same command"):
            submit(store, scores, "")
    assert kaggle.files == [CONTENT]


def test_without_credentials_one_line_says_where_to_get_them_and_nothing_is_sent(
    store: Store, scores: Artifact, kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    with pytest.raises(AccessError, match=r"there are no valid credentials; to go on, put a token from https://www"):
        submit(store, scores, "")
    assert kaggle.asked == []


def test_scores_that_are_damaged_keep_no_others_from_being_chosen(
    store: Store, scores: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submissions, "ROWS", 1)
    newer = store.make("scores", lambda draft: {"rows": 2}, code="tasks.data.digits", parameters={"newer": True})
    assert choose(store, None) == scores
    (newer.path / "manifest.json").write_text("{}")
    assert choose(store, None) == scores


def test_scores_of_another_number_of_rows_are_not_sent(store: Store, scores: Artifact) -> None:
    with pytest.raises(DataError, match=r"no submission to the competition; expected 28,000 rows; received 1"):
        choose(store, scores.id)
