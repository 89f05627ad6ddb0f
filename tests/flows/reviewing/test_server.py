"""The page's server lets in only who knows the token and asks from the page; it saves before it says so."""

import errno
import json
import os
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from flows.reviewing.server import Review, application
from tasks.reviewing import items, publishing
from tasks.reviewing.answers import Log
from tasks.reviewing.desk import Desk
from tasks.reviewing.originals import Originals
from tasks.store import Artifact, Store
from tests import making
from tests.command import digits
from tests.tasks.reviewing.scored import scored

DIGITS = making.digits(200)
ADDRESS = "http://127.0.0.1:8123"


@dataclass
class Page:
    """A server in this process, and what a browser sends along."""

    client: TestClient
    review: Review
    log: Path

    def ask(self, what: str, **body: Any) -> Any:
        headers = {"X-Token": self.review.token, "Origin": ADDRESS}
        return self.client.post(f"/{what}", json={"tab": "a", **body}, headers=headers)


@pytest.fixture
def scores(store: Store) -> Artifact:
    answers = np.where(np.arange(200) < 10, (DIGITS.known_labels + 1) % 10, DIGITS.known_labels)
    return scored(store, DIGITS, answers.astype(np.uint8), np.linspace(0.5, 1, 200))


def opened(
    store: Store, scores: Artifact, folder: Path, reviewer: str = "ann", audit: int = 0, password: str | None = None
) -> Page:
    shown, log = items.read(scores), Log(folder / "reviews", scores)

    def publish() -> tuple[Artifact, list[str]]:
        artifact = publishing.publish(store, scores, shown, log)
        return artifact, publishing.findings(artifact.measured(publishing.ReviewMetrics))

    review = Review(Desk(shown, log, reviewer, audit=audit), "<test>.csv", publish, Originals(scores, shown), password)
    return Page(TestClient(application(review), base_url=ADDRESS), review, log.path)


@pytest.fixture
def page(store: Store, scores: Artifact, tmp_path: Path) -> Page:
    return opened(store, scores, tmp_path)


def test_the_page_is_one_file_that_loads_nothing(page: Page) -> None:
    response = page.client.get("/", params={"token": page.review.token})
    assert response.status_code == 200
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert "&lt;test&gt;.csv" in response.text
    assert "src=" not in response.text
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, 200),
        ({"X-Token": "wrong"}, 403),
        ({"X-Token": ""}, 403),
        ({"X-Token": "é".encode()}, 403),
        ({"Host": "evil.example"}, 400),
        ({"Host": "127.0.0.1.evil.example:8123"}, 400),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:9999"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
    ],
)
def test_only_the_page_itself_may_answer(page: Page, headers: dict[str, Any], code: int) -> None:
    own = {"X-Token": page.review.token, "Origin": ADDRESS} | headers
    assert page.client.post("/answer", json={"answers": {"0": "7"}}, headers=own).status_code == code
    assert page.log.exists() == (code == 200)
    own.pop("Origin")
    assert page.client.get("/report", headers=own).status_code == (404 if "Origin" in headers or code == 200 else code)


@pytest.mark.parametrize("path", ["/../manifest.json", "/%2e%2e/manifest.json", "/review.html", "/static/review.js"])
def test_no_request_names_a_file(page: Page, path: str) -> None:
    assert page.client.get(path, params={"token": page.review.token}).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"answers": []}',
        b'{"answers": {"a": "7"}}',
        b'{"answers": {"0": 7}}',
        b'{"answers": {"%s": "7"}}' % (b"9" * 5000),
    ],
)
def test_what_is_no_answer_is_refused(page: Page, body: bytes) -> None:
    response = page.client.post("/answer", content=body, headers={"X-Token": page.review.token, "Origin": ADDRESS})
    assert response.status_code == 400
    assert not page.log.exists()


def test_an_answer_is_on_the_disk_when_the_page_hears_of_it(page: Page) -> None:
    first = page.ask("next").json()["items"][0]
    assert set(first) == {"index", "id", "label", "reason", "pixels"}
    progress = page.ask("answer", answers={first["index"]: "7"}).json()["progress"]
    assert page.log.read_bytes().count(b"\n") == progress["read"] == 1
    assert page.ask("back").json()["items"] == [first]
    assert page.ask("next").json()["items"][0] == first


def test_of_what_came_in_as_no_picture_there_is_none(page: Page) -> None:
    assert " data-pictures>" not in page.client.get("/", params={"token": page.review.token}).text
    assert page.ask("picture", index=0).json() == {"picture": None}
    assert [page.ask("picture", index=index).status_code for index in (-1, 200, "0", None)] == [400] * 4


def test_what_is_there_for_an_audit_is_not_to_be_told(store: Store, scores: Artifact, tmp_path: Path) -> None:
    page = opened(store, scores, tmp_path, audit=10)
    assert page.ask("next").json()["progress"]["left"] == sum(page.review.desk.items.review) + 10
    shown = page.ask("next").json()["items"]
    audited = [item for item in shown if not page.review.desk.items.review[item["index"]]]
    assert audited
    assert {tuple(item) for item in shown} == {tuple(audited[0])}


def test_two_tabs_and_two_people_are_handed_different_images(store: Store, scores: Artifact, tmp_path: Path) -> None:
    ann, ben = opened(store, scores, tmp_path), opened(store, scores, tmp_path, "ben")
    first, second = (ann.ask("next", tab=tab).json()["items"] for tab in ("a", "b"))
    third = ben.ask("next").json()["items"]  # in a process of its own, as far as the desks know
    shown = [item["index"] for item in first + second + third]
    assert len(set(shown)) == len(shown) == 90
    again = opened(store, scores, tmp_path).ask("next").json()["items"]
    assert again == first  # whoever starts anew goes on where they were


def test_with_a_password_each_person_comes_by_name(store: Store, scores: Artifact, tmp_path: Path) -> None:
    page = opened(store, scores, tmp_path, password="a secret")
    page.client.base_url = "http://review.example:8200"  # type: ignore[assignment]
    headers = {"X-Token": page.review.token, "Origin": "http://review.example:8200"}

    def answer(index: int, *auth: str) -> int:
        body = {"answers": {str(index): "7"}}
        return page.client.post("/answer", json=body, headers=headers, auth=auth or None).status_code  # type: ignore[arg-type]

    refused = page.client.get("/")
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (
        401,
        'Basic realm="your name", charset="UTF-8"',
    )
    assert answer(0) == answer(0, "ann", "guessed") == answer(0, "", "a secret") == 401
    assert page.client.get("/", headers={"Authorization": "Basic ?"}).status_code == 401
    assert not page.log.exists()
    shown = page.client.get("/", auth=("ben", "a secret"))
    assert "You review as <strong>ben</strong>" in shown.text
    assert page.review.token in shown.text
    assert [answer(0, "ann", "a secret"), answer(1, "ben", "a secret")] == [200, 200]
    assert [json.loads(line)["reviewer"] for line in page.log.read_text().splitlines()] == ["ann", "ben"]
    headers["Origin"] = "http://elsewhere.example"
    assert answer(2, "ann", "a secret") == 403


def test_without_a_password_the_page_listens_to_nobody_else(scores: Artifact, tmp_path: Path) -> None:
    run = digits("review", "--host", "0.0.0.0", home=tmp_path)
    assert (run.returncode, run.stdout, run.stderr) == (
        2,
        "",
        "digits: --host without a password; to go on, set DIGITS_REVIEW_PASSWORD, or leave out --host\n",
    )


def test_answers_of_several_at_once_are_all_kept(page: Page) -> None:
    indices = [item["index"] for item in page.ask("next").json()["items"]]
    threads = [
        threading.Thread(target=page.ask, args=("answer",), kwargs={"answers": {index: "7"}}) for index in indices
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert page.log.read_bytes().count(b"\n") == len(indices) == page.ask("next").json()["progress"]["read"]


def test_on_a_full_disk_the_answer_is_not_taken_for_saved(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    first = page.ask("next").json()["items"][0]

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        response = page.ask("answer", answers={first["index"]: "7"})
    assert response.status_code == 507
    assert "the answers cannot be kept; received No space left on device" in response.json()["error"]
    assert page.ask("next").json()["items"][0] == first


def test_after_a_torn_line_the_page_goes_on(store: Store, scores: Artifact, page: Page, tmp_path: Path) -> None:
    first, second, *_ = page.ask("next").json()["items"]
    page.ask("answer", answers={first["index"]: "7"})
    with page.log.open("ab") as file:
        file.write(b'{"row": 1')
    again = opened(store, scores, tmp_path)
    assert again.ask("next").json()["items"][0] == second
    again.ask("answer", answers={second["index"]: "7"})
    assert opened(store, scores, tmp_path).ask("next").json()["progress"]["read"] == 2


def test_walls_and_publishing(page: Page) -> None:
    assert page.ask("wall", label=[]).json()["items"]  # what is no label is none
    content = page.ask("wall", label=3).json()
    assert {item["label"] for item in content["items"]} == {content["label"]} == {3}
    page.ask("answer", answers={item["index"]: "3" for item in content["items"]})
    assert page.client.get("/report", params={"token": page.review.token}).status_code == 404
    published = page.ask("publish").json()
    assert published["name"].startswith("review/")
    assert published["findings"][0].startswith("Of ")
    report = page.client.get("/report", params={"token": page.review.token})
    assert "What was changed" in report.text


def test_scores_that_are_collected_as_garbage_meanwhile_cost_no_answer(page: Page, scores: Artifact) -> None:
    first, second, *_ = page.ask("next").json()["items"]
    page.ask("answer", answers={first["index"]: "7"})
    shutil.rmtree(scores.path)
    refused = page.ask("publish")
    assert (refused.status_code, list(refused.json())) == (507, ["error"])
    assert str(scores.path) in refused.json()["error"]
    page.ask("answer", answers={second["index"]: "7"})
    assert page.log.read_bytes().count(b"\n") == 2


def test_to_publish_nothing_is_an_error_on_the_page(page: Page) -> None:
    response = page.ask("publish")
    assert (response.status_code, list(response.json())) == (400, ["error"])
