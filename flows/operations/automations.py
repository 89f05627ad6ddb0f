"""What the server does by itself: end runs that are lost or do not get on, and tell people what they asked to know."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

from humanize import naturaldelta
from prefect.blocks.webhook import Webhook
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import AutomationSort
from prefect.events import ResourceSpecification
from prefect.events.actions import CallWebhook, CancelFlowRun, ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
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
ENDINGS = ("Completed", "Nothing new", "Files refused", "Failed", "TimedOut", "Crashed", "Cancelling", "Cancelled")
ENDS = {f"prefect.flow-run.{name}" for name in ENDINGS} | {notices.ENDED}
STUCK = "A worker has taken it and not begun it."
GONE = "Its process is gone: no heartbeats any more."
# How long a run may take to get on, by its flow, whatever the amount of its work.
LONGEST = {"score": timedelta(hours=2), "train": timedelta(hours=12), "compare": timedelta(days=2)}

# `text` is what chat programs (Slack, Mattermost, Rocket.Chat) show.
OF_A_RUN = """{"text": {{ ("digitflow: " ~ flow.name ~ " / " ~ flow_run.name ~ ": " ~ flow_run.state.name ~ ". "
    ~ (flow_run.state.message or "")) | tojson }}, "event": {{ event.event | tojson }},
    "flow_run": {{ flow_run | ui_url | tojson }}}"""
OF_A_NOTICE = (
    """{"text": {{ ("digitflow: " ~ event.payload.message) | tojson }}, "event": {{ event.event | tojson }}}"""
)


async def apply(
    client: "PrefectClient", webhook: str | None, lost_after: float | None, learning: UUID | None = None
) -> tuple[str | None, float]:
    """Bring the server's automations up to date, and return the webhook and the seconds that hold; others stay.

    webhook: address that is called with what people are to know; NO_WEBHOOK for none.
    lost_after: seconds without a heartbeat after which a run is taken for dead; heartbeats come every 30 s.
    What is None stays as the server has it: no webhook, 90 s on a new one.
    learning: id of the deployment that a published review starts; None where that is switched off.
    """
    # Prefect's own defaults for these two are refused by its server.
    automations = await client.read_automations(sort=AutomationSort.NAME_ASC, limit=200)
    present = {automation.name: automation for automation in automations}
    if webhook is None and NOTICES in present:
        block: Any = await Webhook.aload(WEBHOOK, client=client)
        webhook = block.url.get_secret_value()
    if lost_after is None:
        trigger: Any = present[LOST].trigger if LOST in present else None
        lost_after = trigger.within.total_seconds() if trigger else 90.0

    wanted = [_lost(lost_after), _stuck(), *(_stalled(flow, longest) for flow, longest in LONGEST.items())]
    if webhook and webhook != NO_WEBHOOK:
        block = Webhook(url=SecretStr(webhook), headers=SecretDict({"Content-Type": "application/json"}))
        wanted += _notifying(await block.asave(WEBHOOK, overwrite=True))
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
    return (None if webhook == NO_WEBHOOK else webhook), lost_after


def webhook_host(client: "SyncPrefectClient") -> str | None:
    """Return the host of the webhook that is called, None without one; whoever knows the rest can write there."""
    if not client.read_automations_by_name(NOTICES):
        return None
    block = client.read_block_document_by_name(WEBHOOK, "webhook")
    return urlsplit(block.data["url"]).hostname


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


def _missing(expected: set[str], after: set[str], within: timedelta, **more: Any) -> EventTrigger:
    """Return what triggers where a run has had one of the events `after`, and then for so long none of `expected`."""
    return EventTrigger(
        match=ResourceSpecification(RUNS),
        after=after,
        expect=expected,
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=within,
        **more,
    )


def _notifying(webhook_block: UUID) -> list[AutomationCore]:
    """Call the webhook on failed runs and on our own notices."""
    failure = EventTrigger(
        match=ResourceSpecification(RUNS),
        expect={f"prefect.flow-run.{name}" for name in ("Failed", "TimedOut", "Crashed")},
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
