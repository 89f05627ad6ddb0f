"""A person at the page, in a real browser: by keys, through a kill of the server, on a wall, up to the next model."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks import registry
from tasks.data.digits import Digits
from tasks.data.metrics import PreparedMetrics
from tasks.data.streams import Stream
from tasks.reviewing import items
from tasks.reviewing.publishing import ReviewMetrics
from tasks.scoring.picture_tables import read_picture
from tasks.store import Artifact, Store, lineage
from tests import making
from tests.command import digits
from tests.conftest import Chain
from tests.flows.browsing import browser
from tests.flows.operating import eventually
from tests.flows.reviewing.serving import serving
from tests.tasks.pictures import ways
from tests.tasks.reviewing.scored import scored

pytestmark = [
    pytest.mark.operations,
    pytest.mark.skipif(
        not (shutil.which("chromium") and shutil.which("chromedriver")),
        reason="no browser: install Debian's chromium and chromium-driver",
    ),
]

_SAMPLE = making.digits(200)
TRUTH = _SAMPLE.known_labels
# The champion has learned from the digits of the sample; of these, a pixel to the right, it knows none.
DIGITS = Digits(_SAMPLE.ids, np.roll(_SAMPLE.images, 1, axis=2), TRUTH)
ENTER = "\ue007"
ESCAPE = "\ue00c"
RIGHT = "\ue014"


@pytest.fixture
def scores(home: Path, chain: Chain) -> Artifact:
    """Scores in a home with a champion: the first half has to be looked at; of each ten answers the first is wrong."""
    for artifact in (chain.dataset, chain.validation):
        shutil.copytree(artifact.path, home / "artifacts" / artifact.name)
    answers = np.where(np.arange(200) % 10 == 0, (TRUTH + 1) % 10, TRUTH).astype(np.uint8)
    confidence = np.where(np.arange(200) < 100, np.linspace(0.1, 0.9, 200), 0.99)
    return scored(Store(home / "artifacts"), DIGITS, answers, confidence)


class Person:
    """Who reads the page and types. truth: by the image's id, as a text."""

    def __init__(self, chromium: Any, home: Path) -> None:
        self.chromium = chromium
        self.log = next(iter((home / "artifacts" / "scores").iterdir())).name
        self.log_file = home / "data" / "reviews" / f"{self.log}.jsonl"

    def read(self, element: str) -> str:
        return str(self.chromium.execute_script(f"return document.getElementById('{element}').innerText"))

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_file.read_text().splitlines()] if self.log_file.exists() else []

    def type(self, key: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.chromium).send_keys(key).perform()

    def answer(self, key: str | None = None) -> str:
        """Type what is on the image, or another key, and wait until another image shows; return the id."""
        name, count = self.read("name"), len(self.lines())
        self.type(key or str(TRUTH[int(name) - 1]))
        assert eventually(lambda: len(self.lines()) > count and self.read("name") != name)
        return name


def test_thirty_images_by_keys_through_a_kill_then_a_wall_an_audit_and_the_next_model(
    home: Path, scores: Artifact, prefect_server: str
) -> None:
    order = [str(index + 1) for index in items.read(scores).order(60)]
    review_ann = ("--reviewer", "ann", "--audit", "60")
    with browser(home) as chromium:
        person = Person(chromium, home)
        with serving(home, *review_ann) as (process, address):
            chromium.get(address)
            assert eventually(lambda: person.read("name") == order[0])
            read = [person.answer() for _ in range(10)]
            person.answer("1")
            person.type("z")
            assert eventually(lambda: person.read("name") == order[10])
            read += [person.answer() for _ in range(5)]
            assert read == order[:15]
            process.kill()
            process.wait()
            person.type("3")
            assert eventually(lambda: "The server does not answer" in person.read("error"))
            assert person.read("name") == order[15]
        with serving(home, *review_ann) as (_, address):
            chromium.get(address)
            assert eventually(lambda: person.read("name") == order[15])
            read += [person.answer() for _ in range(14)]
            person.answer("x")
            person.type("z")
            assert eventually(lambda: person.read("name") == order[29])
            read.append(person.answer(ENTER))  # the model is right
            assert read == order[:30]
            changed = sum(int(name) % 10 == 1 for name in read)
            assert person.read("progress").startswith(f"30 of 160 read · {changed} changed")

            person.type("v")
            assert eventually(lambda: person.read("wall-title"))
            tiles = chromium.find_elements("css selector", "#tiles button")
            names = [tile.get_attribute("title") for tile in tiles]
            assert len(tiles) > 10
            label = chromium.execute_script("return wallLabel")
            # By keys alone: to each that is something else, and what it is.
            for name in names:
                if TRUTH[int(name) - 1] != label:
                    person.type(str(TRUTH[int(name) - 1]))
                person.type(RIGHT)
            person.type(ENTER)
            assert eventually(lambda: person.read("progress").startswith(f"{30 + len(names)} of 160 read"))
            assert eventually(lambda: not chromium.execute_script("return busy"))  # the next wall is there
            person.type("p")
            assert eventually(lambda: "Published as review/" in person.read("message"))
            assert " that the model was sure of " in person.read("message")
            assert [entry for entry in chromium.get_log("browser") if "ERR_CONNECTION" not in entry["message"]] == []
    answered = {*map(int, read), *map(int, names)}
    audited = [number for number in answered if number > 100]
    store = Store(home / "artifacts")
    (review,) = [artifact for artifact in store.all() if artifact.kind == "review"]
    metrics = review.measured(ReviewMetrics)
    assert (metrics.read, metrics.reviewers) == (len(answered), {"ann": len(answered)})
    assert metrics.audited is not None
    assert metrics.audited.images == len(audited)
    assert metrics.audited.accuracy == pytest.approx(np.mean([number % 10 != 1 for number in audited]))
    before, after = ((one.path / "submission.csv").read_text().splitlines()[1:] for one in (scores, review))
    corrected = [
        f"{number},{TRUTH[number - 1]}" if number in answered else before[number - 1] for number in range(1, 201)
    ]
    assert after == corrected
    again = digits("review", "--publish", home=home)
    assert again.returncode == 0, again.stderr
    assert str(review.path / "submission.csv") in again.stdout

    quick = ("--recipe", "mlp-relu", "--set", "epochs=1", "--set", "min_shown=0", "--no-cascade")
    run = digits("run", *quick, "--corrections", "all", home=home, server=prefect_server)
    assert run.returncode == 0, run.stderr
    package = registry.history(store)[-1].package
    assert review.name in lineage(store, store.get(package))
    prepared = store.get(next(name for name in store.get(package).manifest().inputs if name.startswith("prepared/")))
    counts = prepared.measured(PreparedMetrics)
    assert counts.added + counts.field == len(answered)
    assert 0 < counts.field < counts.added
    (report,) = store.root.glob("report/*/report.html")
    field = f"of {counts.field} images that people have read and nobody learns from it reads "
    assert field in report.read_text()
    assert f"--corrections {review.id}" in report.read_text()


def test_a_narrow_page_shows_what_came_in_and_has_no_need_to_scroll_sideways(tmp_path: Path) -> None:
    paths = [tmp_path / "1", tmp_path / "2"]
    for path, digit in zip(paths, DIGITS.images, strict=False):
        path.write_bytes(ways.as_file(ways.plain(ways.laid(ways.strokes(digit)))))
    seen = np.stack([read_picture(Stream(path.name, path), path.name)[1].image for path in paths])
    pictures = Digits(np.arange(1, 3, dtype=np.int32), seen, TRUTH[:2])
    scored(Store(tmp_path / "artifacts"), pictures, TRUTH[:2], np.array([0.1, 0.2]), pictures=paths)
    with browser(tmp_path) as chromium, serving(tmp_path, "--reviewer", "ann") as (_, address):
        size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
        chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        chromium.get(address)
        person = Person(chromium, tmp_path)
        assert eventually(lambda: person.read("name") == "1")
        original = chromium.find_element("id", "original")
        assert eventually(original.is_displayed)
        assert chromium.execute_script("return arguments[0].naturalWidth", original) == 480
        for key, shown in (("v", "walled"), ("?", "$('help').open"), (ESCAPE, "!$('help').open"), ("v", "!walled")):
            assert chromium.execute_script("return document.documentElement.scrollWidth") == 390
            person.type(key)
            assert eventually(lambda shown=shown: chromium.execute_script(f"return {shown} && !busy"))
        # A finger on the pad answers as a key does.
        chromium.find_element("css selector", "#pad [data-key='7']").click()
        assert eventually(lambda: person.lines() and person.read("name") == "2")
        assert person.lines()[0]["answer"] == "7"
