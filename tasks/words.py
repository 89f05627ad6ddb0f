"""Numbers in words, the same on every page."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any


def percent(share: float | None, decimals: int = 2) -> str:
    """Return a share 0–1 in per cent; it is never rounded to all or nothing."""
    if share is None or not math.isfinite(share):
        return "–"
    if share in (0, 1):
        return f"{100 * share:.0f}\u00a0%"
    least = 10 ** -(decimals + 2)
    sign = "<" if share < least / 2 else ">" if share > 1 - least / 2 else ""
    shown = min(max(share, least), 1 - least) if sign else share
    return f"{sign}{100 * shown:.{decimals}f}\u00a0%"


def points(share: float) -> str:
    """Return a difference of shares in percentage points, as in `0.12 points`."""
    return f"{100 * share:.2f}\u00a0points"


def signed(share: float) -> str:
    """Return a difference of shares in percentage points, without the unit: `+0.12`, `−1.50`, `0.00`."""
    value = round(100 * share, 2)
    return f"{value:+.2f}".replace("-", "−") if value else "0.00"


def compared(difference: float) -> str:
    """Compare shares by their difference: `0.12 points more than`, `1.50 points fewer than`, `just as many as`."""
    if signed(difference) == "0.00":
        return "just as many as"
    return f"{points(abs(difference))} {'more' if difference > 0 else 'fewer'} than"


def decimal(value: float) -> str:
    """Return a number with four decimals."""
    return f"{value:.4f}" if math.isfinite(value) else "–"


def p_value(p: float) -> str:
    """Return a p value with three decimals, never rounded to nothing."""
    return "<\u202f0.001" if p < 0.001 else f"{p:.3f}"


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, as in `1 image` or `2,000 images`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(names: Sequence[str], most: int) -> str:
    """Return names with commas, and how many more there are than `most`: `a.csv, b.csv and 2 more`."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def seconds(value: float) -> str:
    """Return seconds without their unit: `0.4`, `1,234`."""
    return f"{value:,.1f}" if value < 10 else f"{value:,.0f}"


def duration(value: float) -> str:
    """Return seconds with their unit: `0.4 s`, `12 s`, `2 min 5 s`."""
    if value < 10:
        return f"{value:.1f}\u00a0s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes}\u00a0min {rest}\u00a0s" if minutes else f"{rest}\u00a0s"


def moment(iso: str) -> str:
    """Return a time of ISO 8601, to the minute, in UTC."""
    return f"{datetime.fromisoformat(iso).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def flat(parameters: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the parameters, nested ones by dotted names."""
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def printable(text: str) -> str:
    """Return the text, in one line, with what a terminal would obey or cannot show written as in Python.

    So are control characters, those that turn the direction of writing, and bytes that are no text, as a name may hold.
    """
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", lambda bad: ascii(bad[0])[1:-1], text)


def in_markdown(text: str) -> str:
    """Return a text, in one line, such that Markdown shows it as it is."""
    escaped = re.sub(r"([\\`*_{}\[\]>#|~&!])", r"\\\1", " ".join(text.split()))
    return escaped.replace("<", "&lt;")


def in_spreadsheet(cell: Any) -> Any:
    """Return what a cell of a CSV is to hold: with an apostrophe before a text that would be taken for a formula."""
    # OWASP, CSV injection: also after what a program may skip.
    return f"'{cell}" if isinstance(cell, str) and cell.lstrip()[:1] in tuple("=+-@") else cell
