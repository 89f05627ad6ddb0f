"""The `digits` command: parse, call, one line per error. The only place that catches a DigitsError."""

import contextlib
import io
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.cli import operations, registry
from flows.cli.terminal import age, display, size
from tasks import settings
from tasks.errors import DigitsError, StoreError
from tasks.store import Artifact, Store, find_damage, lineage
from tasks.words import counted

if TYPE_CHECKING:
    from tasks.scoring.scores import Options

app = typer.Typer(
    help="Handwritten digits, from file to submission.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Data = Annotated[
    str, typer.Option(help="sample, mnist, kaggle, or the path of a zip, CSV, IDX or Parquet file or folder.")
]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a value of the recipe; repeatable.")
]
MaxBadRows = Annotated[
    float, typer.Option(min=0, max=1, help="Share of training rows that may be left out as not being digits.")
]
Workers = Annotated[int, typer.Option(min=1, max=64, help="Processes that fit at the same time.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Do the work again where it is done already.")]


def main() -> None:
    """Entry point of the console script."""
    # A file's name may be no text, or none that the terminal knows.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except DigitsError as error:
        print(f"digits: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None


@app.command()
def run(
    data: Data = "sample",
    recipe: Annotated[str, typer.Option(help="Name of the recipe to train, or a .json file that holds one.")] = "fast",
    set_: Set = None,
    max_bad_rows: MaxBadRows = 0.001,
    refit: Annotated[
        bool,
        typer.Option("--refit", help="Once judged, fit again on training and validation part, for the submission."),
    ] = False,
    workers: Workers = 1,
    fresh: Fresh = False,
) -> None:
    """Train on digits and answer the test part: ingest, validate, prepare, fit, evaluate, package, promote, score."""
    _look_at_the_call(data, [recipe], set_)
    with _prefect():
        from flows.cli.summary import train_summary
        from flows.training import train

        print(train_summary(data, train(data, recipe, set_, max_bad_rows, refit, workers, fresh)))


@app.command()
def score(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT…",
            help="CSV, IDX or Parquet, pictures, folders, zips or patterns of them; - for a CSV from standard input.",
        ),
    ],
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="Where submission.csv is copied to; - for standard output.")
    ] = None,
    model: Annotated[str, typer.Option(help="Id of a package.")] = "champion",
    review_below: Annotated[
        float, typer.Option(min=0, max=1, help="Confidence below which a person should look.")
    ] = 0.95,
    on_bad_row: Annotated[
        Literal["stop", "quarantine"], typer.Option(help="What to do at a row that is not a digit.")
    ] = "stop",
    on_drift: Annotated[
        Literal["warn", "stop", "ignore"],
        typer.Option(help="What to do where these are not digits like those of training."),
    ] = "warn",
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Give those of all ten digits, too, in the submission.")
    ] = False,
    show: Annotated[bool, typer.Option("--show", help="Draw what the model saw beside the pictures.")] = False,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes that score at the same time.")] = 1,
    shard_rows: Annotated[
        int, typer.Option(min=1, help="Rows that are scored as one, and not again after a kill.")
    ] = 100_000,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the output.")] = False,
    flow: Annotated[bool, typer.Option("--flow", help="As a run of Prefect, with a task for every shard.")] = False,
    runner: Annotated[
        Literal["processes", "dask"],
        typer.Option(help="Who scores in a flow: processes of this machine, or a Dask cluster."),
    ] = "processes",
    address: Annotated[str | None, typer.Option(metavar="tcp://…", help="Of the Dask cluster.")] = None,
    shards_in: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER", help="Where shards are kept until all are done: what all workers reach, also s3://…."
        ),
    ] = None,
) -> None:
    """Answer digits with the champion: a submission, probabilities, and what a person should look at."""
    from flows.cli.summary import score_summary
    from tasks.scoring import scores

    if output:
        scores.look_at(output, force)
    options = scores.Options(review_below, shard_rows, on_bad_row, on_drift, probabilities, show)
    started = time.perf_counter()
    if flow or runner == "dask":
        with _prefect():
            from flows.scoring import score as scoring

            made = scoring(inputs, output, model, options, workers, force, runner, address, shards_in)
    else:
        _log_to_terminal()
        made = _scored(inputs, model, options, workers, shards_in)
        if output:
            scores.deliver(made, output)
    seconds = 0 if made.reused else time.perf_counter() - started
    print(score_summary(made, output, seconds), file=sys.stderr if output == scores.STANDARD_OUTPUT else sys.stdout)


def _scored(given: Sequence[str], model: str, options: "Options", workers: int, shards_in: str | None) -> Artifact:
    """As the flow `score`, without the seconds that Prefect takes to start."""
    from tasks.data.tables import about_rows
    from tasks.progress import rows_progress
    from tasks.registry import package_of
    from tasks.scoring import inputs, scores

    here = settings.load()
    store = Store(here.artifacts)
    package = package_of(store, model)
    with inputs.spool(store.root) as spool:
        tables = inputs.find(given, here, spool)
        with rows_progress(about_rows(tables)) as tell:
            return scores.score(store, package, tables, options, shards_in=shards_in, workers=workers, tell=tell)


@app.command()
def compare(
    data: Data = "sample",
    recipes: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Names or .json files of recipes; all of ours if not given.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="How often each is fitted, with another seed.")] = 1,
    set_: Set = None,
    max_bad_rows: MaxBadRows = 0.001,
    refit: Annotated[
        bool,
        typer.Option(
            "--refit", help="Fit each again on training and validation part, and report the test part's labels."
        ),
    ] = False,
    workers: Workers = 1,
    fresh: Fresh = False,
) -> None:
    """Fit several recipes on the same data and rank them: a leaderboard as a page, Markdown and CSV."""
    names = None if recipes is None else [name for name in recipes.split(",") if name.strip()]
    _look_at_the_call(data, names, set_)
    with _prefect():
        from flows.cli.listing import leaderboard
        from flows.comparing import compare as flow

        made = flow(data, names, seeds, set_, max_bad_rows, refit, workers, fresh)
    display(leaderboard(made))
    for failure in made.manifest().parameters["failures"]:
        print(f"{failure['recipe']} seed {failure['seed']}: {failure['because']}")
    print(f"report      {made.path / 'report.html'}")


@app.command()
def tune(
    recipe: Annotated[str, typer.Option(help="Name of the recipe to start from, or a .json file that holds one.")],
    trials: Annotated[
        int, typer.Option(min=1, max=10_000, help="How many in all; those of earlier calls on the same data count.")
    ] = 20,
    data: Data = "sample",
    set_: Set = None,
    max_bad_rows: MaxBadRows = 0.001,
) -> None:
    """Try a recipe with other values, trial by trial, and end with the best of them as a recipe to run."""
    _look_at_the_call(data, [recipe], set_)
    with _prefect():
        from flows.cli.summary import tune_summary
        from flows.tuning import tune as flow

        print(tune_summary(flow(data, recipe, trials, set_, max_bad_rows)))


@app.command()
def recipes(
    name: Annotated[str | None, typer.Argument(help="Only this one, whole, in the form of a file.")] = None,
) -> None:
    """List the recipes: network, training, protocol and figure of the author, last result measured here."""
    import json

    from flows.cli.listing import recipe_table
    from tasks.training.recipes import find

    display(json.dumps(find(name).as_parameters(), indent=2) if name else recipe_table(_store()))


@app.command()
def artifacts(kind: Annotated[str | None, typer.Argument(help="Only this kind: dataset, model, …")] = None) -> None:
    """List the artifacts: kind, id, age, size, made from."""
    from rich.table import Table

    table = Table("kind", "id", "age", "size", "made from", box=None, header_style="bold")
    found = _store().all()
    kinds = sorted({artifact.kind for artifact in found})
    if not found:
        raise StoreError("there are no artifacts yet", remedy="start with `digits run`")
    if kind and kind not in kinds:
        raise StoreError(f"there are no artifacts of the kind {kind!r}", expected=f"one of {', '.join(kinds)}")
    for artifact in found:
        if kind in (None, artifact.kind):
            table.add_row(artifact.kind, artifact.id, *_columns(artifact))
    display(table)


@app.command()
def show(artifact_id: Annotated[str, typer.Argument(metavar="ID", help="An id, its beginning, or kind/id.")]) -> None:
    """Print an artifact: how it was made, from what up to the source file, and what it holds."""
    from dataclasses import asdict

    store = _store()
    artifact = store.get(artifact_id)
    shown = asdict(artifact.manifest())
    files = {name: f"{size(file['bytes'])}  sha256 {file['sha256']}" for name, file in shown.pop("files").items()}
    ancestors = lineage(store, artifact)
    shown = {"artifact": artifact.name, "folder": str(artifact.path)} | shown | {"files": files}
    shown["decisions"] = registry.decisions_of(store, artifact)
    shown["lineage"] = {
        name: _origin(ancestor) if ancestor else "gone"
        for name, ancestor in {artifact.name: artifact, **ancestors}.items()
    }
    for key in ("kind", "id", "inputs"):
        del shown[key]
    display(_outline(shown))


@app.command()
def verify() -> None:
    """Recompute every checksum, and name what is damaged or gone."""
    from itertools import chain

    from tasks.registry import decisions

    store = _store()
    faults = 0
    for line in chain(find_damage(store), decisions.damage(store)):
        print(line)
        faults += 1
    if faults:
        raise StoreError(
            f"{counted(faults, 'fault')} found",
            file=str(store.root),
            remedy="put back from a copy what is named above, or remove its folders and run again",
        )
    print(f"{counted(len(store.all()), 'artifact')} verified: nothing is damaged or missing")


operations.add_to(app)
registry.add_to(app)


def _look_at_the_call(data: str, names: Sequence[str] | None, changes: Sequence[str] | None) -> None:
    """Before the seconds that Prefect takes to start: what is wrong with the call is known at once."""
    from tasks.data import sources
    from tasks.training import recipes

    here = settings.load()
    recipes.find_all(names, changes or ())
    if data not in sources.FETCHED:  # those are fetched by the stage
        logging.disable(logging.WARNING)  # the stage will say it
        sources.recognise(data, here)
        logging.disable(logging.NOTSET)
    settings.make_home(here)


@contextlib.contextmanager
def _prefect() -> Iterator[None]:
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")  # `_log_to_terminal` shows them
    from flows.operations.embedded_server import a_server

    _log_to_terminal()
    with a_server():
        yield


def _store() -> Store:
    return Store(settings.load().artifacts)


def _outline(values: Mapping[str, Any], indent: str = "") -> str:
    """Nested values, a line each."""
    lines = []
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            lines += [f"{indent}{name}", _outline(value, indent + "  ")]
        elif value not in (None, {}, [], ""):
            lines.append(f"{indent}{name:<{24 - len(indent)}} {value}")
    return "\n".join(lines)


def _origin(artifact: Artifact) -> str:
    manifest = artifact.manifest()
    files = manifest.source.get("files", [])
    named = [f"{file['path']} sha256 {file['sha256']}" if "sha256" in file else file["path"] for file in files[:3]]
    more = [f"{len(files) - 3:,} more files"] if len(files) > 3 else []
    return f"from {', '.join([*manifest.inputs, *named, *more])}"


def _columns(artifact: Artifact) -> tuple[str, str, str]:
    """Age, size and origin; one damaged manifest does not hide the rest of a list."""
    try:
        manifest = artifact.manifest()
    except StoreError:
        return ("", "", "damaged: the manifest cannot be read")
    origin = ", ".join(manifest.inputs) or str(manifest.source.get("data", ""))
    return (age(manifest.created), size(manifest.size), origin)


def _log_to_terminal() -> None:
    """On stderr the lines of the stages, and what Prefect warns of; not the error that `main` tells in its one line."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    handler.addFilter(lambda record: not record.name.startswith("prefect") or record.levelno >= logging.WARNING)
    handler.addFilter(lambda record: not getattr(record, "for_a_person", False))
    handler.addFilter(lambda record: not record.getMessage().startswith("Finished in state"))
    for name in ("tasks", "flows", "prefect"):
        logging.getLogger(name).addHandler(handler)
