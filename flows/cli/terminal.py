"""How the commands show things in a terminal: tables and texts, ages and shares."""

from datetime import UTC, datetime
from typing import Any

from humanize import naturaldelta

from tasks import words


def display(content: Any) -> None:
    """Print to the terminal's width; in a pipe as wide as it is, so that no line is broken or cut."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=500)
    console.print(content, soft_wrap=isinstance(content, str), highlight=False, markup=False)


def age(created: str) -> str:
    """Return how long ago a time of ISO 8601 is: `3 days`, `an hour`, `12 minutes`."""
    return naturaldelta(datetime.now(UTC) - datetime.fromisoformat(created))


def percent(share: float | None) -> str:
    """Return a share 0–1 as the pages show it, but with a plain space, which one can search for and type."""
    return words.percent(share).replace("\u00a0", " ")
