"""The flow `score`: digits of any amount through the champion, a task for every shard."""

from typing import Annotated, Literal

from prefect import flow
from prefect.runtime import flow_run
from pydantic import Field

from flows.operations import notices, pages
from tasks import settings
from tasks.registry import package_of
from tasks.score import piece_stage as score_piece
from tasks.score import plan_stage as plan
from tasks.score import publish_stage as publish
from tasks.scoring import delivery, scores
from tasks.scoring.inputs import tables_to_score
from tasks.scoring.processes import threads_per_worker
from tasks.scoring.scores import Options
from tasks.stage import dask, run_all
from tasks.store import Artifact, Store, draft_folder


@flow(name="score", flow_run_name="score {inputs}", persist_result=False, **notices.HOOKS)
def score(
    inputs: list[str],
    output: str | None = None,
    model: str = "champion",
    options: Options = Options(),  # noqa: B008 - frozen
    workers: Annotated[int, Field(ge=1)] = 1,
    force: bool = False,
    runner: Literal["processes", "dask"] = "processes",
    address: str | None = None,
    shards_in: str | None = None,
    ignore_columns: list[str] | None = None,
    beside: str | None = None,
) -> Artifact:
    """Answer digits with the champion: a submission, probabilities, and what a person should look at.

    Args:
        inputs: paths or addresses of tables and pictures, of zips and folders of them, or patterns.
        output: where submission.csv is copied to.
        model: id of a package; the champion if none is named.
        options: the threshold of review, shards, bad rows, drift, what is written.
        workers: processes that score at the same time.
        force: overwrite the output.
        runner: who scores: processes of this machine, or a Dask cluster; with an address always the latter.
        address: of the Dask cluster, tcp://…; a cluster of its own on this machine if none is named.
        shards_in: folder or address that all workers can reach, where shards are kept until all are done.
        ignore_columns: of CSVs, that are neither pixels nor label and are not read.
        beside: id of a second package, whose answers are kept as well.
    """
    config = settings.load()
    store = Store(config.artifacts, flow_run=flow_run.get_id())
    if output:
        delivery.check_writable(output, force)
    package = package_of(store, model)
    second = package_of(store, beside) if beside else None
    with draft_folder(store.root, "standard-input") as spool:
        tables = tables_to_score(inputs, config, spool, ignore_columns or [])
        on_dask = runner == "dask" or address is not None
        threads = 1 if on_dask else threads_per_worker(workers)  # Dask's own workers share the cores
        planned = plan(
            store, package, tables, options, shards_in=shards_in, threads=threads, by_shard=True, beside=second
        )
        with scores.alone(store, planned):
            if not scores.published(store, planned):
                calls = [(planned.job, piece) for piece in planned.pieces()]
                cluster = dask(workers, address) if on_dask else None
                run_all(score_piece, calls, workers=workers, runner=cluster)
            submission = publish(store, planned)
        pages.of_scores(submission)
    if output:
        delivery.deliver(submission, output)
    return submission
