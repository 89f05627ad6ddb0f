"""The page in a real browser: exported, it answers as the package does; served, it learns what a drawing was."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from flows.drawing import pages
from tasks.models.network import network_of
from tasks.reviewing import corrections, drawn
from tasks.reviewing.corrections import reviews_of
from tasks.scoring.reader import Reader
from tasks.store import Store
from tests import making
from tests.command import PROGRAM, digits, environment
from tests.conftest import Chain
from tests.flows.browsing import browser
from tests.flows.drawing import agreement, person
from tests.flows.operating import eventually

pytestmark = [
    pytest.mark.operations,
    pytest.mark.skipif(
        not (shutil.which("chromium") and shutil.which("chromedriver")),
        reason="no browser: install Debian's chromium and chromium-driver",
    ),
]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with browser(tmp_path_factory.mktemp("browser")) as chromium:
        yield chromium


@pytest.fixture(scope="module")
def page(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page as one file."""
    file = tmp_path_factory.mktemp("exported") / "reader.html"
    run = digits("export-page", chain.package.id, "-o", str(file), home=chain.here.home)
    assert run.returncode == 0, run.stderr
    return file


@pytest.fixture
def exported(page: Path, chromium: Any) -> Any:
    """The browser with that page in it, without a server."""
    chromium.get(page.as_uri())
    return chromium


def test_an_exported_page_answers_as_the_package_does(chain: Chain, exported: Any, tmp_path: Path) -> None:
    odd = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    agreed = agreement.answers(exported, Reader(chain.package), np.concatenate([making.digits(280).images, odd]))
    assert (agreed.labels, agreed.doubts) == (300, 300)
    assert agreed.apart < 0.001
    assert exported.get_log("browser") == []
    assert exported.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_an_exported_page_brings_drawings_into_the_form_of_pictures(exported: Any) -> None:
    apart, _ = agreement.forms(exported, 30)
    assert apart.max() <= 1


def test_pictures_without_ink_as_jpeg_transparent_and_what_is_none(exported: Any, tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), "white").save(tmp_path / "blank.png")
    field = exported.find_element("id", "file")
    field.send_keys(str(tmp_path / "blank.png"))
    assert eventually(lambda: person.text(exported, "sure") == "there is no ink")
    digit = np.pad(255 - making.digits(1).images[0], 20, constant_values=255)
    Image.fromarray(digit).resize((900, 900), Image.Resampling.BICUBIC).save(tmp_path / "digit.jpg")
    field.send_keys(str(tmp_path / "digit.jpg"))
    assert eventually(lambda: "ink" not in person.text(exported, "sure"))
    assert person.text(exported, "answer")
    white = Image.new("L", digit.shape, 255)
    Image.merge("LA", [white, Image.fromarray(255 - digit)]).save(tmp_path / "transparent.png")
    exported.execute_script("clear()")
    field.send_keys(str(tmp_path / "transparent.png"))
    assert eventually(lambda: person.text(exported, "answer"))
    assert "ink" not in person.text(exported, "sure")
    (tmp_path / "text.png").write_text("no picture")
    field.send_keys(str(tmp_path / "text.png"))
    assert eventually(lambda: "text.png is no picture" in person.text(exported, "error"))


def test_by_keys_alone(exported: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    down, tab = "\ue015", "\ue004"
    ActionChains(exported).send_keys(tab, " ", *[down] * 16, " ").perform()
    assert eventually(lambda: person.text(exported, "answer"))
    assert exported.execute_script("return pen.getImageData(224, 300, 1, 1).data[0]") == 0
    ActionChains(exported).send_keys("\ue00c").perform()
    assert person.text(exported, "answer") == ""


def test_a_finger_draws_and_does_not_scroll_nor_does_a_second_one_draw(exported: Any) -> None:
    left, top = exported.execute_script("const box = canvas.getBoundingClientRect(); return [box.left, box.top]")
    exported.execute_script("document.body.style.height = '5000px'")
    fingers = [[{"x": left + 224, "y": top + y, "id": 0}] for y in range(400, 40, -40)]
    fingers[1:] = [[*one, {"x": left + 60 + step, "y": top + 60, "id": 1}] for step, one in enumerate(fingers[1:])]
    for kind, places in zip(["touchStart"] * 2 + ["touchMove"] * 7, fingers, strict=True):
        exported.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})
    exported.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert eventually(lambda: person.text(exported, "answer"))
    ink = np.reshape(exported.execute_script("return Array.from(pen.getImageData(0, 0, 448, 448).data)"), (448, 448, 4))
    assert ink[[90, 200, 390], 224, 0].tolist() == [0] * 3
    assert (ink[:, :200, 0] == 255).all()
    assert exported.execute_script("return scrollY") == 0


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (1280, "light")])
def test_no_width_needs_to_scroll_sideways(exported: Any, width: int, theme: str) -> None:
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 1000}
    exported.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    exported.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    )
    try:
        assert exported.execute_script("return document.documentElement.scrollWidth") == width
        ground = exported.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert ground == {"dark": "rgb(20, 23, 27)", "light": "rgb(255, 255, 255)"}[theme]
    finally:
        exported.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_every_operation_of_the_recipes_is_computed(chromium: Any, tmp_path: Path) -> None:
    from keras import Input, Model, layers

    from tasks.models.forms import float32_form
    from tasks.models.scorer import Scorer

    image = Input((28, 28, 1))
    wide = layers.Conv2D(6, 5, strides=2, padding="same", activation="tanh")(layers.Rescaling(1 / 255)(image))
    added = layers.Add()([wide, layers.DepthwiseConv2D(3, padding="same", activation="relu")(wide)])
    pooled = layers.AveragePooling2D(3, padding="same", strides=2)(layers.DepthwiseConv2D(3, strides=2)(added))
    top = layers.MaxPooling2D(3, padding="same", strides=2)(layers.Conv2D(9, 2, activation="sigmoid")(pooled))
    mean, flat = layers.GlobalAveragePooling2D()(top), layers.Flatten()(top)
    dense = layers.Dense(10, activation="log_sigmoid")(layers.Concatenate()([mean])), layers.Dense(10)(flat)
    form = float32_form(Model(image, layers.Activation("linear", name="logits")(layers.Average()(dense))))
    network = network_of(form)
    assert len({step.operation for step in network.steps}) >= 12

    script = (pages.PAGE.parent / "network.js").read_text()
    description = {name: value for name, value in vars(network).items() if name != "weights"}
    description["steps"] = [vars(step) for step in network.steps]
    images = making.digits(20).images
    run = f"{script}; const network = networkOf(arguments[0], Float32Array.from(arguments[1]));"
    logits = chromium.execute_script(
        f"{run} return arguments[2].map((image) => Array.from(network(image)));",
        description,
        network.weights.tolist(),
        images.reshape(-1, 784).tolist(),
    )
    np.testing.assert_allclose(logits, Scorer(form).logits(images), atol=1e-5)


def test_a_drawing_is_read_by_the_server_and_what_it_was_becomes_a_correction(
    chain: Chain, chromium: Any, tmp_path: Path
) -> None:
    store = Store(tmp_path / "artifacts")
    shutil.copytree(chain.package.path, store.root / chain.package.name)
    command = [sys.executable, "-c", PROGRAM, "draw", chain.package.id, "--reviewer", "ann"]
    variables = environment(tmp_path)
    with subprocess.Popen(command, cwd=tmp_path, env=variables, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            chromium.get(next(line.split()[1] for line in process.stdout if line.startswith("open")))
            person.draw(chromium, 3)
            assert eventually(lambda: not chromium.execute_script("return busy"))
            sheet = chromium.execute_script("return looked().toDataURL().split(',')[1]")
            reading = Reader(chain.package).read(pages.picture({"picture": sheet}))
            assert person.text(chromium, "answer") == ("No answer" if reading.refused else str(reading.label))
            chromium.find_element("css selector", "#pad [data-key='7']").click()
            assert eventually(lambda: "A 7: kept." in person.text(chromium, "said"))
            chromium.find_element("css selector", "#pad [data-key='3']").click()
            assert eventually(lambda: "A 3: kept. One drawing is" in person.text(chromium, "said"))
            chromium.find_element("css selector", "#pad [data-key='p']").click()
            assert eventually(lambda: "Published as review/" in person.text(chromium, "said"))
            name = person.text(chromium, "said").split()[2].rstrip(".")
            assert chromium.get_log("browser") == []
        finally:
            process.kill()
    (image,) = drawn.read(tmp_path / "data" / "reviews")
    assert image == reading.image.tobytes()
    assert corrections.read(reviews_of(store, name)).known_labels.tolist() == [3]
    # What no server hears of is published all the same.
    again = digits("draw", "--publish", home=tmp_path, server="http://127.0.0.1:9/api")
    assert again.stdout.startswith(f"published   {name}\nThe server has not heard of it, and starts no training: ")
    assert "from digits that people drew" in digits("show", name, home=tmp_path).stdout
