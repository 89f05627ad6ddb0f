"""The leaderboard: a comparison of recipes as CSV, Markdown or one HTML page.

Here are the verdict, in sentences, and the table; the page itself is `leaderboard.html`, its charts come from
`figures.py`, what noise allows to say from `comparison.py`.
"""

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tasks.judging.comparison import Comparison, Entry, Failure, Pair, Row, notes, pairs, rows
from tasks.judging.statistics import score
from tasks.reports import figures, html
from tasks.words import counted, decimal, p_value, percent, points, seconds

NOTHING = "–"


def headline(board: Sequence[Row], tested: Sequence[Pair]) -> str:
    """The verdict in one sentence: which recipe is the best, and whether that is more than noise."""
    if not board:
        return "No recipe came to an end."
    best = board[0]
    start = f"“{best.recipe}” leads: {percent(best.score.accuracy)} of {counted(best.score.images, 'held-out image')}"
    if len(board) == 1:
        return f"{start} (95\u00a0% interval: {_range(best.score.interval)})."
    lead = points(best.score.accuracy - board[1].score.accuracy)
    if tested[0].against:
        return f"{start}, {lead} before “{board[1].recipe}”, though of their first seeds the other one is better."
    return f"{start}, {lead} before “{board[1].recipe}”, {'beyond' if tested[0].apart else 'but within'} noise."


def findings(comparison: Comparison, board: Sequence[Row], tested: Sequence[Pair]) -> list[str]:
    """What else a reader should know first, in sentences."""
    found = []
    if len(board) > 1:
        found += [_evidence(board, tested, tested[0]), _cheapest(board, tested)]
    if board and board[0].test is not None:
        found.append(
            f"On the test part, whose labels played no part in any choice, “{board[0].recipe}” reads "
            f"{percent(board[0].test)} right."
        )
    if comparison.failures:
        found.append(f"{counted(len(comparison.failures), 'fit')} failed; the reason stands below.")
    return found


def _cheapest(board: Sequence[Row], tested: Sequence[Pair]) -> str:
    """Which recipe costs least of those that the best one, the first row, is not beyond noise of."""
    best = board[0]
    against = {pair.worse: pair for pair in tested if pair.better == best.recipe}
    cheaper = [row for row in board[1:] if row.cpu < best.cpu]
    if not cheaper:
        return f"It is also the cheapest to fit: {seconds(best.cpu)} CPU s."
    close = min((row for row in cheaper if not against[row.recipe].apart), key=lambda row: row.cpu, default=None)
    if close is None:
        return f"No cheaper recipe is within noise of it; it takes {seconds(best.cpu)} CPU s to fit."
    told = "" if close is board[1] else f" {_evidence(board, tested, against[close.recipe])}"
    return (
        f"The cheapest within noise of it is “{close.recipe}”: {seconds(close.cpu)} CPU s to fit against "
        f"{seconds(best.cpu)}.{told}"
    )


def _evidence(board: Sequence[Row], tested: Sequence[Pair], pair: Pair) -> str:
    seeds = " of their first seeds" if any(len(row.fits) > 1 for row in board) else ""
    corrected = f", {p_value(pair.adjusted)} corrected for {len(tested)} pairs" if len(tested) > 1 else ""
    return (
        f"“{pair.better}” reads {counted(pair.paired.only_first, 'image')} right that “{pair.worse}” does not, "
        f"“{pair.worse}” {pair.paired.only_second:,} that “{pair.better}” does not "
        f"(McNemar’s p{seeds} {p_value(pair.paired.p)}{corrected})."
    )


def table(board: Sequence[Row], failures: Sequence[Failure]) -> list[dict[str, str]]:
    """The leaderboard in words, a line a recipe, failed ones last; each has the same columns, none of them empty."""
    lines = [_cells(row) for row in board]
    names = list(lines[0]) if lines else ["Recipe", "Notes"]
    for recipe in dict.fromkeys(one.recipe for one in failures if one.recipe not in {row.recipe for row in board}):
        reasons = notes([], [one for one in failures if one.recipe == recipe])
        lines.append(dict.fromkeys(names, NOTHING) | {"Recipe": recipe, "Notes": "; ".join(reasons)})
    used = [name for name in names if any(line[name] != NOTHING for line in lines)]
    return [{name: line[name] for name in used} for line in lines]


def _cells(row: Row) -> dict[str, str]:
    fits = row.fits
    return {
        "Recipe": row.recipe,
        "Accuracy": percent(row.score.accuracy),
        "95 % interval": _range(row.score.interval),
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
    """`99.56–99.80 %`."""
    low, high = map(percent, shares)
    return f"{low.removesuffix('%').strip()}–{high}"


def _over_seeds(row: Row) -> str:
    """`3: ±0.03, 99.66–99.73`: number of seeds, standard deviation in points, lowest and highest."""
    if row.deviation is None:
        return NOTHING
    each = [fit.accuracy for fit in row.fits]
    return f"{len(each)}: ±{100 * row.deviation:.2f}, {_range((min(each), max(each))).removesuffix('%').strip()}"


def _epochs(fits: Sequence[Entry]) -> str:
    """`7 of 12`, or `6–8 of 12` where the seeds differ."""
    if not any(fit.epochs for fit in fits):
        return NOTHING
    return f"{_span([fit.best_epoch for fit in fits])} of {_span([fit.epochs for fit in fits])}"


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def to_markdown(comparison: Comparison) -> str:
    """The leaderboard as a table of GitHub's Markdown, a line a recipe."""
    lines = table(rows(comparison), comparison.failures)
    head = list(lines[0])
    align = ["---" if name in ("Recipe", "Notes") else "--:" for name in head]
    return "".join(
        f"| {' | '.join(map(_escaped, line))} |\n" for line in (head, align, *(line.values() for line in lines))
    )


def _escaped(cell: str) -> str:
    return " ".join(cell.replace("|", "\\|").replace("<", "&lt;").split())


def to_csv(comparison: Comparison) -> str:
    """Raw numbers, a line a recipe and seed: shares 0–1, seconds, bytes; failures at the end, with the reason."""
    lines = [_line(comparison, fit) for row in rows(comparison) for fit in row.fits]
    lines += [{"recipe": one.recipe, "seed": one.seed, "failure": one.because} for one in comparison.failures]
    file = io.StringIO()
    writer = csv.DictWriter(file, dict.fromkeys(name for line in lines for name in line), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return file.getvalue()


def _line(comparison: Comparison, fit: Entry) -> dict[str, Any]:
    low, high = score(fit.right).interval
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
    """The leaderboard as one HTML page, which loads nothing from anywhere."""
    board = rows(comparison)
    tested = pairs(board)
    return html.render(
        "leaderboard.html",
        title=comparison.title,
        headline=headline(board, tested),
        findings=findings(comparison, board, tested),
        comparison=comparison,
        board=board,
        table=table(board, comparison.failures),
        pairs={(pair.better, pair.worse): pair for pair in tested},
        several_seeds=any(len(row.fits) > 1 for row in board),
        charts=_charts(comparison, board),
        reproduce=comparison.reproduce,
        commit=comparison.commit,
        versions=comparison.versions,
    )


def _charts(comparison: Comparison, board: Sequence[Row]) -> list[str]:
    """Accuracy against cost, and its way there by epoch and by CPU seconds; a recipe looks the same in all of them."""
    if not board:
        return []
    costs = [
        figures.Series(row.recipe, [fit.cpu for fit in row.fits], [fit.accuracy for fit in row.fits]) for row in board
    ]
    charts = [figures.costs(costs, comparison.images)]
    if any(row.fits[0].history for row in board):
        by_epoch = [_way(row, [epoch["epoch"] for epoch in row.fits[0].history]) for row in board]
        by_cost = [_way(row, _spent(row.fits[0])) for row in board]
        charts.append(figures.progress(by_epoch, comparison.images, "epoch"))
        charts.append(figures.progress(by_cost, comparison.images, "CPU seconds"))
    return charts


def _way(row: Row, x: Sequence[float]) -> figures.Series:
    return figures.Series(row.recipe, x, [epoch["val_accuracy"] for epoch in row.fits[0].history])


def _spent(fit: Entry) -> list[float]:
    """CPU seconds from the start of the fit to the end of each epoch; unknown from the first one that is unknown."""
    return np.cumsum([epoch.get("cpu_seconds", math.nan) for epoch in fit.history]).tolist()
