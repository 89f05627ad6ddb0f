"""What people want to be told of, as Prefect's events; `automations.py` passes them on to where they ask for it."""

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
    """Where a package was not promoted, and had not been for the same reasons before: not every night again."""
    if not decision.promoted and decision in registry.history(store):
        _tell(REFUSED_PROMOTION, decision.package, decision.because)


def of_scores(made: Artifact, file: str, max_quarantined: float) -> None:
    """Where a file's scores show drift, or more rows set aside than this share of them."""
    metrics = made.measured(ScoresMetrics)
    if metrics.drift.verdict == "drifted":
        _tell(DRIFT, made.name, f"{file}: {'; '.join(metrics.drift.reasons)}")
    total = metrics.rows + metrics.quarantined
    if total and metrics.quarantined / total > max_quarantined:
        _tell(QUARANTINE, made.name, f"{file}: {metrics.quarantined:,} of {total:,} rows set aside")


def of_file(name: str, reason: str) -> None:
    """Where a file cannot be scored."""
    _tell(REFUSED_FILE, f"file/{name}", reason)


def _tell(event: str, about: str, message: str) -> None:
    """about: what it is of, `kind/id`. The flow run is named by Prefect itself."""
    resource = {"prefect.resource.id": f"digitflow.{about}", "prefect.resource.name": about}
    emit_event(event=event, resource=resource, payload={"message": message})
