"""The history of scoring: plain data in, one HTML page or Markdown out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from tasks.judging.change import FIRST_PERIOD
from tasks.judging.statistics import accuracy_of
from tasks.reports import html
from tasks.reports.drawing import BLUE, INK, ORANGE, new_figure, percent_ticks, plain, svg
from tasks.store.provenance import commit, versions
from tasks.words import counted, duration, percent

SHARES = ("review share", "passed on")
RECENT = 30  # days in a table


@dataclass(frozen=True)
class Day:
    """What one package has answered on one day of UTC, where review_below was the same.

    date: ISO 8601. package: its name. files: scores. rows: answers; `quarantined` more were set aside, and `review` of
    them a person should look at. read_first, passed_on: answers of which the first reader was asked, and those that it
    left to the main model. drifted: scores that have drifted. shifts: of each aggregate, as `drift.shifts`.
    labelled, right: answers whose truth came along, and right ones. latency: median seconds from a file's arrival to
    its scores. read, changed: answers that people have decided on, and those to which they gave another. audited,
    audited_right: of those that nobody was to look at, read for an audit, and right ones.
    """

    date: str
    package: str
    review_below: float
    files: int
    rows: int
    quarantined: int
    review: int
    read_first: int
    passed_on: int
    drifted: int
    shifts: Mapping[str, float]
    labelled: int
    right: int
    latency: float | None
    read: int
    changed: int
    audited: int
    audited_right: int


@dataclass(frozen=True)
class Measure:
    """A value of each of k days, its moving average, and the band that this stays in by chance; None where unknown.

    usual: of the first weeks of the same package. All are shares, 0–1, or standard deviations of single images.
    """

    name: str
    values: Sequence[float | None]
    usual: Sequence[float | None]
    smoothed: Sequence[float | None]
    low: Sequence[float | None]
    high: Sequence[float | None]


@dataclass(frozen=True)
class Change:
    """A slow change: the moving average left its band on the day `since`.

    until: the last day outside; None where it still is. usual, now: the value before, and the average on that last day.
    As a text it is a sentence.
    """

    measure: str
    package: str
    since: str
    until: str | None
    usual: float
    now: float

    def __str__(self) -> str:
        way = "risen" if self.now > self.usual else "fallen"
        when = f"since {self.since}" if self.until is None else f"from {self.since} to {self.until}"
        if self.measure in SHARES:
            what = "the share to review" if self.measure == SHARES[0] else "the share that the first reader passes on"
            return f"{what} has {way} from {percent(self.usual)} to {percent(self.now)}, beyond chance {when}"
        moved = f"by {abs(self.now - self.usual):.3f} standard deviations of an image"
        return f"{self.measure} has {way} {moved}, beyond chance {when}"


@dataclass(frozen=True)
class History:
    """What scoring did. days: oldest first. measures: each of all days. champions: since when which package was it."""

    days: Sequence[Day]
    measures: Sequence[Measure]
    changes: Sequence[Change]
    champions: Sequence[tuple[str, str]]

    def since(self, first: str) -> "History":
        """Return the days from one on, ISO 8601, with what had changed by then and since."""
        start = sum(day.date < first for day in self.days)
        measures = [
            Measure(name, *(row[start:] for row in rows))
            for name, *rows in (vars(measure).values() for measure in self.measures)
        ]
        changes = [change for change in self.changes if change.until is None or change.until >= first]
        return History(self.days[start:], measures, changes, self.champions)


def table(days: Sequence[Day]) -> tuple[list[str], list[list[str]]]:
    """Return the columns of a table, without those that are empty on all days, and a row of cells for each day."""
    columns = {
        "Day": [day.date for day in days],
        "Files": [f"{day.files:,}" for day in days],
        "Rows": [f"{day.rows:,}" for day in days],
        "Set aside": [f"{day.quarantined:,}" if day.quarantined else "" for day in days],
        "To review": [percent(day.review / day.rows) for day in days],
        "Passed on": [percent(day.passed_on / day.read_first) if day.read_first else "" for day in days],
        "Drifted": [f"{day.drifted:,}" if day.drifted else "" for day in days],
        "Corrected": [f"{day.changed:,} of {day.read:,}" if day.read else "" for day in days],
        "Audited wrong": [
            f"{day.audited - day.audited_right:,} of {day.audited:,}" if day.audited else "" for day in days
        ],
        "Right": [f"{percent(day.right / day.labelled)} of {day.labelled:,}" if day.labelled else "" for day in days],
        "Latency": [duration(day.latency) if day.latency is not None else "" for day in days],
        "Package": [day.package.partition("/")[2] for day in days],
    }
    kept = {name: cells for name, cells in columns.items() if any(cells)}
    return list(kept), [list(row) for row in zip(*kept.values(), strict=True)]


def findings(history: History) -> list[str]:
    """Return what the history comes to, in sentences, slow changes first."""
    rows, files = sum(day.rows for day in history.days), sum(day.files for day in history.days)
    sentences = [f"A slow change: {change}." for change in history.changes]
    if not sentences:
        followed = any(value is not None for value in history.measures[0].smoothed)
        sentences.append(
            "No slow change: review, first reader and drift stay within chance of the first four weeks."
            if followed
            else f"Whether anything changes slowly is told after {FIRST_PERIOD} days with scores of the same package."
        )
    span = f"from {history.days[0].date} to {history.days[-1].date}"
    sentences.append(f"{counted(rows, 'row')} of {counted(files, 'file')} were answered {span}.")
    if drifted := sum(day.drifted for day in history.days):
        sentences.append(f"{counted(drifted, 'file')} had drifted.")
    audited = sum(day.audited for day in history.days)
    if audited:
        wrong = audited - sum(day.audited_right for day in history.days)
        sentences.append(
            f"Of {counted(audited, 'answer')} that the model was sure of, read for an audit, {wrong:,} "
            f"{'was' if wrong == 1 else 'were'} wrong."
        )
    return sentences


def markdown(history: History) -> str:
    """Return findings and the last days as Markdown."""
    columns, rows = table(history.days[-RECENT:])
    lines = [columns, ["---", *["--:"] * (len(columns) - 1)], *reversed(rows)]
    return "\n".join(
        [*(f"- {sentence}" for sentence in findings(history)), "", *(f"| {' | '.join(line)} |" for line in lines)]
    )


def render(history: History) -> str:
    """Return the page, which loads nothing from anywhere."""
    changes = len(history.changes)
    return html.render(
        "history.html",
        title="What scoring did",
        headline=f"{counted(changes, 'slow change')} in {counted(len(history.days), 'day')} of scoring."
        if changes
        else f"{counted(len(history.days), 'day')} of scoring, no slow change.",
        findings=findings(history),
        charts={title: drawn for title, drawn in _charts(history).items() if drawn},
        table=table(list(reversed(history.days))),
        history=history,
        reproduce="digits history --html FILE",
        commit=commit(),
        versions=versions(),
    )


def _charts(history: History) -> dict[str, list[str]]:
    """Draw a chart of each thing that is known of some day, by the heading that it stands under."""

    def of_days(title: str, values: Sequence[float | None], unit: str, measure: Measure | None = None) -> list[str]:
        return [_chart(history, title, values, unit, measure)] if any(value is not None for value in values) else []

    def of_counts(title: str, counts: Sequence[tuple[int, int]]) -> list[str]:
        """Draw a share with its 95 % sampling interval."""
        known = [accuracy_of(right, rows) if rows else None for right, rows in counts]
        values = [accuracy.accuracy if accuracy else None for accuracy in known]
        intervals = [accuracy.interval if accuracy else (np.nan, np.nan) for accuracy in known]
        return [_chart(history, title, values, "share", intervals=intervals)] if any(known) else []

    days = history.days
    review, passed_on, *shifts = (
        of_days(measure.name.capitalize(), measure.values, "share" if measure.name in SHARES else "deviations", measure)
        for measure in history.measures
    )
    return {
        "Volume": [
            *of_days("Rows", [day.rows for day in days], "rows"),
            *of_days("Seconds from arrival to result", [day.latency for day in days], "seconds"),
        ],
        "Review": [
            *review,
            *passed_on,
            *of_counts("Corrected, of what people read", [(day.changed, day.read) for day in days]),
        ],
        "Accuracy": [
            *of_counts("Wrong in audits", [(day.audited - day.audited_right, day.audited) for day in days]),
            *of_counts("Right where labels came", [(day.right, day.labelled) for day in days]),
        ],
        "Drift": [chart for drawn in shifts for chart in drawn],
    }


def _chart(
    history: History,
    title: str,
    values: Sequence[float | None],
    unit: str,
    measure: Measure | None = None,
    intervals: Sequence[tuple[float, float]] = (),
) -> str:
    """Draw a value over the days as SVG, with a mark where the champion changed.

    measure: its moving average and band. intervals: of each value.
    """
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    figure = new_figure(width=440, height=230)
    axes = figure.add_subplot()
    days = np.array([date.fromisoformat(day.date) for day in history.days])
    known = np.array(values, float)
    axes.scatter(days, known, s=9 if len(days) > 60 else 20, color=BLUE, linewidths=0, alpha=0.8)
    if intervals:
        low, high = np.array(intervals).T
        axes.vlines(days, low, high, color=BLUE, linewidth=1, alpha=0.5)
    if measure:
        smoothed, low, high = (np.array(row, float) for row in (measure.smoothed, measure.low, measure.high))
        packages = np.array([day.package for day in history.days])
        for package in np.unique(packages):  # two may take turns
            own = packages == package
            axes.fill_between(days[own], low[own], high[own], color=INK, alpha=0.12, linewidth=0)
            axes.plot(days[own], smoothed[own], color=ORANGE, linewidth=2)
    for since, _ in history.champions:
        if days[0] < (changed := date.fromisoformat(since[:10])) <= days[-1]:
            axes.axvline(date2num(changed), color=INK, linewidth=1, linestyle=(0, (3, 3)))
    locator = AutoDateLocator(minticks=3, maxticks=6)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=len(days) > 1))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=unit in ("rows", "seconds")))
    if unit == "share":
        axes.yaxis.set_major_formatter(percent_ticks())
    elif unit != "deviations":
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.set_ylim(bottom=0)
    plain(axes, title, "")
    last = known[~np.isnan(known)][-1]
    spoken = percent(last) if unit == "share" else f"{last:,.3g} {unit}"
    return svg(figure, f"{title} over {counted(len(days), 'day')}; the last is {spoken}")
