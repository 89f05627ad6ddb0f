import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tasks.judging.evaluation import ClassFigures, ConfusedPair
from tasks.judging.robustness import CHANGES, Robustness
from tasks.judging.statistics import Accuracy
from tasks.reports.report import (
    Context,
    Promotion,
    findings,
    headline,
    overfits,
    render,
    robust,
    weakest,
)
from tasks.store import Manifest
from tests.tasks.evaluated import CALIBRATION, OVERFITTING, calibrated, confusion, evaluation, pictures
from tests.tasks.reports.pages import Page, assert_links_lead_somewhere, assert_loads_nothing, words

NBSP = "\u00a0"


def manifest(kind: str, **changed: Any) -> Manifest:
    plain = Manifest(
        kind=kind,
        id="0a1b",
        code="2c3d",
        parameters={"name": "fast", "epochs": 9, "augmentation": {"rotation": 10}},
        inputs=[],
        files={},
        metrics={},
        seconds={"wall": 0.7, "cpu": 0.9},
        created="2026-01-02T03:04:05+00:00",
        versions={"keras": "3.15.1"},
        commit="0123abcd",
        flow_run=None,
    )
    return replace(plain, **changed)


@pytest.fixture
def context() -> Context:
    return Context(
        source="data/digits.csv",
        rows={"train": 400, "validation": 100, "test": 50},
        duplicates=1,
        quarantined=3,
        warnings=["train: 1 duplicate image"],
        docs="../../validation/abc/data_docs/index.html",
        model=manifest("model"),
        lineage=[manifest("dataset")],
        cascade="a first reader answers half of the images",
        reproduce="digits run --data sample",
        created="2026-01-02T03:04:05+01:00",
    )


def epoch(number: int, **changed: float) -> dict[str, float]:
    return {"epoch": number, "loss": 0.5, "accuracy": 0.9, "val_loss": 0.2, "val_accuracy": 0.95} | changed


EPOCHS = [epoch(1), epoch(2)]
PROMOTION = Promotion("package/0a1b", True, None, "gate", "it is the first", ["it is the first"])


def page(
    context: Context,
    epochs: Sequence[Mapping[str, float]] = EPOCHS,
    promotion: Promotion = PROMOTION,
    **changed: Any,
) -> str:
    """The report on the default evaluation with such changes."""
    return render(evaluation(**changed), pictures(), epochs, context, promotion)


def read(context: Context, **changed: Any) -> str:
    return words(page(context, **changed))


def test_verdict_comes_first_then_every_section_in_order(context: Context) -> None:
    text = read(context)
    order = [
        "97.00 % of 100 held-out images are read right (95 % interval: 91.50 % to 99.00 %).",
        "3 images are read wrong; most often 4 is taken for 9 (2 times).",
        "No sign of overfitting",
        "Promotion Champion : it is the first package/0a1b , decided by the gate.",
        "Loss of the finished model on the validation images: 0.0987",
        "Confusion matrix",
        "The weakest is 4, with an F1 of 84.00 %.",
        "4 read as 9 2 times",
        "2 of 3 mistakes",
        "9 >99.9 % 4 <0.1 % row 1,234",
        "low contrast grey ground and pale ink: 20 % to 60 % of full scale 43.21 % −53.79",
        "rotation by 15°, either way 95.00 % −2.00",
        "mean 89.82 % −7.18",
        "none the same images 97.00 %",
        "1 duplicate image, 3 rows in quarantine.",
        "train: 1 duplicate image",
        "9 40 10 – All 400 100 50",
        "Training images For each digit",
        "dataset/0a1b 2026-01-02 03:04 UTC 0.7 s",
        "digits run --data sample",
        "0123abcd",
        "augmentation.rotation 10",
        "keras 3.15.1",
    ]
    places = [text.rfind(words) for words in order]
    assert -1 not in places, f"missing: {order[places.index(-1)]}"
    assert places == sorted(places)


def test_report_loads_nothing_from_anywhere(context: Context) -> None:
    assert_loads_nothing(page(context), context.docs)


def test_links_within_the_page_lead_somewhere(context: Context) -> None:
    assert_links_lead_somewhere(page(context))


def test_every_picture_says_what_it_shows(context: Context) -> None:
    html = page(context)
    shown = {"4 read as 9", "7 read as 2", "what speaks for 9", "what speaks for 2", "labelled 4, looks like 9"}
    shown |= {f"a digit under {name}" for name in CHANGES}
    shown |= {
        f"{words} of {digit}" for words in ("mean of the training images", "a training image") for digit in range(10)
    }
    assert {image["alt"] for image in Page(html).images} == shown
    assert len(re.findall(r'<svg role="img" aria-label="[^"]+', html)) == html.count("<svg") == 5


def test_page_has_a_light_and_a_dark_look_and_fits_a_phone(context: Context) -> None:
    html = page(context)
    assert "prefers-color-scheme: dark" in html
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html


def test_same_evaluation_gives_the_same_page(context: Context) -> None:
    assert page(context) == page(context)


def test_hostile_text_stays_text(context: Context) -> None:
    evil = "<script>alert(1)</script>\"'{{ 7 * 7 }}"
    model = manifest("model", parameters={"name": evil, evil: evil}, versions={evil: evil}, commit=evil)
    hostile = replace(context, model=model, source=evil, warnings=[evil], docs=f"{evil}.html", reproduce=evil)
    promotion = Promotion(evil, False, evil, "gate", evil, [evil, evil])
    html = page(hostile, promotion=promotion)
    assert "<script" not in html
    assert Page(html).text.count(evil) >= 10


def test_model_without_a_mistake(context: Context) -> None:
    text = read(
        context,
        accuracy=1.0,
        interval=(0.963, 1.0),
        mistakes=0,
        confusion=confusion(),
        per_class=tuple(ClassFigures(label, 1.0, 1.0, 1.0, 10) for label in range(10)),
        pairs=(),
        worst=(),
    )
    assert "100 % of 100 held-out images are read right" in text
    assert "Not one image is read wrong." in text
    assert "No digit is taken for another." in text
    assert "The weakest" not in text


def test_model_without_a_history(context: Context) -> None:
    text = words(page(context, epochs=[]))
    assert "No sign of overfitting: 98.00 % of 100 training images" in text
    assert "No history of the training was kept." in text


def test_refitted_model_says_first_whose_figures_these_are(context: Context) -> None:
    first = findings(evaluation(refitted=True, judged="model/0a1b2c"))[0]
    assert first == (
        "This model is refitted: it has learned from the validation part as well, so nothing is left to judge it by. "
        "Every figure here is that of model/0a1b2c, the same recipe fitted on the training part alone."
    )
    assert first in read(context, refitted=True)


def test_model_that_was_judged_itself_is_not_called_refitted(context: Context) -> None:
    assert "refitted" not in read(context)


def test_history_that_is_not_a_number(context: Context) -> None:
    lost = epoch(2, loss=math.nan, accuracy=math.nan, val_loss=math.nan, val_accuracy=math.nan)
    assert "Curves" in words(page(context, epochs=[epoch(1), lost]))


def test_loss_that_is_not_a_number(context: Context) -> None:
    assert "validation images: – (mean" in read(context, loss=math.nan)


def test_digit_without_an_image_has_dashes(context: Context) -> None:
    per_class = (ClassFigures(0, None, None, None, 0), *evaluation().per_class[1:])
    assert "0 – – – 0 1 90.00 %" in read(context, per_class=per_class)


def test_no_warnings_no_commit(context: Context) -> None:
    plain = replace(context, warnings=[], model=manifest("model", commit=None))
    text = read(plain)
    assert "Warnings" not in text
    assert "At commit" not in text


def test_labelled_test_part_is_reported_in_the_verdict(context: Context) -> None:
    text = read(context, test=Accuracy(10_000, 0.9951, (0.9935, 0.9963)))
    assert "On the test part, 10,000 images that played no part in any choice, 99.51 % are read right" in text
    assert "test part" not in read(context)


def test_headline_of_one_image_is_in_the_singular() -> None:
    assert headline(Accuracy(1, 0.0, (0.0, 0.7935))).replace(NBSP, " ") == (
        "0 % of 1 held-out image is read right (95 % interval: 0 % to 79.35 %)."
    )


def test_mistakes_of_all_different_kinds_name_no_pair() -> None:
    found = evaluation(
        mistakes=2,
        confusion=confusion(four_as_nine=1, seven_as_two=1),
        pairs=(ConfusedPair(4, 9, 1), ConfusedPair(7, 2, 1)),
    )
    assert findings(found)[0] == "2 images are read wrong; no two digits are confused more than once."


def test_equally_frequent_pairs_are_told_of() -> None:
    found = evaluation(confusion=confusion(four_as_nine=2, seven_as_two=2))
    assert "4 is taken for 9 (2 times, as often as 1 other pair)" in findings(found)[0]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {},
            "No sign of overfitting: 98.00 % of 100 training images are read right, 1.00 points more than of the "
            "validation images; up to 5.40 points may be chance.",
        ),
        (
            {"verdict": "clear", "gap": 0.06, "risen_from": 7, "apart_from": 9},
            "It overfits: 98.00 % of 100 training images are read right, 6.00 points more than of the validation "
            "images; up to 5.40 points may be chance. From epoch 7 on validation loss is more than 10 % above its "
            "lowest.",
        ),
        (
            {"verdict": "slight", "gap": 0.0, "apart_from": 9},
            "It overfits slightly: 98.00 % of 100 training images are read right, just as many as of the validation "
            "images; up to 5.40 points may be chance. From epoch 9 on training accuracy is above validation accuracy "
            "by more than that.",
        ),
    ],
)
def test_overfitting_is_told_with_its_gap_and_where_it_begins(changed: dict[str, Any], words: str) -> None:
    assert overfits(replace(OVERFITTING, **changed)).replace(NBSP, " ") == words


def test_overfitting_that_its_history_does_not_show_is_told_without_an_epoch() -> None:
    words = overfits(replace(OVERFITTING, verdict="clear"))
    assert words.endswith("may be chance. Its history does not show from which epoch on.")


def test_last_epochs_that_overfit_are_no_fault_of_a_model_from_before() -> None:
    words = overfits(replace(OVERFITTING, risen_from=4))
    assert words.startswith("No sign of overfitting:")
    assert words.endswith("above its lowest, but the model that was kept does not overfit.")


@pytest.mark.parametrize(
    ("mean", "words"),
    [
        (
            0.90,
            "It is fragile: under everyday changes of the images 90.00 % are read right on average, 8.00 points fewer "
            "than unchanged; the fewest under blur, 88.00 %.",
        ),
        (
            0.97,
            "It is robust: under everyday changes of the images 97.00 % are read right on average, 1.00 points fewer "
            "than unchanged; the fewest under blur, 95.00 %.",
        ),
    ],
)
def test_a_model_that_everyday_changes_cost_more_than_a_point_and_a_half_is_fragile(mean: float, words: str) -> None:
    found = Robustness(2000, 0.98, mean, {"blur": mean - 0.02, "shift": mean + 0.02})
    assert robust(found).replace(NBSP, " ") == words


def test_weakest_digit_ignores_those_that_cannot_be_judged() -> None:
    scores = [
        ClassFigures(0, None, None, None, 0),
        ClassFigures(1, 1.0, 0.9, 0.95, 9),
        ClassFigures(2, 1.0, 0.8, 0.9, 9),
    ]
    assert weakest(scores) is scores[2]
    assert weakest(scores[:1]) is None
    assert weakest([ClassFigures(0, 0.0, None, 0.0, 0)]) is None, "without images, F1 tells only of the other digits"


def test_confidence_is_told_with_its_error_and_what_a_review_would_spare(context: Context) -> None:
    html = page(context)
    text, after = words(html), CALIBRATION.error_after
    assert f"which leaves {100 * after:.2f} %" in text
    assert "Reviewed below Share reviewed Wrong among the rest" in text
    assert f"Accuracy against confidence; on average they are {100 * after:.2f}{NBSP}% apart" in html


@pytest.mark.parametrize(("images", "wrong"), [(1, 0), (1, 1), (50, 0), (50, 50)])
def test_confidence_can_be_drawn_of_any_model(context: Context, images: int, wrong: int) -> None:
    assert "nan" not in read(context, calibration=calibrated(images, wrong)).lower()


def test_a_refusal_stands_at_the_top_with_every_reason(context: Context) -> None:
    promotion = Promotion(
        "package/0a1b", False, "package/2c3d", "gate", "its sevens", ["accuracy: <fine>", "7 is worse"]
    )
    text = words(page(context, promotion=promotion))
    assert "Not promoted accuracy: <fine> 7 is worse package/0a1b against package/2c3d , decided by the gate." in text
