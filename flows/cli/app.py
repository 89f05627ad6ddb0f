"""The `digits` command: parse, call, one line per error. The only place that catches a DigitsError.

Here are the commands that train; the others stand in files of their own.
"""

import contextlib
import errno
import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import Annotated, TextIO, cast

import typer

from flows.cli import artifacts, draw, history, operations, registry, review, scoring
from flows.cli.running import running_flows
from flows.cli.terminal import display, print_json
from flows.operations.checks import check_training
from tasks import settings
from tasks.errors import DigitsError, StoreError
from tasks.words import printable

app = typer.Typer(
    help="Handwritten digits, from file to submission.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Data = Annotated[
    str, typer.Option(help="Learn from sample, mnist, kaggle, or from this zip, CSV, IDX or Parquet file or folder.")
]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a value of the recipe; repeatable.")
]
MaxBadRows = Annotated[
    float, typer.Option(min=0, max=1, help="Leave out training rows that are not digits, up to this share of them.")
]
Workers = Annotated[
    int, typer.Option(min=1, max=64, help="Fit with so many processes at the same time, each another member.")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Do the work again where it is done already.")]


SIGNALLED = 128  # what shells add to the number of the signal that has ended a command
STOPPED = (SIGNALLED + signal.SIGINT, SIGNALLED + signal.SIGTERM)


def main() -> None:
    """Run the command that was typed: the entry point of the console script."""
    _open_closed_streams()
    # A file's name may be no text, or none that the terminal knows.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:  # as in the background of a shell
            signal.signal(number, _stop)
    try:
        try:
            app()
        except SystemExit:  # how a command ends that was carried out; an error says more than the stream would
            print(end="", flush=True)
            raise
    except DigitsError as error:
        _complain(error)
        raise SystemExit(error.exit_code) from None
    except SystemExit as end:
        if end.code in STOPPED:
            print("digits: stopped; the same command goes on where it was", file=sys.stderr)
        raise
    except OSError as error:
        # Full or closed, and no file: what writes those says their names.
        if error.filename or error.errno not in (errno.ENOSPC, errno.EPIPE):
            raise
        remedy = "free space, or send it elsewhere"
        if not isinstance(error, BrokenPipeError):
            _complain(StoreError("standard output cannot be written", received=error.strerror, remedy=remedy))
        _let_go(sys.stdout)
        raise SystemExit(StoreError.exit_code) from None


def _stop(number: int, _frame: object) -> None:
    """End as after a signal that nobody handles, by way of all that has to be cleaned up."""
    raise SystemExit(SIGNALLED + number)


def _open_closed_streams() -> None:
    """Let nothing else take the number of a standard stream that is closed, nor errors go to standard output."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)


def _complain(error: DigitsError) -> None:
    """Write a line on standard error, as far as there is anybody to read it."""
    with contextlib.suppress(OSError):
        print(f"digits: {printable(str(error))}", file=sys.stderr)
    _let_go(sys.stderr)


def _let_go(stream: TextIO | None) -> None:
    """Send nowhere what a stream cannot take: to fail once more at the end would be a traceback."""
    try:
        print(end="", file=stream, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), cast(TextIO, stream).fileno())


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"digitflow {version('digitflow')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version, and end.")
    ] = False,
) -> None:
    """Handwritten digits, from file to submission."""


@app.command(rich_help_panel="Train")
def run(
    data: Data = "sample",
    recipe: Annotated[str, typer.Option(help="Train the recipe of this name, or the one in this .json file.")] = "fast",
    set_: Set = None,
    max_bad_rows: MaxBadRows = 0.001,
    refit: Annotated[
        bool,
        typer.Option("--refit", help="Fit again on training and validation part, for the submission."),
    ] = False,
    no_cascade: Annotated[
        bool, typer.Option("--no-cascade", help="Fit no first reader, which answers what it is sure of.")
    ] = False,
    corrections: Annotated[
        str | None,
        typer.Option(metavar="all|ID,…", help="Learn from what people say in these reviews, as published."),
    ] = None,
    workers: Workers = 1,
    fresh: Fresh = False,
) -> None:
    """Train on digits and score the test part: ingest, validate, prepare, fit, evaluate, package, promote, score."""
    _check_call(data, [recipe], set_)
    if corrections:
        from tasks.reviewing.corrections import reviews_of

        reviews_of(registry.open_store(), corrections)
    with running_flows():
        from flows.cli.summary import train_summary
        from flows.training import train

        trained = train(data, recipe, set_, max_bad_rows, refit, not no_cascade, workers, fresh, corrections)
        print(train_summary(data, trained))


@app.command(rich_help_panel="Train")
def compare(
    data: Data = "sample",
    recipes: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,…", help="Compare the recipes of these names or .json files; without it, all of ours."
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=100, help="Fit each recipe so many times, each time with another seed.")
    ] = 1,
    set_: Set = None,
    max_bad_rows: MaxBadRows = 0.001,
    refit: Annotated[
        bool,
        typer.Option(
            "--refit",
            help="Fit each again on training and validation part, and report its accuracy on the test part's labels.",
        ),
    ] = False,
    workers: Workers = 1,
    fresh: Fresh = False,
) -> None:
    """Fit several recipes on the same data and rank them: a leaderboard as a page, Markdown and CSV."""
    names = None if recipes is None else [name for name in recipes.split(",") if name.strip()]
    _check_call(data, names, set_)
    with running_flows():
        from flows.cli.listing import leaderboard
        from flows.comparing import compare as compare_flow

        comparison = compare_flow(data, names, seeds, set_, max_bad_rows, refit, workers, fresh)
    display(leaderboard(comparison))
    for failure in comparison.manifest().parameters["failures"]:
        print(f"{failure['recipe']} seed {failure['seed']}: {failure['because']}")
    print(f"report      {comparison.path / 'report.html'}")


@app.command(rich_help_panel="Train")
def tune(
    recipe: Annotated[str, typer.Option(help="Start from the recipe of this name, or the one in this .json file.")],
    trials: Annotated[
        int, typer.Option(min=1, max=10_000, help="Make so many trials in all; earlier ones on the same data count.")
    ] = 20,
    data: Data = "sample",
    set_: Set = None,
    max_bad_rows: MaxBadRows = 0.001,
) -> None:
    """Try a recipe with other values, trial by trial, and end with the best of them as a recipe to run."""
    _check_call(data, [recipe], set_)
    with running_flows():
        from flows.cli.summary import tune_summary
        from flows.tuning import tune as tune_flow

        print(tune_summary(tune_flow(data, recipe, trials, set_, max_bad_rows)))


@app.command(rich_help_panel="Train")
def recipes(
    name: Annotated[str | None, typer.Argument(help="Print only this recipe, in the form of a .json file.")] = None,
) -> None:
    """List the recipes: network, training, protocol and figure of the author, last result measured here."""
    from flows.cli.listing import recipe_table
    from tasks.training.recipes import find

    if name:
        print_json(find(name).as_parameters())
    else:
        display(recipe_table(registry.open_store()))


for panel, commands in (
    ("Score", (*scoring.COMMANDS, *review.COMMANDS, *history.COMMANDS, *draw.COMMANDS)),
    ("Artifacts", artifacts.COMMANDS),
    ("Registry", registry.COMMANDS),
    ("Operations", operations.COMMANDS),
):
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(operations.inbox_app, name="inbox", rich_help_panel="Operations")


def _check_call(data: str, names: Sequence[str] | None, changes: Sequence[str] | None) -> None:
    """Check the call before the seconds that Prefect takes to start, and make its home. Raises: DigitsError."""
    check_training(data, names, changes)
    settings.make_home(settings.load())
