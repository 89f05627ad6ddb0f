"""What the server does by itself: end runs that are lost or take too long, and tell people what they asked to know."""

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from humanize import naturaldelta
from prefect.blocks.webhook import Webhook
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import AutomationSort
from prefect.events import ResourceSpecification
from prefect.events.actions import CallWebhook, CancelFlowRun, ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.types import SecretDict
from pydantic import SecretStr

from flows.operations import notices

if TYPE_CHECKING:
    from prefect import PrefectClient

WEBHOOK = "digitflow"  # name of the block that holds the address
RUN_FAILURES, NOTICES = "digitflow: tell of failed runs", "digitflow: tell of notices"
RUNS: dict[str, str | list[str]] = {"prefect.resource.id": "prefect.flow-run.*"}
HEARTBEAT = "prefect.flow-run.heartbeat"
RUNNING = "prefect.flow-run.Running"
ENDS = {f"prefect.flow-run.{name}" for name in ("Completed", "Nothing new", "Failed", "TimedOut", "Crashed")}
ENDS |= {"prefect.flow-run.Cancelling", "prefect.flow-run.Cancelled"}
STUCK = "A worker has taken it and not begun it."
GONE = "Its process is gone: no heartbeats any more."
# The longest that a run may take, by its flow; nobody waits longer for these.
LONGEST = {"score": timedelta(hours=2), "train": timedelta(hours=12), "compare": timedelta(days=2)}

# `text` is what chat programs (Slack, Mattermost, Rocket.Chat) show.
OF_A_RUN = """{"text": {{ ("digitflow: " ~ flow.name ~ " / " ~ flow_run.name ~ ": " ~ flow_run.state.name ~ ". "
    ~ (flow_run.state.message or "")) | tojson }}, "event": {{ event.event | tojson }},
    "flow_run": {{ flow_run | ui_url | tojson }}}"""
OF_A_NOTICE = """{"text": {{ ("digitflow: " ~ event.event ~ ": " ~ event.resource.name ~ ": "
    ~ event.payload.message) | tojson }}, "event": {{ event.event | tojson }}}"""


async def apply(client: "PrefectClient", webhook: str | None, lost_after: float) -> None:
    """Bring the server's automations up to date; those that people have added stay.

    webhook: address that is called with what people are to know; without one nobody is told.
    lost_after: seconds without a heartbeat after which a run is taken for dead; heartbeats come every 30 s.
    """
    wanted = [_lost(lost_after), _stuck(), *(_too_long(flow, longest) for flow, longest in LONGEST.items())]
    if webhook:
        block = Webhook(url=SecretStr(webhook), headers=SecretDict({"Content-Type": "application/json"}))
        wanted += _notifying(await block.asave(WEBHOOK, overwrite=True))
    # Prefect's own defaults for these two are refused by its server.
    automations = await client.read_automations(sort=AutomationSort.NAME_ASC, limit=200)
    present = {automation.name: automation for automation in automations}
    for automation in wanted:
        known = present.get(automation.name)
        if known is None:
            await client.create_automation(automation)
        # One that is written anew forgets the runs that it was waiting for.
        elif (known.trigger, known.actions) != (automation.trigger, automation.actions):
            await client.update_automation(known.id, automation)
    for name in (RUN_FAILURES, NOTICES):
        if name in present and not webhook:
            await client.delete_automation(present[name].id)


def _lost(after: float) -> AutomationCore:
    """End a run whose process is gone: it sends no heartbeats, and would stay Running for ever."""
    return AutomationCore(
        name="digitflow: end runs that are lost",
        description="A run whose process was killed sends no heartbeats; it becomes Crashed.",
        trigger=EventTrigger(
            match=ResourceSpecification(RUNS),
            # Not the heartbeats alone: it may be killed before the first.
            after={HEARTBEAT, RUNNING},
            expect={HEARTBEAT} | ENDS,
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=after),
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, name=None, message=GONE, force=False)],
    )


def _stuck() -> AutomationCore:
    """End a run whose worker was killed while it was starting it."""
    return AutomationCore(
        name="digitflow: end runs that do not begin",
        description="A run that a worker has taken and not begun becomes Crashed.",
        trigger=EventTrigger(
            match=ResourceSpecification(RUNS),
            after={"prefect.flow-run.Pending"},
            expect={RUNNING, "prefect.flow-run.Scheduled", "prefect.flow-run.AwaitingConcurrencySlot"} | ENDS,
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(minutes=10),
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, name=None, message=STUCK, force=False)],
    )


def _too_long(flow: str, longest: timedelta) -> AutomationCore:
    """End a run that takes too long, by the server: no time-out within the process can break into TensorFlow."""
    return AutomationCore(
        name=f"digitflow: end runs of {flow} that take too long",
        description=f"A run that has not ended after {naturaldelta(longest)} is cancelled.",
        trigger=EventTrigger(
            match=ResourceSpecification(RUNS),
            match_related=ResourceSpecification({"prefect.resource.role": "flow", "prefect.resource.name": flow}),
            after={RUNNING},
            expect=ENDS,
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=longest,
        ),
        actions=[CancelFlowRun()],
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
            description="Calls the webhook on drift, many rows set aside, a bad file, a promotion refused.",
            trigger=notice,
            actions=[CallWebhook(block_document_id=webhook_block, payload=OF_A_NOTICE)],
        ),
    ]
