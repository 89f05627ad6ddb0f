import base64
import io
import math
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from tasks.reports import figures
from tasks.reports.figures import Series

SVG = "{http://www.w3.org/2000/svg}"


def epoch(number: int, **changed: float) -> dict[str, float]:
    return {"epoch": number, "loss": 0.5, "accuracy": 0.9, "val_loss": 0.2, "val_accuracy": 0.95} | changed


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def markers(svg: str) -> int:
    """Points that lie within the axes, and those of the legend."""
    return len(list(ElementTree.fromstring(svg).iter(f"{SVG}use")))


@pytest.mark.parametrize(("epochs", "points"), [(1, 2), (3, 6), (60, 0)])
def test_every_epoch_has_two_points_unless_they_are_many(epochs: int, points: int) -> None:
    legend = 2 if points else 0
    assert markers(figures.curve([epoch(number + 1) for number in range(epochs)], "loss")) == points + legend


def test_curve_says_its_last_values_to_a_screen_reader() -> None:
    svg = figures.curve([epoch(1), epoch(2, accuracy=0.985, val_accuracy=0.99)], "accuracy")
    label = ElementTree.fromstring(svg).get("aria-label")
    assert label == "Accuracy per epoch; at the last, epoch 2, training 98.50\u00a0%, validation 99.00\u00a0%"


@pytest.mark.parametrize("measure", ["loss", "accuracy"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite_leave_a_gap(measure: str, value: float) -> None:
    svg = figures.curve([epoch(1), epoch(2, **{measure: value})], measure)
    assert markers(svg) == 3 + 2
    assert "nan" not in svg.lower()
    assert "training unknown" in svg


@pytest.mark.parametrize("measure", ["loss", "accuracy"])
def test_curve_without_any_finite_value_is_empty_but_drawn(measure: str) -> None:
    nothing = epoch(1, **{measure: math.nan, f"val_{measure}": math.nan})
    assert markers(figures.curve([nothing], measure)) == 2


def test_loss_of_zero_is_drawn() -> None:
    assert "<svg" in figures.curve([epoch(1, loss=0.0, val_loss=0.0)], "loss")


def test_every_count_of_a_confusion_matrix_can_be_read_as_text() -> None:
    matrix = np.diag(np.arange(100, 110))
    matrix[4, 9], matrix[7, 2] = 13, 17
    counts = texts(figures.confusion(matrix))
    assert {"13", "17", *map(str, range(100, 110))} <= set(counts)
    assert counts.count("0") == 2, "only the two axes say 0: an empty cell stays empty"


def test_only_mistakes_are_coloured() -> None:
    matrix = np.diag([1000] * 10)
    assert figures.ORANGE not in figures.confusion(matrix)
    matrix[4, 9] = 1
    assert figures.confusion(matrix).count(figures.ORANGE) == 1


def test_more_frequent_mistakes_have_a_stronger_colour() -> None:
    matrix = np.diag([1000] * 10)
    matrix[4, 9], matrix[9, 4] = 1, 5
    rare, frequent = re.findall(rf"fill: {figures.ORANGE}; opacity: ([\d.]+)", figures.confusion(matrix))
    assert float(rare) < float(frequent) < 0.7


def test_empty_confusion_matrix_is_drawn() -> None:
    assert "of 0 images 0 are off the diagonal" in figures.confusion(np.zeros((10, 10), int))


def test_charts_take_ink_from_the_page_and_have_no_ground() -> None:
    for svg in (
        figures.confusion(np.eye(10, dtype=int)),
        figures.curve([epoch(1)], "loss"),
        figures.costs(recipes(8), images=8400),
        figures.progress(recipes(8), images=8400, along="epoch"),
    ):
        assert "currentColor" in svg
        assert figures.INK not in svg
        assert "#ffffff" not in svg
        assert "#000000" not in svg


def test_charts_can_stand_in_one_page_without_sharing_an_id_or_a_style() -> None:
    page = (
        figures.curve([epoch(1)], "loss")
        + figures.curve([epoch(1)], "accuracy")
        + figures.confusion(np.eye(10, dtype=int))
        + figures.costs(recipes(8), images=8400)
        + figures.progress(recipes(8), images=8400, along="epoch")
        + figures.progress(recipes(8), images=8400, along="CPU seconds")
    )
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert "<style" not in page
    assert "<metadata" not in page


def test_same_figure_gives_the_same_text() -> None:
    assert figures.curve([epoch(1)], "loss") == figures.curve([epoch(1)], "loss")


def recipes(count: int) -> list[Series]:
    """Recipes that are close to each other in cost and in accuracy, each with three dots or epochs."""
    return [
        Series(f"recipe-{place}", [10 + place, 20 + place, 30 + place], [0.9, 0.95, 0.99 + place / 10_000])
        for place in range(count)
    ]


@pytest.mark.parametrize("count", [1, 8])
def test_costs_has_a_dot_a_seed_and_a_name_a_recipe(count: int) -> None:
    svg = figures.costs(recipes(count), images=8400)
    assert markers(svg) == count * 3 + count, "in the chart and in its legend"
    assert [text for text in texts(svg) if text.startswith("recipe-")] == [f"recipe-{place}" for place in range(count)]


def test_a_name_with_dollars_is_no_formula() -> None:
    svg = figures.costs([Series(r"5 $ & $\frac$", [10], [0.95])], images=1000)
    assert r">5 $ &amp; $\frac$</text>" in svg


def test_a_single_recipe_that_errs_once_in_ten_has_a_scale() -> None:
    assert "90\u00a0%" in texts(figures.costs([Series("a", [10], [0.9])], images=1000))  # warnings are errors


def test_progress_has_a_line_and_a_name_a_recipe() -> None:
    svg = figures.progress(recipes(8), images=8400, along="CPU seconds")
    assert markers(svg) == 8 * 3 + 8, "in the chart and in its legend"
    assert [text for text in texts(svg) if text.startswith("recipe-")] == [f"recipe-{place}" for place in range(8)]


def test_accuracy_is_scaled_by_its_errors() -> None:
    svg = figures.progress([Series("a", [1, 2, 3], [0.96, 0.98, 0.99])], images=8400, along="epoch")
    assert {"98\u00a0%", "99\u00a0%"} <= set(texts(svg))
    path = re.search(r'd="M ([\d.]+) ([\d.]+) \nL ([\d.]+) ([\d.]+) \nL ([\d.]+) ([\d.]+) \n" clip', svg)
    assert path is not None
    first, second, third = (float(path[group]) for group in (2, 4, 6))
    assert first > second > third, "better is higher"
    assert first - second == pytest.approx(second - third, rel=1e-3), "each half of the errors is the same step"


def test_recipe_keeps_its_look_where_another_has_no_curve() -> None:
    some = recipes(3)
    svg = figures.progress([Series("none", [], []), *some[1:]], images=8400, along="epoch")
    assert figures.PALETTE[0] not in svg
    assert figures.PALETTE[1] in svg
    assert "none" not in texts(svg)


def test_more_recipes_than_colours_still_differ() -> None:
    looks = {(figures._color(place), figures._marker(place)) for place in range(56)}
    assert len(looks) == 56


def test_perfect_accuracy_has_a_place_on_the_scale() -> None:
    svg = figures.costs([Series("perfect", [10], [1.0]), Series("good", [5], [0.99])], images=1000)
    assert markers(svg) == 2 + 2
    assert "inf" not in svg.replace("info", "")


@pytest.mark.parametrize("x", [[], [math.nan, math.nan]])
def test_progress_of_which_nothing_is_known_is_empty_but_drawn(x: list[float]) -> None:
    svg = figures.progress([Series("a", x, [0.5] * len(x))], images=1000, along="CPU seconds")
    assert markers(svg) == 0
    assert "nan" not in svg.lower()


def test_values_that_are_not_finite_leave_recipes_in_the_chart() -> None:
    svg = figures.progress([Series("a", [1, 2, 3], [0.9, math.nan, 0.95])], images=1000, along="epoch")
    assert markers(svg) == 2 + 1
    assert "nan" not in svg.lower()


def test_digit_keeps_every_pixel() -> None:
    from matplotlib.image import imread

    image = np.arange(784, dtype=np.uint32).reshape(28, 28).astype(np.uint8)
    kind, _, body = figures.digit(image).partition(",")
    assert kind == "data:image/png;base64"
    assert np.array_equal(np.rint(imread(io.BytesIO(base64.b64decode(body)))[..., 0] * 255), image)


def test_faint_digit_is_not_brightened() -> None:
    from matplotlib.image import imread

    body = figures.digit(np.full((28, 28), 10, np.uint8)).partition(",")[2]
    assert imread(io.BytesIO(base64.b64decode(body)))[0, 0, 0] == pytest.approx(10 / 255)
