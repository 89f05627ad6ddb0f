"""How everything is, at one look: server and worker, deployments, inbox, champion, disk, and what needs a person.

Whatever cannot be asked, since the server is down, say, is told and keeps nothing else from being looked at.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from humanize import naturaldelta, naturalsize

from flows.operations.daemons import Daemon
from flows.operations.runs import begun
from flows.operations.server import Operations, running
from tasks import registry
from tasks.errors import DigitsError, StoreError, UsageError
from tasks.registry import decisions
from tasks.reviewing.items import waiting
from tasks.scoring.inbox import Inbox, contents
from tasks.settings import Settings
from tasks.store import Store
from tasks.words import counted, moment

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.responses import DeploymentResponse

UP = "`digits up` starts it"
LATE = 120.0  # seconds after which a run that has not begun is late
LEAST_FREE = 2 * 1024**3  # bytes; a training on Kaggle's zip writes about 200 MB
BAD_ENDS = ("FAILED", "CRASHED")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. says: how it is. remedy: what a person has to do; None where nobody has to.

    details: the same for programs, by name, as JSON can hold it.
    """

    name: str
    says: str
    remedy: str | None = None
    details: dict[str, Any] = field(default_factory=dict)


def look(config: Settings) -> Iterator[Finding]:
    """Look at everything, one after the other; nothing is changed or started."""
    operations = Operations(config)
    for daemon in (operations.server, operations.worker, operations.supervisor):
        yield _of_daemon(daemon)
    if operations.server.runs():
        yield from _of_server(config)
    yield _contained("inbox", lambda: _of_inbox(Inbox(config.data)))
    yield _contained("reviews", lambda: _of_reviews(config))
    yield _contained("champion", lambda: _of_champion(Store(config.artifacts)))
    yield _contained("disk", lambda: _of_disk(config.home))


def _contained(name: str, finding: Callable[[], Finding]) -> Finding:
    """Return a finding, also where its own looking fails."""
    try:
        return finding()
    except (DigitsError, OSError) as error:
        return Finding(name, f"cannot be looked at: {error}", "mend what is named")


# --- Processes --------------------------------------------------------------------------------------------------


def _of_daemon(daemon: Daemon) -> Finding:
    family = daemon.family()
    if family:
        age = naturaldelta(time.time() - family[0].create_time())
        address = daemon.saved_options().get("address")
        says = f"up{f' at {address}' if address else ''} since {age}; log {daemon.log}"
        return Finding(daemon.name, says, details={"up": True, "pid": family[0].pid, "address": address})
    if not daemon.record.exists():
        return Finding(daemon.name, f"not started; {UP}", details={"up": False})
    words = f"has ended by itself; its last words: {daemon.last_words()}"
    return Finding(daemon.name, words, f"`digits up` starts it again; see {daemon.log}", {"up": False})


# --- What the server knows --------------------------------------------------------------------------------------


def _of_server(config: Settings) -> Iterator[Finding]:
    """Look at what the server knows: deployments with their last and next runs, webhook, password."""
    try:
        operations = running(config)
    except UsageError:
        yield Finding("deployments", "the server asks for a password", "give it: DIGITS_AUTH=user:password")
        return
    except StoreError as error:
        yield Finding("deployments", str(error), "see its log, and end it by `digits down`")
        return
    from prefect import get_client

    from flows.operations import automations

    try:
        with get_client(sync_client=True) as client:
            for deployment in _deployments(client):
                yield _of_deployment(client, deployment)
            host = urlsplit(automations.webhook_address(client) or "").hostname
    except Exception as error:  # whatever ails the server
        remedy = f"look again; if it stays so, see {operations.server.log}"
        yield Finding("deployments", f"the server's answer is of no use: {error!r}"[:300], remedy)
        return
    says = host or "none: nobody is told; `digits up --webhook ADDRESS` sets one"
    yield Finding("webhook", says, details={"host": host})
    says = "asked for" if operations.auth else "none; DIGITS_AUTH=user:password with `digits up` sets one"
    yield Finding("password", says, details={"set": bool(operations.auth)})


def _deployments(client: "SyncPrefectClient") -> "list[DeploymentResponse]":
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
    from prefect.client.schemas.sorting import DeploymentSort

    from flows.operations.deployments import TAG

    ours = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
    # Prefect's own defaults for these two are refused by its server.
    return client.read_deployments(deployment_filter=ours, limit=200, sort=DeploymentSort.NAME_ASC)


def _of_deployment(client: "SyncPrefectClient", deployment: "DeploymentResponse") -> Finding:
    """Return the last and the next run of a deployment; a bad end and a run that does not begin need a person."""
    from prefect.client.schemas.filters import DeploymentFilter, FlowRunFilter
    from prefect.client.schemas.sorting import FlowRunSort

    this = DeploymentFilter.model_validate({"id": {"any_": [deployment.id]}})
    flow = client.read_flow(deployment.flow_id).name
    to_come = FlowRunFilter.model_validate({"state": {"type": {"any_": ["SCHEDULED"]}}})
    first = FlowRunSort.EXPECTED_START_TIME_ASC
    scheduled = client.read_flow_runs(deployment_filter=this, flow_run_filter=to_come, sort=first, limit=1)
    due = next((run.expected_start_time for run in scheduled), None)
    now = datetime.now(UTC)
    says, remedy = ["no run yet"], None
    details: dict[str, Any] = {"last": None, "next": due.isoformat() if due else None}
    for last in begun(client, deployment_filter=this)[:1]:
        state, began = str(last.state_name), last.start_time or last.expected_start_time or now
        says = [f"last run {naturaldelta(now - began)} ago: {state}"]
        details["last"] = {"id": str(last.id), "state": state, "began": began.isoformat()}
        if last.state_type and last.state_type.value in BAD_ENDS:
            remedy = f"`digits logs {str(last.id)[:8]}` shows what happened"
    overdue = (now - due).total_seconds() if due else 0
    if overdue > LATE:
        says.append(f"a run is {naturaldelta(overdue)} late")
        remedy = remedy or "see whether the worker is up and not busy with another run"
    elif due:
        says.append(f"next run {due:%a %Y-%m-%d %H:%M} UTC")
    elif deployment.paused:
        says.append("paused")
    return Finding(f"{flow}/{deployment.name}", "; ".join(says), remedy, details)


# --- Files ------------------------------------------------------------------------------------------------------


def _of_inbox(folders: Inbox) -> Finding:
    """Count the files that wait, are in work and were refused."""
    counts = {name: len(files) for name, files in contents(folders).items()}
    says = f"{counted(counts['waiting'], 'file')} waiting, {counts['working']:,} in work, {counts['failed']:,} failed"
    remedy = "`digits inbox` lists them with the reasons" if counts["failed"] else None
    return Finding("inbox", says, remedy, counts)


def _of_reviews(config: Settings) -> Finding:
    """Count what people should look at and nobody has. It may wait: the answers are there."""
    counts = waiting(Store(config.artifacts), config.data / "reviews")
    answers = sum(counts.values())
    words = f"{counted(answers, 'answer')} to look at, `digits review` opens the newest" if counts else "nothing waits"
    return Finding("reviews", words, details={"answers": answers, "scores": list(counts)})


def _of_champion(store: Store) -> Finding:
    damage = decisions.damage(store)
    if damage:
        return Finding("champion", "; ".join(damage), "see `digits verify`", {"package": None})
    champion = registry.champion(store)
    if champion is None:
        return Finding("champion", "none yet; `digits run` makes one", details={"package": None})
    since = f"{champion.package} since {moment(champion.decided)}"
    return Finding("champion", since, details={"package": champion.package, "since": champion.decided})


def _of_disk(home: Path) -> Finding:
    usage = shutil.disk_usage(next(folder for folder in (home, *home.parents) if folder.exists()))
    remedy = "free space; `digits gc --dry-run` shows what could go" if usage.free < LEAST_FREE else None
    says = f"{naturalsize(usage.free)} free of {naturalsize(usage.total)}"
    return Finding("disk", says, remedy, {"free": usage.free, "total": usage.total})
