import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from tasks.report import (
    Ancestor,
    ClassScore,
    ConfusedPair,
    Context,
    DataFacts,
    Evaluation,
    Mistake,
    Part,
    Score,
    counted,
    duration,
    findings,
    flat,
    headline,
    moment,
    overfitting,
    percent,
    render,
    weakest,
)

NBSP = "\u00a0"
VALIDATION = Score(images=100, accuracy=0.97, interval=(0.915, 0.99))


@pytest.fixture
def evaluation() -> Evaluation:
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 13:16] = 255
    confusion = np.diag([10] * 10)
    confusion[4, 4], confusion[4, 9] = 8, 2
    confusion[7, 7], confusion[7, 2] = 9, 1
    return Evaluation(
        validation=VALIDATION,
        test=None,
        loss=0.0987,
        confusion=confusion,
        per_class=[
            ClassScore(label, 0.9, 0.8 if label == 4 else 1.0, 0.84 if label == 4 else 0.95, 10) for label in range(10)
        ],
        history=[epoch(1), epoch(2)],
        pairs=[ConfusedPair(4, 9, 2, np.stack([image, image])), ConfusedPair(7, 2, 1, image[None])],
        mistakes=[Mistake(1234, image, 4, 9, 0.9996, 0.0003), Mistake(77, image, 7, 2, 0.6, 0.35)],
    )


@pytest.fixture
def context() -> Context:
    return Context(
        title="Digits of the sample",
        recipe="fast",
        parameters={"epochs": 9, "augmentation": {"rotation": 10}},
        data=DataFacts(
            source="5,000 digits",
            parts=[Part("train", 400, [40] * 10), Part("validation", 100, [10] * 10), Part("test", 50, None)],
            duplicates=1,
            quarantined=3,
            warnings=["train: 1 duplicate image"],
            docs="../../validation/abc/data_docs/index.html",
        ),
        lineage=[Ancestor("dataset/0a1b", "2026-01-02T03:04:05+00:00", 0.7)],
        versions={"keras": "3.15.1"},
        commit="0123abcd",
        reproduce="digits run --data sample",
        created="2026-01-02T03:04:05+01:00",
    )


def epoch(number: int, **changed: float) -> dict[str, float]:
    return {"epoch": number, "loss": 0.5, "accuracy": 0.9, "val_loss": 0.2, "val_accuracy": 0.95} | changed


class Page(HTMLParser):
    """What a browser would read: visible words, open elements, addresses."""

    VOID = frozenset({"meta", "link", "img", "br", "path", "use", "rect"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.addresses: list[tuple[str, str, str]] = []
        self.images: list[dict[str, str | None]] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.addresses += [
            (tag, name, value)
            for name, value in attrs
            if value and name in ("src", "href", "xlink:href", "srcset", "data")
        ]
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag == "img":
            self.images.append(found)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words.append(data)


def read(evaluation: Evaluation, context: Context) -> str:
    """The words of a report that is well-formed and free of holes."""
    page = Page(render(evaluation, context))
    assert page.open == []
    assert not re.search(r"\b(nan|NaN|inf|None|Undefined)\b", page.text)
    return page.text.replace(NBSP, " ")


def test_verdict_comes_first_then_every_section_in_order(evaluation: Evaluation, context: Context) -> None:
    text = read(evaluation, context)
    order = [
        "97.00 % of 100 held-out images are read right (95 % interval: 91.50 % to 99.00 %).",
        "3 images are read wrong; most often 4 is taken for 9 (2 times).",
        "No sign of overfitting",
        "Loss of the finished model on the validation images: 0.0987",
        "Confusion matrix",
        "The weakest is 4, with an F1 of 84.00 %.",
        "4 read as 9 2 times",
        "2 of 3 mistakes",
        "9 >99.9 % 4 <0.1 % row 1,234",
        "1 duplicate image, 3 rows in quarantine.",
        "train: 1 duplicate image",
        "All 400 100 50",
        "dataset/0a1b 2026-01-02 03:04 UTC 0.7 s",
        "digits run --data sample",
        "0123abcd",
        "augmentation.rotation 10",
        "keras 3.15.1",
    ]
    places = [text.rfind(words) for words in order]
    assert -1 not in places, f"missing: {order[places.index(-1)]}"
    assert places == sorted(places)


def test_report_loads_nothing_from_anywhere(evaluation: Evaluation, context: Context) -> None:
    html = render(evaluation, context)
    for tag, name, address in Page(html).addresses:
        is_link = (tag, name, address) == ("a", "href", context.data.docs)
        assert is_link or address.startswith(("#", "data:")), f"<{tag} {name}={address[:60]}>"
    assert not re.search(r"<(script|iframe|object|embed|base|form)\b|@import|@font-face", html, re.IGNORECASE)
    assert not re.search(r"url\((?!#)", html)
    addresses = set(re.findall(r"https?://[^\"' >]*", html))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}, "only names of XML vocabularies"
    assert "default-src 'none'" in html


def test_links_within_the_page_lead_somewhere(evaluation: Evaluation, context: Context) -> None:
    page = Page(render(evaluation, context))
    assert {address[1:] for _, _, address in page.addresses if address.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_every_picture_says_what_it_shows(evaluation: Evaluation, context: Context) -> None:
    html = render(evaluation, context)
    assert {image["alt"] for image in Page(html).images} == {"4 read as 9", "7 read as 2"}
    assert len(re.findall(r'<svg role="img" aria-label="[^"]+', html)) == html.count("<svg") == 3


def test_page_has_a_light_and_a_dark_look_and_fits_a_phone(evaluation: Evaluation, context: Context) -> None:
    html = render(evaluation, context)
    assert "prefers-color-scheme: dark" in html
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html


def test_same_evaluation_gives_the_same_page(evaluation: Evaluation, context: Context) -> None:
    assert render(evaluation, context) == render(evaluation, context)


def test_hostile_text_stays_text(evaluation: Evaluation, context: Context) -> None:
    evil = "<script>alert(1)</script>\"'{{ 7 * 7 }}"
    data = replace(context.data, source=evil, warnings=[evil], docs=f"{evil}.html")
    hostile = replace(
        context,
        title=evil,
        recipe=evil,
        parameters={evil: evil},
        versions={evil: evil},
        reproduce=evil,
        commit=evil,
        data=data,
    )
    html = render(evaluation, hostile)
    assert "<script" not in html
    assert Page(html).text.count(evil) >= 6


def test_model_without_a_mistake(evaluation: Evaluation, context: Context) -> None:
    perfect = replace(
        evaluation,
        validation=Score(100, 1.0, (0.963, 1.0)),
        confusion=np.diag([10] * 10),
        per_class=[ClassScore(label, 1.0, 1.0, 1.0, 10) for label in range(10)],
        pairs=[],
        mistakes=[],
    )
    text = read(perfect, context)
    assert "100 % of 100 held-out images are read right" in text
    assert "Not one image is read wrong." in text
    assert "No digit is taken for another." in text
    assert "The weakest" not in text


def test_model_without_a_history(evaluation: Evaluation, context: Context) -> None:
    text = read(replace(evaluation, history=[]), context)
    assert "Whether it overfits is unknown" in text
    assert "No history of the training was kept." in text


def test_history_that_is_not_a_number(evaluation: Evaluation, context: Context) -> None:
    lost = epoch(2, loss=math.nan, accuracy=math.nan, val_loss=math.nan, val_accuracy=math.nan)
    assert "Whether it overfits is unknown" in read(replace(evaluation, history=[epoch(1), lost]), context)


def test_loss_that_is_not_a_number(evaluation: Evaluation, context: Context) -> None:
    assert "validation images: – (mean" in read(replace(evaluation, loss=math.nan), context)


def test_digit_without_an_image_has_dashes(evaluation: Evaluation, context: Context) -> None:
    scores = [ClassScore(0, None, None, None, 0), *evaluation.per_class[1:]]
    assert "0 – – – 0 1 90.00 %" in read(replace(evaluation, per_class=scores), context)


def test_no_warnings_no_docs_no_commit(evaluation: Evaluation, context: Context) -> None:
    plain = replace(context, data=replace(context.data, warnings=[], docs=None), commit=None)
    text = read(evaluation, plain)
    assert "Warnings" not in text
    assert "Data Docs" not in text
    assert "At commit" not in text


def test_labelled_test_part_is_reported_in_the_verdict(evaluation: Evaluation, context: Context) -> None:
    tested = replace(evaluation, test=Score(10_000, 0.9951, (0.9935, 0.9963)))
    assert "On the test part, 10,000 images that played no part in any choice, 99.51 % are read right" in read(
        tested, context
    )
    assert "test part" not in read(evaluation, context)


def test_headline_of_one_image_is_in_the_singular() -> None:
    assert headline(Score(1, 0.0, (0.0, 0.7935))).replace(NBSP, " ") == (
        "0 % of 1 held-out image is read right (95 % interval: 0 % to 79.35 %)."
    )


def test_mistakes_of_all_different_kinds_name_no_pair(evaluation: Evaluation) -> None:
    confusion = np.diag([10] * 10)
    confusion[4, 9] = confusion[7, 2] = 1
    pairs = [replace(pair, count=1) for pair in evaluation.pairs]
    found = findings(replace(evaluation, confusion=confusion, pairs=pairs))
    assert found[0] == "2 images are read wrong; no two digits are confused more than once."


def test_equally_frequent_pairs_are_told_of(evaluation: Evaluation) -> None:
    confusion = evaluation.confusion.copy()
    confusion[7, 2] = confusion[4, 9]
    assert (
        "4 is taken for 9 (2 times, as often as 1 other pair)" in findings(replace(evaluation, confusion=confusion))[0]
    )


@pytest.mark.parametrize(
    ("training", "validation", "verdict"),
    [
        (0.90, 0.99, "No sign of overfitting:"),
        (0.992, 0.99, "No sign of overfitting:"),
        (0.998, 0.99, "It overfits slightly:"),
        (1.0, 0.95, "It overfits:"),
    ],
)
def test_overfitting_is_judged_by_the_gap_beside_its_sampling_noise(
    training: float, validation: float, verdict: str
) -> None:
    score = Score(8400, validation, (validation - 0.003, validation + 0.003))
    words = overfitting([epoch(1, accuracy=training, val_accuracy=validation)], score)
    assert words.startswith(verdict)
    assert f"±0.30{NBSP}points" in words
    assert "measured under augmentation and dropout" in words


def test_risen_validation_loss_is_told_with_its_best_epoch() -> None:
    history = [epoch(1, val_loss=0.3), epoch(2, val_loss=0.1), epoch(3, val_loss=0.2)]
    assert "lowest at epoch 2 (0.1) and has risen to 0.2" in overfitting(history, VALIDATION)
    assert "lowest" not in overfitting(history[:2], VALIDATION)


def test_weakest_digit_ignores_those_that_cannot_be_judged() -> None:
    scores = [ClassScore(0, None, None, None, 0), ClassScore(1, 1.0, 0.9, 0.95, 9), ClassScore(2, 1.0, 0.8, 0.9, 9)]
    assert weakest(scores) is scores[2]
    assert weakest(scores[:1]) is None
    assert weakest([ClassScore(0, 0.0, None, 0.0, 0)]) is None, "without images, F1 tells only of the other digits"


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (None, "–"),
        (math.nan, "–"),
        (0.0, "0 %"),
        (1.0, "100 %"),
        (0.9878, "98.78 %"),
        (0.99999, ">99.99 %"),
        (0.00001, "<0.01 %"),
    ],
)
def test_percent_never_rounds_to_all_or_nothing(share: float | None, text: str) -> None:
    assert percent(share).replace(NBSP, " ") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (4.25, "4.2 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (125.0, "2 min 5 s")],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration(seconds).replace(NBSP, " ") == text


def test_counts_have_a_plural_and_thousands() -> None:
    assert [counted(1, "image"), counted(0, "image"), counted(2000, "image")] == ["1 image", "0 images", "2,000 images"]


def test_times_are_told_in_utc() -> None:
    assert moment("2026-01-02T03:04:05+02:00") == "2026-01-02 01:04 UTC"


def test_nested_parameters_get_dotted_names() -> None:
    assert dict(flat({"a": 1, "b": {"c": {"d": 2}}})) == {"a": 1, "b.c.d": 2}
