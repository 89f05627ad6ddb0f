"""The history by day: lines of the ledger added up, with the averages that tell a slow change."""

from collections.abc import Callable, Container, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby

import numpy as np

from tasks import registry
from tasks.errors import StoreError
from tasks.history import ledger
from tasks.history.ledger import Line
from tasks.judging import change
from tasks.judging.drift import AGGREGATES
from tasks.reports.history import SHARES, Change, Day, History, Measure
from tasks.store import Store

# Of days: counts of a share, and the rows that it is of.
COUNTS: dict[str, Callable[[Day], tuple[int, int]]] = {
    SHARES[0]: lambda day: (day.review, day.rows),
    SHARES[1]: lambda day: (day.passed_on, day.read_first),
}


def history(store: Store) -> History:
    """Return what scoring did, day by day. Raises: StoreError if nothing was scored yet; as `ledger.read`."""
    return news(store, ())[0]


def news(store: Store, names: Container[str]) -> tuple[History, list[Change]]:
    """Return the history, and the slow changes that it would not have without these scores. Raises: as `history`."""
    lines = ledger.read(store)
    days = by_day(lines)
    if not days:
        remedy = "score digits by `digits score`, or leave them in the inbox"
        raise StoreError("nothing has been scored yet", remedy=remedy)
    measures = _measures(days)
    reigns = registry.reigns(store).items()
    whole = History(
        days=days,
        measures=measures,
        changes=_changes(days, measures),
        champions=sorted((reign.since, package) for package, of_package in reigns for reign in of_package),
    )
    before = by_day([line for line in lines if line.name not in names]) if whole.changes else []
    known = {(slow.measure, slow.package) for slow in _changes(before, _measures(before))}
    return whole, [slow for slow in whole.changes if (slow.measure, slow.package) not in known]


def _changes(days: Sequence[Day], measures: Sequence[Measure]) -> list[Change]:
    return [slow for measured in measures for slow in changes(days, measured)]


def _measures(days: Sequence[Day]) -> list[Measure]:
    return [measure(days, name) for name in (*SHARES, *(aggregate.name for aggregate in AGGREGATES))]


def by_day(lines: Sequence[Line]) -> list[Day]:
    """Add up the lines by day of UTC, package, and the confidence below which is reviewed."""
    reviews = {line.of: line for line in lines if line.read}  # the last has all answers
    scored = [line for line in lines if line.incoming and line.rows]
    groups: dict[tuple[str, str, float], list[Line]] = {}
    for line in scored:
        date = f"{datetime.fromisoformat(line.created).astimezone(UTC):%Y-%m-%d}"
        groups.setdefault((date, line.of, line.review_below), []).append(line)
    return [
        _day(*key, group, [reviews[line.name] for line in group if line.name in reviews])
        for key, group in groups.items()
    ]


def _day(date: str, package: str, review_below: float, lines: list[Line], reviews: list[Line]) -> Day:
    rows = sum(line.rows for line in lines)
    asked = [line for line in lines if line.passed_on is not None]
    moved = [line for line in lines if line.shifts]
    weights = np.array([line.rows for line in moved], float)
    latencies = [line.latency for line in lines if line.latency is not None]
    return Day(
        date=date,
        package=package,
        review_below=review_below,
        files=len(lines),
        rows=rows,
        quarantined=sum(line.quarantined for line in lines),
        review=sum(line.review for line in lines),
        read_first=sum(line.rows for line in asked),
        passed_on=sum(line.passed_on or 0 for line in asked),
        drifted=sum(line.drift == "drifted" for line in lines),
        shifts={
            name: float(np.average([line.shifts[name] for line in moved], weights=weights))
            for name in (moved[0].shifts if moved else ())
            if all(name in line.shifts for line in moved)
        },
        labelled=sum(line.labelled for line in lines),
        right=sum(line.right for line in lines),
        latency=float(np.median(latencies)) if latencies else None,
        read=sum(review.read for review in reviews),
        changed=sum(review.changed for review in reviews),
        audited=sum(review.audited for review in reviews),
        audited_right=sum(review.audited_right for review in reviews),
    )


def measure(days: Sequence[Day], name: str) -> Measure:
    """Return a share, or the shift of an aggregate, of each day, with its moving average and the band of that.

    Each package begins anew, since it is its answers that are counted, and what it has learned from that they are held
    against; so does each confidence below which is reviewed.
    """
    rows = np.full((5, len(days)), np.nan)
    values = rows[0]
    for indices in _series(days, name):
        if name in SHARES:
            counts, of = np.array([COUNTS[name](days[index]) for index in indices]).T
            values[indices] = counts / of
            chart = change.follow(*change.of_share(counts, of))
        else:
            values[indices] = [days[index].shifts[name] for index in indices]
            chart = change.follow(values[indices], np.array([1 / days[index].rows for index in indices]))
        if chart:
            lines = np.stack([np.full(len(indices), chart.usual), chart.smoothed, chart.low, chart.high])
            rows[1:, indices] = change.as_share(lines) if name in SHARES else lines
    return Measure(name, *([None if np.isnan(value) else value for value in row.tolist()] for row in rows))


def changes(days: Sequence[Day], measured: Measure) -> Iterator[Change]:
    """Yield, of each series, every time in which its average lay outside its band."""
    smoothed, low, high = (np.array(row, float) for row in (measured.smoothed, measured.low, measured.high))
    outside = (smoothed < low) | (smoothed > high)
    for indices in _series(days, measured.name):
        for is_outside, together in groupby(indices, lambda index: bool(outside[index])):
            beyond = list(together)
            if is_outside:
                yield Change(
                    measure=measured.name,
                    package=days[beyond[0]].package,
                    since=days[beyond[0]].date,
                    until=None if beyond[-1] == indices[-1] else days[beyond[-1]].date,
                    usual=measured.usual[beyond[-1]] or 0.0,
                    now=measured.smoothed[beyond[-1]] or 0.0,
                )


def _series(days: Sequence[Day], name: str) -> Iterator[list[int]]:
    """Yield the indices of days whose values can be compared, and are known."""

    def kind(index: int) -> tuple[str, float]:
        return days[index].package, days[index].review_below

    known = [
        index for index, day in enumerate(days) if (COUNTS[name](day)[1] > 0 if name in SHARES else name in day.shifts)
    ]
    for _, indices in groupby(sorted(known, key=kind), kind):
        yield list(indices)
