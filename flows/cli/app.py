"""The `digits` command: parse, call, one line per error. The only place that catches a DigitsError.

Here are the commands that train and score; those about what there is and what is up stand in files of their own.
"""

import contextlib
import errno
import io
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal, TextIO, cast

import typer

from flows.cli import artifacts, draw, history, operations, registry, review
from flows.cli.terminal import AsJson, Quiet, display, print_json
from flows.operations.checks import check_training
from tasks import settings
from tasks.errors import DigitsError, StoreError
from tasks.store import Artifact, Store, draft_folder

if TYPE_CHECKING:
    from tasks.scoring.scores import Options

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
        print(f"digits: {error}", file=sys.stderr)
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
    with _prefect():
        from flows.cli.summary import train_summary
        from flows.training import train

        trained = train(data, recipe, set_, max_bad_rows, refit, not no_cascade, workers, fresh, corrections)
        print(train_summary(data, trained))


@app.command(rich_help_panel="Score")
def score(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT…",
            help="Score CSV, IDX, Parquet, pictures, folders, zips or patterns of these; - is a CSV on stdin.",
        ),
    ],
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="Copy submission.csv to this path; - is standard output.")
    ] = None,
    model: Annotated[str, typer.Option(help="Score with the package of this id.")] = "champion",
    beside: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Ask the package of this id as well, and keep what it answers differently."),
    ] = None,
    review_below: Annotated[
        float, typer.Option(min=0, max=1, help="List digits of less confidence than this for a person to look at.")
    ] = 0.95,
    on_bad_row: Annotated[
        Literal["stop", "quarantine"], typer.Option(help="Stop at a row that is not a digit, or set it aside.")
    ] = "stop",
    on_drift: Annotated[
        Literal["warn", "stop", "ignore"], typer.Option(help="Do this where digits are unlike those of training.")
    ] = "warn",
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write those of all ten digits into the submission, too.")
    ] = False,
    show: Annotated[
        bool, typer.Option("--show", help="Draw each picture beside what the model saw of it, in seen.png.")
    ] = False,
    no_cascade: Annotated[
        bool, typer.Option("--no-cascade", help="Ask the main model for every answer, and no first reader.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Score with so many processes at the same time.")] = 1,
    shard_rows: Annotated[
        int, typer.Option(min=1, help="Score so many rows as one shard; what is done is not done again after a kill.")
    ] = 100_000,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the output if it exists.")] = False,
    flow: Annotated[bool, typer.Option("--flow", help="Score in a run of Prefect, with a task a shard.")] = False,
    runner: Annotated[
        Literal["processes", "dask"], typer.Option(help="Score in processes of this machine or on a Dask cluster.")
    ] = "processes",
    address: Annotated[
        str | None, typer.Option(metavar="tcp://…", help="Use this Dask cluster, not one of this machine's own.")
    ] = None,
    shards_in: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Keep shards in this folder until all are done; all workers must reach it. May be s3://….",
        ),
    ] = None,
    ignore_columns: Annotated[
        str | None,
        typer.Option(metavar="A,B,…", help="Do not read these columns of a CSV, which are neither pixels nor label."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Score digits with the champion: write a submission, probabilities, and what a person should look at."""
    from flows.cli.summary import score_json, score_summary
    from tasks.scoring import delivery
    from tasks.scoring.outputs import SUBMISSION
    from tasks.scoring.scores import Options

    if output:
        delivery.check_writable(output, force)
    options = Options(review_below, shard_rows, on_bad_row, on_drift, probabilities, show, not no_cascade)
    ignored = ignore_columns.split(",") if ignore_columns else []
    started = time.perf_counter()
    if flow or address or runner == "dask":
        with _prefect(quiet):
            from flows.scoring import score as score_flow

            published = score_flow(
                inputs, output, model, options, workers, force, runner, address, shards_in, ignored, beside
            )
    else:
        _log_to_terminal(quiet)
        published = _score_without_prefect(inputs, model, beside, options, workers, shards_in, ignored, quiet)
        if output:
            delivery.deliver(published, output)
    seconds = 0 if published.reused else time.perf_counter() - started
    # Standard output is the submission's, where it goes there.
    with contextlib.redirect_stdout(sys.stderr if output == delivery.STANDARD_OUTPUT else sys.stdout):
        if as_json:
            print_json(score_json(published, output, seconds))
        elif not quiet:
            print(score_summary(published, output, seconds))
        elif output != delivery.STANDARD_OUTPUT:
            print(output or published.path / SUBMISSION)


def _score_without_prefect(
    inputs: Sequence[str],
    model: str,
    beside: str | None,
    options: "Options",
    workers: int,
    shards_in: str | None,
    ignored: Sequence[str],
    quiet: bool,
) -> Artifact:
    """Do the same as the flow `score`, without the seconds that Prefect takes to start."""
    from tasks.data.tables import about_rows
    from tasks.progress import rows_progress
    from tasks.registry import package_of
    from tasks.scoring import scores
    from tasks.scoring.inputs import tables_to_score

    config = settings.load()
    store = Store(config.artifacts)
    package = package_of(store, model)
    second = package_of(store, beside) if beside else None
    with draft_folder(store.root, "standard-input") as spool:
        tables = tables_to_score(inputs, config, spool, ignored)
        with rows_progress(about_rows(tables), quiet) as tell:
            planned = scores.plan(store, package, tables, options, shards_in=shards_in, workers=workers, beside=second)
            return scores.carry_out(store, planned, tell)


@app.command(rich_help_panel="Score")
def backfill(
    since: Annotated[
        datetime,
        typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="Answer again what was done from this day on."),
    ],
    model: Annotated[str, typer.Option(help="Score with the package of this id.")] = "champion",
    workers: Annotated[int, typer.Option(min=1, max=256, help="Score so many files at the same time.")] = 1,
) -> None:
    """Answer again, by another model, what the inbox has done; the results stand beside the old ones in outbox/."""
    from tasks.registry import package_of

    config = settings.load()
    package_of(Store(config.artifacts), model)
    settings.make_home(config)
    with _prefect():
        from flows.backfill import backfill as backfill_flow

        answered = backfill_flow(since, model, workers=workers)
    for again in answered:
        print(f"{again.claim.printable_name}  {again.rows:,}  {again.says}".replace("\u00a0", " "))
    if not answered:
        print(f"nothing was done since {since:%Y-%m-%d}")


@app.command(rich_help_panel="Score")
def submit(
    scores: Annotated[
        str | None,
        typer.Argument(metavar="SCORES", help="Send these; else the newest of the competition's 28,000 rows."),
    ] = None,
    message: Annotated[str, typer.Option("--message", "-m", help="Describe the submission by this text.")] = "",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Send a submission to Kaggle's competition with your own credentials, and wait for its public score."""
    from tasks.scoring import submissions

    store = registry.open_store()
    chosen = submissions.choose(store, scores)
    submission = submissions.submit(store, chosen, message)
    if as_json:
        print_json(submission)
    elif quiet:
        print(submission.score)
    else:
        print(f"{submission.scores} has the public score {submission.score:.5f}; the package is {submission.package}")


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
    with _prefect():
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
    with _prefect():
        from flows.cli.summary import tune_summary
        from flows.tuning import tune as tune_flow

        print(tune_summary(tune_flow(data, recipe, trials, set_, max_bad_rows)))


@app.command(rich_help_panel="Train")
def recipes(
    name: Annotated[str | None, typer.Argument(help="Print only this recipe, in the form of a .json file.")] = None,
) -> None:
    """List the recipes: network, training, protocol and figure of the author, last result measured here."""
    import json

    from flows.cli.listing import recipe_table
    from tasks.training.recipes import find

    display(json.dumps(find(name).as_parameters(), indent=2) if name else recipe_table(registry.open_store()))


for panel, commands in (
    ("Score", (*review.COMMANDS, *history.COMMANDS, *draw.COMMANDS)),
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


@contextlib.contextmanager
def _prefect(quiet: bool = False) -> Iterator[None]:
    """Have all that a flow needs: a server, and its lines of log on the terminal; if quiet, warnings only."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")  # `_log_to_terminal` shows them
    from flows.operations.embedded_server import running_server

    _log_to_terminal(quiet)
    with running_server():
        yield


def _log_to_terminal(quiet: bool) -> None:
    """Show on stderr the lines of the stages and Prefect's warnings, but not the error, which `main` tells.

    quiet: of the stages, too, only warnings.
    """
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING if quiet else logging.INFO)
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    handler.addFilter(lambda record: not record.name.startswith("prefect") or record.levelno >= logging.WARNING)
    handler.addFilter(lambda record: not getattr(record, "for_a_person", False))
    handler.addFilter(lambda record: not record.getMessage().startswith(("Finished in state", "Crash detected")))
    for name in ("tasks", "flows", "prefect"):
        logging.getLogger(name).addHandler(handler)
