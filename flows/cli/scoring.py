"""The commands about scoring: score, backfill, submit."""

import contextlib
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli.registry import open_store
from flows.cli.running import log_to_terminal, running_flows
from flows.cli.terminal import AsJson, Quiet, print_json
from tasks import settings
from tasks.store import Artifact, draft_folder

if TYPE_CHECKING:
    from tasks.scoring.scores import Options


OnBadRow = Annotated[
    Literal["stop", "quarantine"], typer.Option(help="Stop at a row that is not a digit, or set it aside.")
]


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
    on_bad_row: OnBadRow = "stop",
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
        with running_flows(quiet):
            from flows.scoring import score as score_flow

            published = score_flow(
                inputs, output, model, options, workers, force, runner, address, shards_in, ignored, beside
            )
    else:
        log_to_terminal(quiet)
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
    store = open_store()
    package = package_of(store, model)
    second = package_of(store, beside) if beside else None
    with draft_folder(store.root, "standard-input") as spool:
        tables = tables_to_score(inputs, config, spool, ignored)
        with rows_progress(about_rows(tables), quiet) as tell:
            planned = scores.plan(store, package, tables, options, shards_in=shards_in, workers=workers, beside=second)
            return scores.carry_out(store, planned, tell)


def backfill(
    since: Annotated[
        datetime,
        typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="Answer again what was done from this day on."),
    ],
    model: Annotated[str, typer.Option(help="Score with the package of this id.")] = "champion",
    on_bad_row: OnBadRow = "stop",
    workers: Annotated[int, typer.Option(min=1, max=256, help="Score so many files at the same time.")] = 1,
) -> None:
    """Answer again, by another model, what the inbox has done; the results stand beside the old ones in outbox/."""
    from tasks.registry import package_of

    config = settings.load()
    package_of(open_store(), model)
    settings.make_home(config)
    with running_flows():
        from flows.backfill import backfill as backfill_flow
        from tasks.scoring.scores import Options

        answered = backfill_flow(since, model, options=Options(on_bad_row=on_bad_row), workers=workers)
    for again in answered:
        print(f"{again.claim.printable_name}  {again.rows:,}  {again.says}".replace("\u00a0", " "))
    if not answered:
        print(f"nothing was done since {since:%Y-%m-%d}")


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

    store = open_store()
    chosen = submissions.choose(store, scores)
    submission = submissions.submit(store, chosen, message)
    if as_json:
        print_json(submission)
    elif quiet:
        print(submission.score)
    else:
        print(f"{submission.scores} has the public score {submission.score:.5f}; the package is {submission.package}")


COMMANDS = (score, backfill, submit)
