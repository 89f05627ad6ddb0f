"""Notices for people, as Prefect's events, one a run; `automations.py` passes them on to where they ask for it."""

import time
from typing import Any

from prefect import get_client
from prefect.events import Event, Resource, emit_event
from prefect.runtime import flow_run

from tasks import registry
from tasks.registry import Decision
from tasks.scoring.scores import ScoresMetrics
from tasks.store import Artifact, Store
from tasks.words import counted

INBOX = "digitflow.inbox"
REFUSED_PROMOTION = "digitflow.promotion.refused"
REVIEW = "digitflow.review.published"  # of which nobody has to be told: the deployment `train/corrections` begins
ALL = (INBOX, REFUSED_PROMOTION)
ENDED = "digitflow.ended"
AS_BEFORE = "As before"  # name of the state of a run that failed like the one before: told once


def of_promotion(store: Store, decision: Decision) -> None:
    """Give notice of a package that was not promoted; not again every night where the reasons are the same."""
    if not decision.promoted and decision in registry.history(store):
        _emit(REFUSED_PROMOTION, decision.package, f"{decision.package} was not promoted: {decision.because}")


def of_inbox(sentences: list[str]) -> None:
    """Give notice of what somebody may want to know of a run of the inbox; of nothing where there is nothing."""
    if sentences:
        _emit(INBOX, f"run/{flow_run.get_id()}", f"inbox: {' '.join(sentences)}")


def of_review(review: Artifact) -> None:
    """Give notice of a published review, from a process that runs no flow, and return when the server has it."""
    resource = {"prefect.resource.id": f"digitflow.{review.name}", "prefect.resource.name": review.name}
    event = Event(event=REVIEW, resource=Resource(resource))
    with get_client(sync_client=True) as client:
        client.request("POST", "/events", json=[event.model_dump(mode="json")])


def concerns(scores: Artifact, file: str, max_quarantined: float) -> list[str]:
    """Return in sentences whether a file's scores show drift, and whether too many of its rows were set aside."""
    metrics = scores.measured(ScoresMetrics)
    sentences = []
    if metrics.drift.verdict == "drifted":
        sentences.append(f"{file} has drifted: {'; '.join(metrics.drift.reasons)}.")
    total = metrics.rows + metrics.quarantined
    if total and metrics.quarantined / total > max_quarantined:
        sentences.append(f"Of {file} {metrics.quarantined:,} of {counted(total, 'row')} were set aside.")
    return sentences


def ended(flow: Any, run: Any, _state: Any) -> None:
    """Say that a run has ended, in the order of its heartbeats, of which the last may overtake Prefect's own event.

    Without it the server would wait for the next one, and then want to end the run. A hook of flows.
    """
    time.sleep(1)  # the server works on events side by side: by then it is done with the heartbeat
    related = [{"prefect.resource.id": f"prefect.flow.{run.flow_id}", "prefect.resource.role": "flow"}]
    related[0]["prefect.resource.name"] = flow.name
    emit_event(ENDED, {"prefect.resource.id": f"prefect.flow-run.{run.id}"}, related=related)


def _emit(event: str, about: str, message: str) -> None:
    """Emit an event. about: its subject, as `kind/id`; Prefect adds the flow run by itself."""
    resource = {"prefect.resource.id": f"digitflow.{about}", "prefect.resource.name": about}
    emit_event(event=event, resource=resource, payload={"message": message})


HOOKS: dict[str, Any] = {"on_completion": [ended], "on_failure": [ended]}  # of every flow
