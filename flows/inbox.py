"""The flow `score`, as the deployment `inbox`: whatever files lie in a folder, each by the champion, each once."""

import contextlib
import logging
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from prefect import State, flow
from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from pydantic import Field

from flows.operations import notices, pages
from flows.operations.runs import failed_alike
from tasks import settings
from tasks.data.tables import about_rows
from tasks.errors import DigitsError, FetchError, StoreError
from tasks.history import days
from tasks.progress import rows_in_lines
from tasks.registry import package_of
from tasks.scoring import inbox, scores
from tasks.scoring.inbox import Claim
from tasks.scoring.inputs import tables_to_score
from tasks.scoring.scores import Options, ScoresMetrics
from tasks.stage import stage
from tasks.store import Artifact, Store, draft_folder
from tasks.words import counted, in_markdown, listed, printable

log = logging.getLogger(__name__)

NAMED = 10  # refused files in a message


@dataclass(frozen=True)
class Outcome:
    """What came of a file: scores, the reason why there are none, or what went wrong that is not the file's fault.

    waited: seconds from its arrival to its result; None where the arrival is not known.
    """

    claim: Claim
    scores: Artifact | None = None
    reason: str = ""
    trouble: Exception | None = None
    waited: float | None = None


# Prefect tells deployments apart by the names of flow and deployment, and this one is a way of calling `score`.
@flow(
    name="score", flow_run_name=lambda: f"inbox {datetime.now():%Y-%m-%d %H:%M}", persist_result=False, **notices.HOOKS
)
def score_inbox(
    folder: str | None = None,
    model: str = "champion",
    options: Options = Options(),  # noqa: B008 - frozen
    max_quarantined: Annotated[float, Field(ge=0, le=1)] = 0.001,
    quiet: Annotated[float, Field(ge=0, le=3600)] = 10,
    workers: Annotated[int, Field(ge=1, le=256)] = 1,
    keep_days: Annotated[float, Field(gt=0)] | None = None,
    beside: str | None = None,
) -> State[Any] | list[str]:
    """Score the files in `inbox/`: results to `outbox/`, the files to `done/`, bad ones to `failed/` with a reason.

    Args:
        folder: that holds `inbox/` and the others; `data` of the home if none is named.
        model: id of a package; the champion if none is named.
        options: the threshold of review, shards, bad rows, drift, what is written.
        max_quarantined: share of a file's rows that may be set aside before somebody is notified.
        quiet: seconds for which a file has to be unchanged, lest it is still being written.
        workers: processes that score at the same time.
        keep_days: days after which a file in `done/` or `failed/` is removed; never if none are named.
        beside: id of a second package, whose answers are kept as well.
    """
    config = settings.load()
    store = Store(config.artifacts, flow_run=flow_run.get_id())
    inboxes = inbox.inboxes(Path(folder).expanduser() if folder else config.data)
    outcomes: list[Outcome] = []
    troubles: list[Exception] = []
    try:
        for folders in inboxes:
            with contained(troubles):
                is_idle = inbox.is_idle(folders, quiet)
                if keep_days:
                    inbox.remove_old(folders, keep_days)
                if is_idle:
                    continue
                named, own_options = inbox.options_of(folders, model, options)
                package = package_of(store, named)
                second = package_of(store, beside) if beside else None
                if second == package:  # it has become champion
                    second = None
                for claim in inbox.claims(folders, quiet):
                    outcomes.append(settle(store, package, claim, own_options, workers, second))
    finally:
        sentences = refusals(outcomes)
        for outcome in outcomes:
            if outcome.scores:
                sentences += notices.concerns(outcome.scores, outcome.claim.printable_name, max_quarantined)
        sentences += slow_changes(store, outcomes)
        notices.of_inbox(sentences)
    if outcomes:
        create_markdown_artifact(
            outcome_table(outcomes), key="scores", description="What came of the files in the inbox"
        )
        with contained([]):
            pages.of_reviews(config)
    if troubles := [*troubles, *(outcome.trouble for outcome in outcomes if outcome.trouble)]:
        sentences = list(dict.fromkeys(map(str, troubles)))
        trouble = StoreError(" Also: ".join(sentences)) if sentences[1:] else troubles[0]
        message = f"{type(trouble).__name__}: {trouble}"
        if failed_alike(message):
            return Failed(name=notices.AS_BEFORE, message=message)
        raise trouble
    if not outcomes:
        return Completed(name="Nothing new", message=f"no file is ready in {inboxes[-1].inbox}")
    if sentences := refusals(outcomes):
        return Completed(name="Files refused", message=" ".join(sentences))
    return [outcome.claim.printable_name for outcome in outcomes]


@contextlib.contextmanager
def contained(troubles: list[Exception]) -> Iterator[None]:
    """Have what goes wrong with one folder of the inbox cost the others nothing; it is told once they are done."""
    try:
        yield
    except DigitsError as error:
        log.error("%s", printable(str(error)))
        troubles.append(error)


def settle(
    store: Store, package: Artifact, claim: Claim, options: Options, workers: int, beside: Artifact | None = None
) -> Outcome:
    """Bring one file to its end; what goes wrong with it does not keep the others waiting."""
    name = claim.printable_name
    try:
        claim.check_file()
        arrived = claim.arrived
        answers = score_file_stage(store, package, claim, options, workers, beside)
        claim.deliver(answers)
        metrics = answers.measured(ScoresMetrics)
        log.info("%s: %s rows to outbox/, %s to review", name, f"{metrics.rows:,}", f"{metrics.review:,}")
        return Outcome(claim, scores=answers, waited=time.time() - arrived if arrived else None)
    except (OSError, StoreError, FetchError) as error:
        log.error("%s: left to a later run: %s", name, printable(str(error)))
        claim.put_off()
        return Outcome(claim, trouble=error)
    except DigitsError as error:
        # What a person types is a parameter here.
        reason = re.sub(r"by --([a-z-]+) (\w+)", _as_parameter, printable(str(error)))
        log.warning("%s: to failed/: %s", name, reason)
        claim.refuse(reason)
        return Outcome(claim, reason=reason)
    except Exception as error:
        log.exception("%s: left to a later run", name)
        return Outcome(claim, trouble=error)


def score_file(
    store: Store, package: Artifact, claim: Claim, options: Options, workers: int, beside: Artifact | None
) -> Artifact:
    """Score the rows of one file."""
    with draft_folder(store.root, "standard-input") as spool:
        tables = tables_to_score([str(claim.file)], settings.load(), spool)
        tell = rows_in_lines(about_rows(tables))
        arrived = claim.arrived
        about = {"arrived": datetime.fromtimestamp(arrived, UTC).isoformat()} if arrived else {}
        planned = scores.plan(store, package, tables, options, workers=workers, about=about, beside=beside)
        return scores.carry_out(store, planned, tell)


score_file_stage = stage(score_file, run_name="{claim.printable_name}")


def slow_changes(store: Store, outcomes: Sequence[Outcome]) -> list[str]:
    """Bring the page of the history up to date; return in sentences the slow changes that were not there before."""
    names = {outcome.scores.name for outcome in outcomes if outcome.scores}
    if not names:
        return []
    try:
        history, changes = days.news(store, names)
    except StoreError as error:
        log.warning("the history is not up to date: %s", error)
        return []
    pages.of_history(history)
    return [f"A slow change: {slow}." for slow in changes]


def refusals(outcomes: Sequence[Outcome]) -> list[str]:
    """Return in sentences which files were refused, and why the first of them; nothing where none was."""
    refused = [outcome for outcome in outcomes if outcome.reason]
    if not refused:
        return []
    names = listed([outcome.claim.printable_name for outcome in refused], NAMED)
    share = f"{len(refused):,} of {counted(len(outcomes), 'file')}"
    reason = f"The {'first ' if refused[1:] else ''}reason: {refused[0].reason}."
    return [f"Refused, and moved to failed/: {share}: {names}.", reason]


def outcome_table(outcomes: Sequence[Outcome]) -> str:
    """Return Markdown, a line a file."""
    lines = [counted(len(outcomes), "file"), ""]
    lines += ["| file | rows | to review | drift | after | scores | answered by | result |"]
    lines += ["|---|--:|--:|---|--:|---|---|---|"]
    return "\n".join([*lines, *map(_line, outcomes)])


def _line(outcome: Outcome) -> str:
    cells = [""] * 6
    if outcome.scores:
        metrics = outcome.scores.measured(ScoresMetrics)
        waited = "" if outcome.waited is None else f"{outcome.waited:,.0f} s"
        package = outcome.scores.manifest().inputs[0]
        cells = [f"{metrics.rows:,}", f"{metrics.review:,}", metrics.drift.verdict, waited]
        cells += [f"`{outcome.scores.name}`", f"`{package}`"]
        result = printable(outcome.claim.result.relative_to(outcome.claim.folders.root).as_posix())
        if beside := metrics.beside:
            result += f"; {beside.package} answers {beside.differ:,} differently"
    elif outcome.reason:
        result = f"failed: {outcome.reason}"
    else:
        result = f"left to a later run: {outcome.trouble}"
    cells = [in_markdown(outcome.claim.printable_name), *cells, in_markdown(result)]
    return f"| {' | '.join(cells)} |"


def _as_parameter(option: re.Match[str]) -> str:
    return f"by the deployment's parameter options: {option[1].replace('-', '_')}: {option[2]}"
