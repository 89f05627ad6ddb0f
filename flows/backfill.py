"""The flow `backfill`: files of the inbox that are done, again through another package, each once."""

import logging
from datetime import datetime
from pathlib import Path
from typing import Annotated

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run
from pydantic import Field

from flows.operations import notices
from tasks import settings
from tasks.data.tables import about_rows
from tasks.errors import DigitsError, FetchError, StoreError
from tasks.progress import rows_in_lines
from tasks.registry import package_of
from tasks.scoring import delivery, inbox, scores
from tasks.scoring.backfill import Again, compared, done_since, markdown, result_of
from tasks.scoring.inbox import Claim
from tasks.scoring.inputs import tables_to_score
from tasks.scoring.scores import Options
from tasks.stage import run_all, stage
from tasks.store import Artifact, Store, draft_folder
from tasks.words import printable

log = logging.getLogger(__name__)


@flow(name="backfill", flow_run_name="backfill since {since}", persist_result=False, **notices.HOOKS)
def backfill(
    since: datetime,
    model: str = "champion",
    folder: str | None = None,
    options: Options = Options(),  # noqa: B008 - frozen
    workers: Annotated[int, Field(ge=1, le=256)] = 1,
) -> list[Again]:
    """Answer again what the inbox has done since a time; the results stand beside the old ones, in `outbox/`.

    Args:
        since: the time from which on files were done.
        model: id of a package; the champion if none is named.
        folder: that holds `inbox/` and the others; `data` of the home if none is named.
        options: as of the inbox; those of a folder in it hold as well.
        workers: processes that score at the same time, each another file.
    """
    config = settings.load()
    store = Store(config.artifacts, flow_run=flow_run.get_id())
    package = package_of(store, model)
    claims = done_since(Path(folder).expanduser() if folder else config.data, since.timestamp())
    outcomes = run_all(answer_again_stage, [(store, package, claim, options) for claim in claims], workers=workers)
    answered = [outcome for outcome in outcomes if isinstance(outcome, Again)]
    create_markdown_artifact(markdown(answered, package), key="backfill", description="What another model changes")
    for outcome in outcomes:
        if isinstance(outcome, DigitsError):
            raise outcome
    return answered


def answer_again(store: Store, package: Artifact, claim: Claim, options: Options) -> Again | DigitsError:
    """Answer a file again, unless that is done, and compare; one that cannot be costs the others nothing.

    Return an error where it is not the file's fault, and the same call may go on.
    """
    target = result_of(claim, package)
    try:
        if not target.exists():
            _, own_options = inbox.options_of(claim.folders, package.id, options)
            with draft_folder(store.root, "standard-input") as spool:
                tables = tables_to_score([str(claim.folders.done / claim.name)], settings.load(), spool)
                planned = scores.plan(store, package, tables, own_options, about={"again": True})
                answers = scores.carry_out(store, planned, rows_in_lines(about_rows(tables)))
            delivery.deliver(answers, str(target))
        return compared(claim, package)
    except DigitsError as error:
        if isinstance(error, StoreError | FetchError):
            log.error("%s: left to a later run: %s", claim.printable_name, printable(str(error)))
            return error
        return Again(claim, reason=printable(str(error)))


answer_again_stage = stage(answer_again, run_name="{claim.printable_name}")
