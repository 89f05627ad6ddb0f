"""The flow `score`, as the deployment `inbox`: whatever files lie in a folder, each by the champion, each once."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from prefect import State, flow
from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run
from prefect.states import Completed
from pydantic import Field

from flows.operations import notices
from tasks import settings
from tasks.data.tables import about_rows
from tasks.errors import DigitsError, FetchError, StoreError
from tasks.progress import rows_in_lines
from tasks.registry import package_of
from tasks.scoring import inbox, scores
from tasks.scoring import inputs as found
from tasks.scoring.inbox import Claim, Inbox
from tasks.scoring.scores import Options
from tasks.stage import stage
from tasks.store import Artifact, Store

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What came of a file: scores, the reason why there are none, or what went wrong that is not the file's fault."""

    claim: Claim
    scores: Artifact | None = None
    reason: str = ""
    trouble: Exception | None = None


# Prefect tells deployments apart by the names of flow and deployment, and this one is a way of calling `score`.
@flow(name="score", flow_run_name=lambda: f"inbox {datetime.now():%Y-%m-%d %H:%M}", persist_result=False)
def score_inbox(
    folder: str | None = None,
    model: str = "champion",
    options: Options = Options(),  # noqa: B008 - frozen
    max_quarantined: Annotated[float, Field(ge=0, le=1)] = 0.001,
    quiet: Annotated[float, Field(ge=0, le=3600)] = 10,
    workers: Annotated[int, Field(ge=1, le=256)] = 1,
) -> State[Any] | list[str]:
    """Score the files in `inbox/`: results to `outbox/`, the files to `done/`, bad ones to `failed/` with a reason.

    Args:
        folder: that holds `inbox/` and the others; `data` of the home if none is named.
        model: id of a package; the champion if none is named.
        options: the threshold of review, shards, bad rows, drift, what is written.
        max_quarantined: share of a file's rows that may be set aside before somebody is notified.
        quiet: seconds for which a file has to be unchanged, lest it is still being written.
        workers: processes that score at the same time.
    """
    here = settings.load()
    store = Store(here.artifacts, flow_run=flow_run.get_id())
    folders = Inbox(Path(folder).expanduser() if folder else here.data)
    if inbox.idle(folders, quiet):
        return Completed(name="Nothing new", message=f"no file is ready in {folders.inbox}")
    package = package_of(store, model)

    outcomes = []
    for claim in inbox.claims(folders, quiet):
        outcomes.append(settle(store, package, claim, options, workers))
        tell(outcomes[-1], max_quarantined)
    if not outcomes:
        return Completed(name="Nothing new", message="another run was quicker")
    create_markdown_artifact(table(outcomes, package), key="scores", description="What came of the files in the inbox")
    if troubles := [outcome.trouble for outcome in outcomes if outcome.trouble]:
        raise troubles[0]
    return [outcome.claim.shown for outcome in outcomes]


def settle(store: Store, package: Artifact, claim: Claim, options: Options, workers: int) -> Outcome:
    """One file, to its end; what goes wrong with it does not keep the others waiting."""
    try:
        made = answer(store, package, claim, options, workers)
        claim.deliver(made)
        found = made.metrics
        log.info("%s: %s rows to outbox/, %s to review", claim.shown, f"{found['rows']:,}", f"{found['review']:,}")
        return Outcome(claim, scores=made)
    except (OSError, StoreError, FetchError) as error:
        log.error("%s: left to a later run: %s", claim.shown, inbox.printable(str(error)))
        claim.put_off()
        return Outcome(claim, trouble=error)
    except DigitsError as error:
        reason = inbox.printable(str(error))
        log.warning("%s: to failed/: %s", claim.shown, reason)
        claim.refuse(reason)
        return Outcome(claim, reason=reason)
    except Exception as error:
        log.exception("%s: left to a later run", claim.shown)
        return Outcome(claim, trouble=error)


def score_file(store: Store, package: Artifact, claim: Claim, options: Options, workers: int) -> Artifact:
    """The scores of one file."""
    with found.spool(store.root) as spool:
        tables = found.find([str(claim.file)], settings.load(), spool)
        tell = rows_in_lines(about_rows(tables))
        return scores.score(store, package, tables, options, workers=workers, tell=tell)


answer = stage(score_file, run_name="{claim.shown}")


def tell(outcome: Outcome, max_quarantined: float) -> None:
    """Notices of what somebody may want to know of a file."""
    if outcome.scores:
        notices.of_scores(outcome.scores, outcome.claim.shown, max_quarantined)
    elif outcome.reason:
        notices.of_file(outcome.claim.shown, outcome.reason)


def table(outcomes: Sequence[Outcome], package: Artifact) -> str:
    """Markdown, a line a file."""
    lines = [f"{len(outcomes)} files, answered by `{package.name}`", ""]
    lines += ["| file | rows | to review | drift | scores | result |", "|---|--:|--:|---|---|---|"]
    return "\n".join([*lines, *map(_line, outcomes)])


def _line(outcome: Outcome) -> str:
    name, cells = outcome.claim.shown, ["", "", "", ""]
    if outcome.scores:
        said = outcome.scores.metrics
        cells = [f"{said['rows']:,}", f"{said['review']:,}", said["drift"]["verdict"], f"`{outcome.scores.name}`"]
        result = f"outbox/{inbox.printable(outcome.claim.result.name)}"
    else:
        result = f"failed: {outcome.reason}" if outcome.reason else f"left to a later run: {outcome.trouble}"
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in (name, *cells, result)) + " |"
