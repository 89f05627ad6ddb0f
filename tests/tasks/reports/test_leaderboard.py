import csv
import io
import math
import re
from dataclasses import replace

import pytest
from scipy.stats import binomtest

from tasks.judging.comparison import Comparison, Failure, pairs, rows
from tasks.reports import figures, leaderboard
from tasks.reports.leaderboard import render, to_csv, to_markdown
from tests.tasks.reports.comparing import WEAK, comparison, fit, right, seeds
from tests.tasks.reports.pages import Page, assert_links_lead_somewhere, assert_loads_nothing, words


@pytest.fixture(scope="module")
def page() -> str:
    return render(comparison())


def verdict(comparison: Comparison) -> list[str]:
    board = rows(comparison)
    tested = pairs(board)
    sentences = [leaderboard.headline(board, tested), *leaderboard.findings(comparison, board, tested)]
    return [" ".join(sentence.split()) for sentence in sentences]


# The verdict


def test_verdict_names_the_best_its_lead_and_the_cheapest_within_noise() -> None:
    assert verdict(comparison()) == [
        "“best” leads: 99.00 % of 200 held-out images, 2.00 points before “good”, but within noise.",
        "“best” reads 4 images right that “good” does not, “good” 0 that “best” does not "
        "(McNemar’s p 0.125, 0.125 corrected for 3 pairs).",
        "The cheapest within noise of it is “good”: 30 CPU s to fit against 300.",
        "On the test part, whose labels played no part in any choice, “best” reads 99.50 % right.",
    ]


def test_cheapest_within_noise_need_not_be_the_second() -> None:
    almost = fit("almost", right(*range(100, 107)), cpu=2.0)
    sentence = verdict(comparison(*comparison().fits, almost))[2]
    assert sentence.startswith(
        "The cheapest within noise of it is “almost”: 2.0 CPU s to fit against 300. “best” reads 5"
    )


def test_lead_beyond_noise_is_called_so() -> None:
    lead, evidence, cheapest = verdict(comparison(fit("a", right(), cpu=9), fit("b", right(*WEAK), cpu=8)))
    assert lead == "“a” leads: 100 % of 200 held-out images, 10.00 points before “b”, beyond noise."
    assert evidence.endswith("(McNemar’s p < 0.001).")
    assert cheapest == "No cheaper recipe is within noise of it; it takes 9.0 CPU s to fit."


def test_best_that_is_the_cheapest_is_told() -> None:
    assert (
        "also the cheapest to fit: 8.0 CPU s." in verdict(comparison(fit("a", right(), cpu=8), fit("b", right(1))))[2]
    )


def test_mean_that_is_better_is_not_beyond_noise_if_the_first_seed_is_worse() -> None:
    fits = [*seeds("mean", right(*WEAK), right(), right()), fit("first", right(*range(100, 107)))]
    assert rows(comparison(*fits))[0].recipe == "mean"
    lead, evidence, *_ = verdict(comparison(*fits))
    assert lead.endswith("before “first”, though of their first seeds the other one is better.")
    assert "McNemar’s p of their first seeds 0.019" in evidence


def test_one_recipe_is_compared_with_none() -> None:
    text = words(render(comparison(fit("only", right(1)))))
    assert "“only” leads: 99.50 % of 200 held-out images (95 % interval: 97.22–99.91 %)." in text
    assert "McNemar" not in text


# The forms


def test_csv_has_a_line_a_recipe_and_seed_and_reads_back() -> None:
    failed = Failure("lost", 7, 'the loss, at epoch 3, is "nan"')
    made = comparison(*seeds("a", right(1), right(2, 3), test=(9, 10)), fit("good", right(4)), failures=[failed])
    lines = list(csv.DictReader(io.StringIO(to_csv(made))))
    assert [(line["recipe"], line["seed"]) for line in lines] == [
        ("good", "42"), ("a", "42"), ("a", "43"), ("lost", "7"),
    ]  # fmt: skip
    assert to_csv(made).splitlines()[0] == (
        "recipe,seed,model,images,right,accuracy,interval_low,interval_high,loss,everyday_changes,test_right,"
        "test_images,refitted_test_right,refitted_test_images,reported_accuracy,reported_protocol,best_epoch,epochs,"
        "cpu_seconds,wall_seconds,parameters,int8_bytes,images_per_cpu_second,notes,failure"
    )
    second = lines[2]
    assert (second["right"], second["images"], float(second["accuracy"])) == ("198", "200", 0.99)
    assert (second["test_right"], second["test_images"], second["refitted_test_right"]) == ("9", "10", "")
    expected = binomtest(198, 200).proportion_ci(method="wilson")
    assert (float(second["interval_low"]), float(second["interval_high"])) == pytest.approx(
        (expected.low, expected.high)
    )
    assert (lines[0]["reported_accuracy"], lines[3]["failure"]) == ("0.9905", failed.because)


def test_markdown_has_a_line_a_recipe_the_best_first() -> None:
    lines = to_markdown(comparison(*comparison().fits, *seeds("more", right(1), right(2)))).splitlines()
    assert [line.split(" | ")[0] for line in lines] == ["| Recipe", "| ---", "| more", "| best", "| good", "| weak"]
    assert len({line.count("|") for line in lines}) == 1
    good = [cell.strip().replace("\u00a0", " ") for cell in lines[4].split("|")[1:-1]]
    assert good == [
        "good", "97.00 %", "93.61–98.62 %", "–", "90.00 %", "0.0500", "–", "99.05 %", "30", "20", "2 of 3", "61,706",
        "–", "4,321", "overfits from epoch 2",
    ]  # fmt: skip


def test_several_seeds_are_told_with_their_spread() -> None:
    fits = [fit("a", right(*range(2)), seed=1, best_epoch=2), fit("a", right(*range(4)), seed=2, best_epoch=3)]
    markdown = to_markdown(comparison(*fits))
    assert "| 2: ±0.71, 98.00–99.00 |" in markdown
    assert "| 2–3 of 3 |" in markdown


def test_columns_in_which_there_is_nothing_are_left_out() -> None:
    head = to_markdown(comparison(fit("a", right(1)))).splitlines()[0]
    assert not {"Test", "Notes", "Over seeds", "Authors report"} & {cell.strip() for cell in head.split("|")}


def test_recipe_that_failed_stays_in_the_table_with_its_reason() -> None:
    made = comparison(failures=[Failure("lost", 7, "it | diverged")])
    *_, last = to_markdown(made).splitlines()
    assert last.startswith("| lost | – |")
    assert last.endswith("| seed 7 failed: it \\| diverged |")
    text = words(render(made))
    assert "1 attempt failed; the reason stands below." in text
    assert "lost, seed 7: it | diverged" in text


def test_page_has_verdict_table_charts_pairs_authors_and_how_to_reproduce_in_this_order(page: str) -> None:
    text = words(page)
    order = [
        "“best” leads",
        "Leaderboard Recipe Accuracy",
        "best 99.00 % 96.43–99.73 %",
        "good : overfits from epoch 2",
        "Every fit",
        "Each halving of the mistakes is the same step up.",
        "An ensemble has no epochs of its own.",
        "good weak best 4 : 0 0.125 20 : 2 < 0.001",
        "good 97.00 % – – 99.05 % 60,000 to learn from, 10,000 to judge by",
        "digits compare --data sample",
        "prepared/0a1b",
        "keras 3.15.1",
    ]
    places = [text.rfind(part) for part in order]
    assert -1 not in places, f"missing: {order[places.index(-1)]}"
    assert places == sorted(places)


def test_page_loads_nothing_from_anywhere(page: str) -> None:
    assert_loads_nothing(page)


def test_links_within_the_page_lead_somewhere_and_ids_are_its_own() -> None:
    assert_links_lead_somewhere(render(comparison(failures=[Failure("lost", 7, "it diverged")])))


def test_every_wide_table_scrolls_in_a_box_of_its_own(page: str) -> None:
    tables = [page.rfind("<div", 0, place.start()) for place in re.finditer('<table>|<table class="pairs">', page)]
    assert len(tables) == 4
    assert all(page[start:].startswith('<div class="scroll" tabindex="0" role="region"') for start in tables)


def test_hostile_text_stays_text() -> None:
    evil = "<script>alert(1)</script>\"'{{ 7 * 7 }}"
    made = comparison(
        fit(evil, right(1), model=evil, notes=[evil], history=[{"epoch": 1, "val_accuracy": 0.9, "cpu_seconds": 1}]),
        fit("tame", right(2)),
        title=evil,
        source=evil,
        prepared=evil,
        commit=evil,
        reproduce=evil,
        failures=[Failure(evil, 1, evil)],
        reported={evil: (evil, None)},
        versions={evil: evil},
    )
    html = render(made)
    assert "<script" not in html
    assert Page(html).text.count(evil) >= 12
    assert "<script" not in to_markdown(made)


def test_page_of_failures_alone() -> None:
    made = replace(comparison(), fits=(), failures=[Failure("a", 1, "it diverged")])
    text = words(render(made))
    assert "No recipe came to an end." in text
    assert "a, seed 1: it diverged" in text
    assert to_markdown(made).splitlines()[2] == "| a | seed 1 failed: it diverged |"
    assert to_csv(made) == "recipe,seed,failure\na,1,it diverged\n"


def test_figures_that_are_not_known_are_dashes_and_gaps() -> None:
    lost = [{"epoch": 1, "val_accuracy": math.nan}, {"epoch": 2, "val_accuracy": 0.9}]
    made = comparison(fit("a", right(1), loss=math.nan, rate=math.nan, history=lost), fit("b", right(2)))
    text = words(render(made))
    assert "a 99.50 % 97.22–99.91 % 90.00 % – 30" in text


def test_same_comparison_gives_the_same_page(page: str) -> None:
    assert render(comparison()) == page


def test_charts_show_every_seed_and_the_curve_of_the_first() -> None:
    made = comparison(*seeds("a", right(1), right(2), right(3)), fit("b", right(4, 5)))
    charts = leaderboard._charts(made, rows(made))
    assert [chart.count("<use") for chart in charts] == [3 + 1 + 2, 3 + 3 + 2, 3 + 3 + 2]
    assert figures.MEASURES["accuracy"] in charts[0]


def test_a_recipe_whose_name_is_a_formula_is_shown_as_text() -> None:
    made = comparison(fit("=1+1", right(1)))
    assert to_csv(made).splitlines()[1].startswith("'=1+1,")
