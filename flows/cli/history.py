"""The command about what scoring did over time: history."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.registry import open_store
from flows.cli.terminal import AsJson, display, print_json
from tasks.errors import UsageError
from tasks.words import counted


def history(
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="Show the days from this one on, as in 2026-03-01."),
    ] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page with a chart of each thing.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the page if it exists.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what scoring did, day by day, and whether anything changes too slowly for a single file to show it."""
    from rich.table import Table

    from tasks.history import days
    from tasks.reports import history as page
    from tasks.scoring import delivery
    from tasks.scoring.writing import writing

    if html:
        delivery.check_writable(str(html), force)
    whole = days.history(open_store())
    shown = whole.since(since.date().isoformat()) if since else whole
    if not shown.days:
        raise UsageError(
            "nothing was scored since then",
            expected=f"--since {whole.days[-1].date} or earlier",
            received=f"{since:%F}",
        )
    if html:
        with writing(html) as file:
            file.write(page.render(shown).encode())
    if as_json:
        print_json(shown)
        return
    listed = shown.days if since else shown.days[-page.RECENT :]
    columns, rows = page.table(listed)
    table = Table(*columns, box=None, header_style="bold")
    for row in rows:
        table.add_row(*(cell.replace("\u00a0", " ") for cell in row))
    display(table)
    if hidden := len(whole.days) - len(listed):
        print(f"{counted(hidden, 'earlier line')}; --since {whole.days[0].date} shows all")
    for sentence in page.findings(shown):
        print(sentence.replace("\u00a0", " "))
    if html:
        print(f"page: {html}")


COMMANDS = (history,)
