"""How the commands show things in a terminal: tables and texts, ages and sizes."""

from datetime import UTC, datetime
from typing import Any


def display(shown: Any) -> None:
    """To the terminal's width there; in a pipe as wide as it is, so that no line is broken or cut."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=500)
    console.print(shown, soft_wrap=isinstance(shown, str), highlight=False, markup=False)


def age(created: str) -> str:
    """How long ago a time of ISO 8601 is: `3 d`, `5 h`, `12 min`, `7 s`."""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(created)).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def size(count: int) -> str:
    """Bytes: `1.2 GB`, `34.5 MB`, `6.7 kB`, `89 B`."""
    for unit, length in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return f"{count} B"
