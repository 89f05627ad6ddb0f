"""The served page lets in only whoever knows the token, and says what is wrong with a picture."""

import base64
import errno
import os
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from flows.drawing import pages
from tasks.judging.familiarity import KNOWN
from tasks.models.packaged import PackageMetrics
from tasks.reviewing import drawn
from tasks.scoring.reader import Reader
from tasks.store import Artifact, Store
from tests import making
from tests.command import digits
from tests.conftest import Chain
from tests.tasks.pictures import ways

ADDRESS = "http://127.0.0.1:8123"
PICTURE = base64.b64encode(ways.as_file(ways.plain(ways.laid(ways.strokes(making.digits(1).images[0]))))).decode()


@pytest.fixture
def drawing(chain: Chain, tmp_path: Path) -> pages.Drawing:
    answers = tmp_path / "reviews"

    def publish() -> tuple[Artifact, list[str]]:
        return drawn.publish(Store(tmp_path), answers), ["The server has not heard of it."]

    return pages.Drawing(publish, Reader(chain.package), "<package>", answers, "ann")


def ask(drawing: pages.Drawing, what: str, headers: dict[str, str] | None = None, **body: Any) -> Any:
    client = TestClient(pages.application(drawing), base_url=ADDRESS)
    own = {"X-Token": drawing.token, "Origin": ADDRESS} | (headers or {})
    return client.post(f"/{what}", json=body, headers=own)


def test_a_picture_is_read_and_what_it_was_is_kept(drawing: pages.Drawing) -> None:
    reading = ask(drawing, "read", picture=PICTURE).json()
    assert sum(reading["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert ask(drawing, "answer", picture=PICTURE, answer="7").json() == {"kept": 1}
    ((image, entry),) = drawn.read(drawing.answers).items()
    assert (image, entry.answer) == (base64.b64decode(reading["pixels"]), "7")
    published = ask(drawing, "publish").json()
    assert published["name"].startswith("review/")
    assert published["findings"] == ["The server has not heard of it."]


@pytest.mark.parametrize("headers", [{"X-Token": "wrong"}, {"Origin": "http://evil.example"}, {"Host": "evil.example"}])
def test_only_the_page_itself_may_ask(drawing: pages.Drawing, headers: dict[str, str]) -> None:
    assert ask(drawing, "answer", headers, picture=PICTURE, answer="7").status_code in (400, 403)
    assert not drawing.answers.exists()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "there is no picture"),
        ({"picture": 7}, "there is no picture"),
        ({"picture": "é"}, "there is no picture"),
        ({"picture": "AAAA"}, "it is no picture"),
        ({"picture": PICTURE[:400]}, "the picture is damaged"),
        ({"picture": PICTURE, "answer": 10}, "this is no answer"),
    ],
)
def test_what_is_no_picture_or_no_answer_is_refused(drawing: pages.Drawing, body: Any, message: str) -> None:
    response = ask(drawing, "answer", **body)
    assert response.status_code == 400
    assert message in response.json()["error"]
    assert not drawing.answers.exists()


def test_a_full_disk_is_told_and_the_answer_is_not_taken_for_kept(
    drawing: pages.Drawing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        response = ask(drawing, "answer", picture=PICTURE, answer="7")
    assert response.status_code == 507
    assert "No space left on device" in response.json()["error"]
    assert drawn.read(drawing.answers) == {}


def test_a_page_of_fast_has_at_most_1_5_megabytes_with_data_as_large_as_mnist(chain: Chain) -> None:
    page = pages.standalone(chain.package, "<package>")
    metrics = chain.package.measured(PackageMetrics)
    more_known = KNOWN - (metrics.calibration.images - metrics.limits.digits)
    as_text = 2 * 4 / 3  # bytes of a number in half precision
    others = 12_000 - KNOWN  # a fifth of its 60,000 is for validation
    assert len(page.encode()) + (59 * more_known + 4 * others) * as_text < 1_500_000
    assert "&lt;package&gt;" in page
    assert "src=" not in page


def test_a_file_that_is_there_is_not_overwritten_unasked(chain: Chain, tmp_path: Path) -> None:
    (tmp_path / "mine.html").write_text("mine")
    run = digits("export-page", chain.package.id, "-o", str(tmp_path / "mine.html"), home=chain.here.home)
    assert (run.returncode, (tmp_path / "mine.html").read_text()) == (2, "mine")
    assert "there is such a file already" in run.stderr
