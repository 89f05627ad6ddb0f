"""The leaderboard: a comparison of recipes as CSV, Markdown or one HTML page.

The verdict is put into sentences here, and the table into words; the page itself is `leaderboard.html`, its charts come
from `figures.py`, and `comparison.py` tells which differences are more than noise.
"""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.judging.comparison import Comparison, Failure, Fit, Pair, Row, notes, pairs, rows
from tasks.judging.statistics import measure_accuracy
from tasks.reports import figures, html
from tasks.reports.figures import Series
from tasks.words import counted, decimal, in_markdown, in_spreadsheet, p_value, percent, points, seconds

NOTHING = "–"
Table = list[dict[str, str]]


@dataclass(frozen=True)
class Leaderboard:
    """The figures of a comparison. images: of the validation part. table: as of `table`."""

    images: int
    table: Table


def headline(board: Sequence[Row], tested: Sequence[Pair]) -> str:
    """Return the verdict in one sentence: the best recipe, and whether its lead is more than noise."""
    if not board:
        return "No recipe came to an end."
    best, accuracy = board[0], board[0].validation
    start = f"“{best.recipe}” leads: {percent(accuracy.accuracy)} of {counted(accuracy.images, 'held-out image')}"
    if len(board) == 1:
        return f"{start} (95\u00a0% interval: {_range(accuracy.interval)})."
    lead = points(accuracy.accuracy - board[1].validation.accuracy)
    if tested[0].against:
        return f"{start}, {lead} before “{board[1].recipe}”, though of their first seeds the other one is better."
    return f"{start}, {lead} before “{board[1].recipe}”, {'beyond' if tested[0].apart else 'but within'} noise."


def findings(comparison: Comparison, board: Sequence[Row], tested: Sequence[Pair]) -> list[str]:
    """Return in sentences what else a reader should know first."""
    sentences = []
    if len(board) > 1:
        sentences += [_evidence(board, tested, tested[0]), _cheapest(board, tested)]
    if board and board[0].test is not None:
        sentences.append(
            f"On the test part, whose labels played no part in any choice, “{board[0].recipe}” reads "
            f"{percent(board[0].test)} right."
        )
    if comparison.failures:
        reasons = "the reason stands" if len(comparison.failures) == 1 else "the reasons stand"
        sentences.append(f"{counted(len(comparison.failures), 'attempt')} failed; {reasons} below.")
    return sentences


def _cheapest(board: Sequence[Row], tested: Sequence[Pair]) -> str:
    """Return in a sentence which recipe costs least of those within noise of the best one, the first row."""
    best = board[0]
    against = {pair.worse: pair for pair in tested if pair.better == best.recipe}
    cheaper = [row for row in board[1:] if row.cpu < best.cpu]
    if not cheaper:
        return f"It is also the cheapest to fit: {seconds(best.cpu)} CPU s."
    within_noise = [row for row in cheaper if not against[row.recipe].apart]
    close = min(within_noise, key=lambda row: row.cpu, default=None)
    if close is None:
        return f"No cheaper recipe is within noise of it; it takes {seconds(best.cpu)} CPU s to fit."
    evidence = "" if close is board[1] else f" {_evidence(board, tested, against[close.recipe])}"
    return (
        f"The cheapest within noise of it is “{close.recipe}”: {seconds(close.cpu)} CPU s to fit against "
        f"{seconds(best.cpu)}.{evidence}"
    )


def _evidence(board: Sequence[Row], tested: Sequence[Pair], pair: Pair) -> str:
    seeds = " of their first seeds" if any(len(row.fits) > 1 for row in board) else ""
    corrected = f", {p_value(pair.adjusted)} corrected for {len(tested)} pairs" if len(tested) > 1 else ""
    return (
        f"“{pair.better}” reads {counted(pair.paired.only_first, 'image')} right that “{pair.worse}” does not, "
        f"“{pair.worse}” {pair.paired.only_second:,} that “{pair.better}” does not "
        f"(McNemar’s p{seeds} {p_value(pair.paired.p)}{corrected})."
    )


def table(comparison: Comparison) -> Table:
    """Return the leaderboard in words, a line for each recipe, failed ones last; empty columns are left out."""
    lines = [_cells(row) for row in rows(comparison)]
    names = list(lines[0]) if lines else ["Recipe", "Notes"]
    failures: dict[str, list[Failure]] = {}
    for failure in comparison.failures:
        failures.setdefault(failure.recipe, []).append(failure)
    ranked = {line["Recipe"] for line in lines}
    for recipe, reasons in failures.items():
        if recipe not in ranked:
            lines.append(dict.fromkeys(names, NOTHING) | {"Recipe": recipe, "Notes": "; ".join(notes([], reasons))})
    used = [name for name in names if any(line[name] != NOTHING for line in lines)]
    return [{name: line[name] for name in used} for line in lines]


def _cells(row: Row) -> dict[str, str]:
    fits = row.fits
    return {
        "Recipe": row.recipe,
        "Accuracy": percent(row.validation.accuracy),
        "95 % interval": _range(row.validation.interval),
        "Over seeds": _over_seeds(row),
        "Everyday changes": percent(row.robust),
        "Loss": decimal(row.loss),
        "Test": percent(row.test),
        "Test, refitted": percent(row.refitted_test),
        "Authors report": percent(row.reported),
        "Fit, CPU s": seconds(row.cpu),
        "Fit, wall s": seconds(row.wall),
        "Best epoch": _epochs(fits),
        "Parameters": _span([fit.parameters for fit in fits]),
        "int8, kB": NOTHING if row.int8_bytes is None else f"{row.int8_bytes / 1000:,.0f}",
        "Images / CPU s": f"{row.rate:,.0f}" if math.isfinite(row.rate) else NOTHING,
        "Notes": "; ".join(row.notes) or NOTHING,
    }


def _range(shares: tuple[float, float]) -> str:
    """Return a range as in `99.56–99.80 %`."""
    low, high = map(percent, shares)
    return f"{low.removesuffix('%').strip()}–{high}"


def _over_seeds(row: Row) -> str:
    """Return number of seeds, standard deviation in points, lowest and highest, as in `3: ±0.03, 99.66–99.73`."""
    if row.deviation is None:
        return NOTHING
    accuracies = [fit.accuracy for fit in row.fits]
    span = _range((min(accuracies), max(accuracies))).removesuffix("%").strip()
    return f"{len(accuracies)}: ±{100 * row.deviation:.2f}, {span}"


def _epochs(fits: Sequence[Fit]) -> str:
    """Return the best epoch as in `7 of 12`, or `6–8 of 12` where the seeds differ."""
    if not any(fit.epochs for fit in fits):
        return NOTHING
    return f"{_span([fit.best_epoch for fit in fits])} of {_span([fit.epochs for fit in fits])}"


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def to_markdown(comparison: Comparison) -> str:
    """Return the leaderboard as a table of GitHub's Markdown, a line for each recipe."""
    lines = table(comparison)
    head = list(lines[0])
    align = ["---" if name in ("Recipe", "Notes") else "--:" for name in head]
    cells = [head, align, *(line.values() for line in lines)]
    return "".join(f"| {' | '.join(map(in_markdown, line))} |\n" for line in cells)


def to_csv(comparison: Comparison) -> str:
    """Return raw numbers, a line for each recipe and seed: shares 0–1, seconds, bytes; failures last, with reasons."""
    lines = [_line(comparison, fit) for row in rows(comparison) for fit in row.fits]
    lines += [
        {"recipe": failure.recipe, "seed": failure.seed, "failure": failure.because} for failure in comparison.failures
    ]
    file = io.StringIO()
    writer = csv.DictWriter(file, dict.fromkeys(name for line in lines for name in line), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: in_spreadsheet(cell) for name, cell in line.items()} for line in lines)
    return file.getvalue()


def _line(comparison: Comparison, fit: Fit) -> dict[str, Any]:
    low, high = measure_accuracy(fit.right).interval
    test_right, test_images = fit.test or (None, None)
    refitted_right, refitted_images = fit.refitted_test or (None, None)
    protocol, reported = comparison.reported.get(fit.recipe, (None, None))
    return {
        "recipe": fit.recipe,
        "seed": fit.seed,
        "model": fit.model,
        "images": len(fit.right),
        "right": int(fit.right.sum()),
        "accuracy": fit.accuracy,
        "interval_low": low,
        "interval_high": high,
        "loss": fit.loss,
        "everyday_changes": fit.robust,
        "test_right": test_right,
        "test_images": test_images,
        "refitted_test_right": refitted_right,
        "refitted_test_images": refitted_images,
        "reported_accuracy": reported,
        "reported_protocol": protocol,
        "best_epoch": fit.best_epoch,
        "epochs": fit.epochs,
        "cpu_seconds": fit.cpu,
        "wall_seconds": fit.wall,
        "parameters": fit.parameters,
        "int8_bytes": fit.int8_bytes,
        "images_per_cpu_second": fit.rate,
        "notes": "; ".join(fit.notes),
        "failure": None,
    }


def render(comparison: Comparison) -> str:
    """Return the leaderboard as one HTML page, which loads nothing from anywhere."""
    board = rows(comparison)
    tested = pairs(board)
    return html.render(
        "leaderboard.html",
        title=comparison.title,
        headline=headline(board, tested),
        findings=findings(comparison, board, tested),
        comparison=comparison,
        board=board,
        table=table(comparison),
        pairs={(pair.better, pair.worse): pair for pair in tested},
        several_seeds=any(len(row.fits) > 1 for row in board),
        charts=_charts(comparison, board),
        reproduce=comparison.reproduce,
        commit=comparison.commit,
        versions=comparison.versions,
    )


def _charts(comparison: Comparison, board: Sequence[Row]) -> list[str]:
    """Draw accuracy against cost, and its way by epoch and by CPU seconds; a recipe looks the same in all of them."""
    if not board:
        return []
    costs = []
    for row in board:
        costs.append(Series(row.recipe, [fit.cpu for fit in row.fits], [fit.accuracy for fit in row.fits]))
    charts = [figures.costs(costs, comparison.images)]
    if any(row.fits[0].history for row in board):
        by_epoch = [_way(row, [epoch["epoch"] for epoch in row.fits[0].history]) for row in board]
        by_cost = [_way(row, _spent(row.fits[0])) for row in board]
        charts.append(figures.progress(by_epoch, comparison.images, "epoch"))
        charts.append(figures.progress(by_cost, comparison.images, "CPU seconds"))
    return charts


def _way(row: Row, x: Sequence[float]) -> Series:
    return Series(row.recipe, x, [epoch["val_accuracy"] for epoch in row.fits[0].history])


def _spent(fit: Fit) -> list[float]:
    """Return the CPU seconds from the start of a fit to the end of each epoch, unknown after the first unknown one."""
    return np.cumsum([epoch.get("cpu_seconds", math.nan) for epoch in fit.history]).tolist()
