"""How the commands show things in a terminal: tables and texts, ages and shares."""

import json
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from humanize import naturaldelta

from tasks import words
from tasks.store import Artifact

AsJson = Annotated[bool, typer.Option("--json", help="Print everything as JSON, for programs.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only what a script goes on with, a line each.")]


def print_json(content: Any) -> None:
    """Print as JSON; artifacts and paths by their names, dataclasses with their fields."""
    print(json.dumps(content, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, Artifact):
        return value.name
    return vars(value) if is_dataclass(value) else str(value)


def print_list(
    entries: Sequence[Any], names: Sequence[str], table: Callable[[], Any], as_json: bool, quiet: bool
) -> None:
    """Print a list as JSON, as the names of its entries, or as a table."""
    if as_json:
        print_json(entries)
    elif quiet:
        print("\n".join(names))
    else:
        display(table())


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
