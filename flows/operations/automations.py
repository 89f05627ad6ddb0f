"""What the server does by itself: end runs that are lost or do not get on, start trainings again that have crashed, and
tell people what has happened, and what has not.
"""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from humanize import naturaldelta, precisedelta
from prefect.blocks.webhook import Webhook
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import AutomationSort
from prefect.events import ResourceSpecification, emit_event
from prefect.events.actions import CallWebhook, CancelFlowRun, ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound
from prefect.types import SecretDict
from pydantic import SecretStr

from flows.operations import notices
from tasks.stage import PROGRESS

if TYPE_CHECKING:
    from prefect import PrefectClient
    from prefect.client.orchestration import SyncPrefectClient

WEBHOOK = "digitflow"  # name of the block that holds the address
NO_WEBHOOK = "none"
OURS = "digitflow: "  # what the names of our automations begin with
LOST, RUN_FAILURES, NOTICES = (
    f"{OURS}{what}" for what in ("end runs that are lost", "tell of failed runs", "tell of notices")
)
RUNS: dict[str, str | list[str]] = {"prefect.resource.id": "prefect.flow-run.*"}
HEARTBEAT = "prefect.flow-run.heartbeat"
RUNNING = "prefect.flow-run.Running"
FAILURES = ("Failed", "TimedOut", "Crashed")  # that are told
ENDINGS = ("Completed", "Nothing new", "Files refused", notices.AS_BEFORE, *FAILURES, "Cancelling", "Cancelled")
DEPLOYED, SILENCE = "digitflow.deployed", "digitflow.silence"
ENDS = {f"prefect.flow-run.{name}" for name in ENDINGS} | {notices.ENDED}
STUCK = "A worker has taken it and not begun it."
GONE = "Its process is gone: no heartbeats any more."
AGAIN = "It crashed, and goes on after its last epoch."
SETTLED = timedelta(seconds=20)  # after a crash: until then the worker may report the same one again
RESTARTED = "training"  # work queue whose runs are started again
RUN_COUNTS = ["1", "2"]  # so many times a run has begun when it crashes and is started again
WORKER_PAUSE = timedelta(minutes=2)  # more than the supervisor takes to start a worker again
# How long a run may take to get on, by its flow, whatever the amount of its work.
LONGEST = {"score": timedelta(hours=2), "train": timedelta(hours=12), "compare": timedelta(days=2)}

GOES_ON = f"""event.resource["prefect.state-name"] == "Crashed" and flow_run.work_queue_name == "{RESTARTED}"
    and event.resource["prefect.run-count"] in {RUN_COUNTS}"""
# `text` is what chat programs (Slack, Mattermost, Rocket.Chat) show. Of the event, since the run may have gone on.
OF_A_RUN = (
    """{"text": {{ ("digitflow: " ~ flow.name ~ " / " ~ flow_run.name ~ ": "
    ~ event.resource["prefect.state-name"] ~ ". " ~ event.resource["prefect.state-message"]
    ~ (" It is started again." if """
    + GOES_ON
    + """ else "")) | tojson }}, "event": {{ event.event | tojson }}, "flow_run": {{ flow_run | ui_url | tojson }}}"""
)
OF_A_NOTICE = (
    """{"text": {{ ("digitflow: " ~ event.payload.message) | tojson }}, "event": {{ event.event | tojson }}}"""
)


@dataclass(frozen=True)
class Scheduled:
    """A deployment that runs by itself. name: `flow/deployment`. pause: the longest between two of its runs."""

    name: str
    pause: timedelta

    @property
    def silence(self) -> timedelta:
        """Return how long it may be silent: 15 minutes where it runs every five, 26 hours where it runs every day."""
        return self.pause + 2 * min(self.pause, timedelta(hours=1))


async def apply(
    client: "PrefectClient",
    scheduled: Mapping[UUID, Scheduled],
    webhook: str | None,
    lost_after: float | None,
    learning: UUID | None = None,
) -> tuple[str | None, float]:
    """Bring the server's automations up to date, and return the webhook and the seconds that hold; others stay.

    scheduled: the deployments whose silence is told, by their ids.
    webhook: address that is called with what people are to know; NO_WEBHOOK for none.
    lost_after: seconds without a heartbeat after which a run is taken for dead; heartbeats come every 30 s.
    What is None stays as the server has it: no webhook, 90 s on a new one.
    learning: id of the deployment that a published review starts; None where that is switched off.
    """
    # Prefect's own defaults for these two are refused by its server.
    automations = await client.read_automations(sort=AutomationSort.NAME_ASC, limit=200)
    present = {automation.name: automation for automation in automations}
    if webhook is None and NOTICES in present:
        with contextlib.suppress(ValueError):  # somebody has removed it in the UI
            block: Any = await Webhook.aload(WEBHOOK, client=client)
            webhook = block.url.get_secret_value()
    if lost_after is None:
        trigger: Any = present[LOST].trigger if LOST in present else None
        lost_after = trigger.within.total_seconds() if trigger else 90.0

    wanted = [_lost(lost_after), _stuck(), _again()]
    wanted += [_stalled(flow, longest) for flow, longest in LONGEST.items()]
    if webhook and webhook != NO_WEBHOOK:
        block = Webhook(url=SecretStr(webhook), headers=SecretDict({"Content-Type": "application/json"}))
        webhook_block = await block.asave(WEBHOOK, overwrite=True)
        wanted += [*_notifying(webhook_block), _worker_gone(webhook_block)]
        wanted += [_silent(webhook_block, identity, deployment) for identity, deployment in scheduled.items()]
    if learning:
        wanted.append(_learning(learning))
    for automation in wanted:
        known = present.pop(automation.name, None)
        if known is None:
            await client.create_automation(automation)
        # One that is written anew forgets the runs that it was waiting for.
        elif (known.trigger, known.actions) != (automation.trigger, automation.actions):
            await client.update_automation(known.id, automation)
    for name, automation in present.items():
        if name.startswith(OURS):
            await client.delete_automation(automation.id)
    # Also what has never run is missed, from now on.
    for identity, deployment in scheduled.items():
        related = {"prefect.resource.id": f"prefect.deployment.{identity}", "prefect.resource.role": "deployment"}
        emit_event(DEPLOYED, {"prefect.resource.id": f"{DEPLOYED}.{deployment.name}"}, related=[related])
    return (None if webhook == NO_WEBHOOK else webhook), lost_after


def webhook_address(client: "SyncPrefectClient") -> str | None:
    """Return the webhook that is called, None without one. Show only its host: whoever knows it can write there."""
    if not client.read_automations_by_name(NOTICES):
        return None
    try:
        address: str = client.read_block_document_by_name(WEBHOOK, "webhook").data["url"]
    except ObjectNotFound:  # somebody has removed it in the UI
        return None
    return address


def _lost(after: float) -> AutomationCore:
    """End a run whose process is gone: it sends no heartbeats, and would stay Running for ever."""
    return AutomationCore(
        name=LOST,
        description="A run whose process was killed sends no heartbeats; it becomes Crashed.",
        # Not after heartbeats alone: it may be killed before the first.
        trigger=_missing({HEARTBEAT} | ENDS, {HEARTBEAT, RUNNING}, timedelta(seconds=after)),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, name=None, message=GONE, force=False)],
    )


def _stuck() -> AutomationCore:
    """End a run whose worker was killed while it was starting it."""
    begun = {RUNNING, "prefect.flow-run.Scheduled", "prefect.flow-run.AwaitingConcurrencySlot"}
    return AutomationCore(
        name=f"{OURS}end runs that do not begin",
        description="A run that a worker has taken and not begun becomes Crashed.",
        trigger=_missing(begun | ENDS, {"prefect.flow-run.Pending"}, timedelta(minutes=10)),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, name=None, message=STUCK, force=False)],
    )


def _stalled(flow: str, longest: timedelta) -> AutomationCore:
    """End a run that does not get on, by the server: no time-out within the process can break into TensorFlow."""
    of_flow: dict[str, str | list[str]] = {"prefect.resource.role": "flow", "prefect.resource.name": flow}
    return AutomationCore(
        name=f"{OURS}end runs of {flow} that do not get on",
        description=f"A run that has neither ended nor shown any progress for {naturaldelta(longest)} is cancelled.",
        trigger=_missing({PROGRESS} | ENDS, {RUNNING, PROGRESS}, longest, match_related=ResourceSpecification(of_flow)),
        actions=[CancelFlowRun()],
    )


def _learning(deployment: UUID) -> AutomationCore:
    """Have the next model learn from what people say, when they publish it."""
    return AutomationCore(
        name=f"{OURS}learn from corrections",
        description="Runs the deployment train/corrections when a review is published.",
        trigger=EventTrigger(expect={notices.REVIEW}, posture=Posture.Reactive, threshold=1),
        actions=[RunDeployment(source="selected", deployment_id=deployment, parameters=None, job_variables=None)],
    )


def _again() -> AutomationCore:
    """Start a training again that has crashed, at most twice: the server counts how often a run has begun."""
    of_queue: dict[str, str | list[str]] = {
        "prefect.resource.role": "work-queue",
        "prefect.resource.name": RESTARTED,
    }
    begun = {f"prefect.flow-run.{name}" for name in ("Scheduled", "AwaitingRetry", "Pending")} | {RUNNING}
    return AutomationCore(
        name=f"{OURS}start trainings again that have crashed",
        description="A training that crashed or was lost goes on after its last epoch, at most twice.",
        trigger=_missing(
            begun,
            {"prefect.flow-run.Crashed"},
            SETTLED,
            match=ResourceSpecification({**RUNS, "prefect.run-count": RUN_COUNTS}),
            match_related=ResourceSpecification(of_queue),
        ),
        actions=[ChangeFlowRunState(state=StateType.SCHEDULED, name=None, message=AGAIN, force=False)],
    )


def _missing(expected: set[str], after: set[str], within: timedelta, **more: Any) -> EventTrigger:
    """Return what triggers where a run has had one of the events `after`, and then for so long none of `expected`.

    more: of the trigger; `match` and `for_each` for other things than runs.
    """
    return EventTrigger(
        **{"match": ResourceSpecification(RUNS), "for_each": {"prefect.resource.id"}, **more},
        after=after,
        expect=expected,
        posture=Posture.Proactive,
        threshold=1,
        within=within,
    )


def _worker_gone(webhook_block: UUID) -> AutomationCore:
    """Tell that no worker is there to run anything."""
    pools: dict[str, str | list[str]] = {"prefect.resource.id": "prefect.work-pool.*"}
    pool = "prefect.work-pool."
    trigger = _missing({f"{pool}ready"}, {f"{pool}not-ready"}, WORKER_PAUSE, match=ResourceSpecification(pools))
    return _telling(
        webhook_block,
        "tell that the worker is gone",
        trigger,
        "no worker is there, and nothing runs; `digits up` starts one",
    )


def _silent(webhook_block: UUID, identity: UUID, deployment: Scheduled) -> AutomationCore:
    """Tell once that a deployment is silent: a training has not succeeded, the inbox has neither begun nor ended a run.

    A run of the inbox may take long, and then the next ones end as cancelled.
    """
    trains = not deployment.name.startswith("score/")
    expected = {"prefect.flow-run.Completed"} if trains else ENDS | {RUNNING}
    # Not for each of nothing: Prefect would tell again after every silence.
    trigger = _missing(
        expected,
        expected | {DEPLOYED},
        deployment.silence,
        match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*", f"{DEPLOYED}.*"]}),
        match_related=ResourceSpecification({"prefect.resource.id": f"prefect.deployment.{identity}"}),
        for_each={"related:deployment:prefect.resource.id"},
    )
    missed = f"no {'success' if trains else 'run'} of {deployment.name}"
    text = f"{missed} for {precisedelta(deployment.silence, minimum_unit='minutes')}; see `digits status`"
    return _telling(webhook_block, f"tell of {missed}", trigger, text)


def _telling(webhook_block: UUID, name: str, trigger: EventTrigger, text: str) -> AutomationCore:
    payload = json.dumps({"text": f"digitflow: {text}", "event": SILENCE})
    description = f"Calls the webhook: {text}."
    action = CallWebhook(block_document_id=webhook_block, payload=payload)
    return AutomationCore(name=f"{OURS}{name}", description=description, trigger=trigger, actions=[action])


def _notifying(webhook_block: UUID) -> list[AutomationCore]:
    """Call the webhook on failed runs and on our own notices."""
    failure = EventTrigger(
        match=ResourceSpecification(RUNS),
        expect={f"prefect.flow-run.{name}" for name in FAILURES},
        # Once until it is settled: the worker may report a crash after the server has.
        for_each={"prefect.resource.id"},
        within=SETTLED,
        posture=Posture.Reactive,
        threshold=1,
    )
    notice = EventTrigger(expect=set(notices.ALL), posture=Posture.Reactive, threshold=1)
    return [
        AutomationCore(
            name=RUN_FAILURES,
            description="Calls the webhook when a run fails or crashes.",
            trigger=failure,
            actions=[CallWebhook(block_document_id=webhook_block, payload=OF_A_RUN)],
        ),
        AutomationCore(
            name=NOTICES,
            description="Calls the webhook on refused files, drift, many rows set aside, a promotion refused.",
            trigger=notice,
            actions=[CallWebhook(block_document_id=webhook_block, payload=OF_A_NOTICE)],
        ),
    ]
