import math

import pytest

from tasks.words import (
    compared,
    counted,
    duration,
    flat,
    in_markdown,
    in_spreadsheet,
    listed,
    moment,
    p_value,
    percent,
    printable,
    seconds,
    signed,
)

NBSP = "\u00a0"


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


def test_of_many_names_some_are_listed() -> None:
    assert [listed(["a", "b"], 2), listed([*"abc"], 2), listed([], 2)] == ["a, b", "a, b and 1 more", ""]


@pytest.mark.parametrize(
    ("difference", "sign", "words"),
    [
        (0.0012, "+0.12", "0.12 points more than"),
        (-0.015, "−1.50", "1.50 points fewer than"),
        (-0.00001, "0.00", "just as many as"),
    ],
)
def test_differences_are_told_in_points(difference: float, sign: str, words: str) -> None:
    assert signed(difference) == sign
    assert compared(difference).replace(NBSP, " ") == words


def test_times_are_told_in_utc() -> None:
    assert moment("2026-01-02T03:04:05+02:00") == "2026-01-02 01:04 UTC"


def test_seconds_are_short() -> None:
    assert [seconds(value) for value in (0.44, 9.94, 12.3, 1234.5)] == ["0.4", "9.9", "12", "1,234"]


def test_p_is_never_rounded_to_nothing() -> None:
    assert [p_value(p) for p in (1.0, 0.0194, 0.0001)] == ["1.000", "0.019", "<\u202f0.001"]


def test_nested_parameters_get_dotted_names() -> None:
    assert dict(flat({"a": 1, "b": {"c": {"d": 2}}})) == {"a": 1, "b.c.d": 2}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", " =1", "\t=1"])
def test_a_cell_that_would_be_a_formula_is_shown_as_text(text: str) -> None:
    assert in_spreadsheet(text) == f"'{text}"


@pytest.mark.parametrize("cell", ["a.csv", "1-2", "", None, -1, 0.5])
def test_other_cells_stay_what_they_are(cell: object) -> None:
    assert in_spreadsheet(cell) == cell


def test_markdown_shows_a_text_as_it_is() -> None:
    assert in_markdown("[a](b) <c>\n| *d* `e`") == r"\[a\](b) &lt;c\> \| \*d\* \`e\`"


def test_what_a_terminal_would_obey_or_cannot_show_is_written_out() -> None:
    assert printable("zwölf\u00a0%\n\x1b[31m\udcff\u202e.csv") == "zwölf\u00a0%\\n\\x1b[31m\\udcff\\u202e.csv"
