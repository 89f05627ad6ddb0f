"""Notices for people, as Prefect's events; `automations.py` passes them on to where they ask for it."""

from prefect.events import emit_event

from tasks import registry
from tasks.registry import Decision
from tasks.scoring.scores import ScoresMetrics
from tasks.store import Artifact, Store

DRIFT = "digitflow.drift"
QUARANTINE = "digitflow.quarantine"
REFUSED_FILE = "digitflow.file.refused"
REFUSED_PROMOTION = "digitflow.promotion.refused"
ALL = (DRIFT, QUARANTINE, REFUSED_FILE, REFUSED_PROMOTION)


def of_promotion(store: Store, decision: Decision) -> None:
    """Give notice of a package that was not promoted; not again every night where the reasons are the same."""
    if not decision.promoted and decision in registry.history(store):
        _emit(REFUSED_PROMOTION, decision.package, decision.because)


def of_scores(made: Artifact, file: str, max_quarantined: float) -> None:
    """Give notice where a file's scores show drift, or more than this share of its rows was set aside."""
    metrics = made.measured(ScoresMetrics)
    if metrics.drift.verdict == "drifted":
        _emit(DRIFT, made.name, f"{file}: {'; '.join(metrics.drift.reasons)}")
    total = metrics.rows + metrics.quarantined
    if total and metrics.quarantined / total > max_quarantined:
        _emit(QUARANTINE, made.name, f"{file}: {metrics.quarantined:,} of {total:,} rows set aside")


def of_file(name: str, reason: str) -> None:
    """Give notice of a file that cannot be scored."""
    _emit(REFUSED_FILE, f"file/{name}", reason)


def _emit(event: str, about: str, message: str) -> None:
    """Emit an event. about: its subject, as `kind/id`; Prefect adds the flow run by itself."""
    resource = {"prefect.resource.id": f"digitflow.{about}", "prefect.resource.name": about}
    emit_event(event=event, resource=resource, payload={"message": message})
