"""Stage 8, conclude: draw the report on a model, with what was decided of it at its top.

Makes a `report`: report.html, one self-contained page. Nothing is measured here: the figures and the pictures are those
of the evaluation.
"""

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from tasks import registry
from tasks.data.expectations import Limits
from tasks.data.metrics import PreparedMetrics, ValidationMetrics
from tasks.judging.evaluation import Evaluation, Pictures
from tasks.models.packaged import PackageMetrics
from tasks.registry import Decision
from tasks.reports import report
from tasks.reports.report import Context, Promotion
from tasks.stage import stage
from tasks.store import Artifact, Draft, Store, lineage
from tasks.training import recipes, resuming


def conclude(
    store: Store, evaluation: Artifact, package: Artifact, decision: Decision, *, fresh: bool = False
) -> Artifact:
    """Return the report on a model whose package was decided on."""
    promotion = Promotion(
        package=package.name,
        promoted=decision.promoted,
        champion=decision.previous,
        by=decision.by,
        because=decision.because,
        reasons=registry.reasons(decision),
    )

    def build(draft: Draft) -> dict[str, Any]:
        figures = evaluation.measured(Evaluation)
        pictures = Pictures.read(evaluation.file("pictures.npz"))
        epochs = resuming.read_history(store.get(figures.judged).file_if_any("history.csv"))
        ancestors = [artifact for artifact in lineage(store, evaluation).values() if artifact]
        context = _context(ancestors, str(package.measured(PackageMetrics).cascade))
        page = report.render(figures, pictures, epochs, context, promotion)
        (draft.folder / "report.html").write_text(page, encoding="utf-8")
        return {"promoted": decision.promoted}

    return store.make(
        "report", build, code=__name__, parameters=asdict(promotion), inputs=[evaluation, package], fresh=fresh
    )


def _context(ancestors: Sequence[Artifact], cascade: str) -> Context:
    """Collect what stands around the figures from all artifacts that they rest on, the nearest first.

    cascade: of the package.
    """
    # Of several models the evaluated one is the nearest.
    nearest = {artifact.kind: artifact for artifact in reversed(ancestors)}
    model = nearest["model"].manifest()
    validation = nearest["validation"].measured(ValidationMetrics)
    bad_rows = nearest["validation"].manifest().parameters["bad_rows"]
    source = nearest["dataset"].manifest().source["data"]
    return Context(
        source=source,
        rows=nearest["prepared"].measured(PreparedMetrics).by_split(),
        duplicates=sum(validation.duplicates.values()),
        quarantined=validation.quarantined,
        warnings=validation.warnings,
        docs=f"../../{nearest['validation'].name}/data_docs/index.html",
        model=model,
        lineage=sorted((artifact.manifest() for artifact in ancestors), key=lambda manifest: manifest.created),
        cascade=cascade,
        reproduce=_command(source, model.parameters, bad_rows, nearest["prepared"].manifest().inputs),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _command(data: str, parameters: dict[str, Any], bad_rows: float, prepared_from: Sequence[str]) -> str:
    """Return the call that makes the model again."""
    name = parameters["name"]
    words = ["digits", "run", "--data", data, "--recipe", name if name in recipes.RECIPES else f"{name}.json"]
    for change in recipes.changes_of(parameters):
        words += ["--set", change]
    if bad_rows != Limits().bad_rows:
        words += ["--max-bad-rows", f"{bad_rows:g}"]
    if reviews := [name.removeprefix("review/") for name in prepared_from if name.startswith("review/")]:
        words += ["--corrections", ",".join(reviews)]
    if parameters.get("refit"):
        words.append("--refit")
    return shlex.join(words)


conclude_stage = stage(conclude)
