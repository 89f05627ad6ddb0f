"""Stage 8, conclude: the page of the evaluation once more, with what was decided of the model at its top.

Makes a `report`. The evaluation comes before the decision, and nothing is written into an artifact that is there.
"""

from typing import Any

from tasks import registry
from tasks.registry import Decision
from tasks.reports.html import render
from tasks.stage import stage
from tasks.store import Artifact, Draft, Store

PLACE = "<!-- the decision -->"


def conclude(
    store: Store, evaluation: Artifact, package: Artifact, decision: Decision, *, fresh: bool = False
) -> Artifact:
    """The report on a model whose package was decided on."""
    decided = {
        "promoted": decision.promoted,
        "champion": decision.previous,
        "by": decision.by,
        "because": decision.because,
        "reasons": registry.reasons(decision),
    }

    def build(draft: Draft) -> dict[str, Any]:
        page = (evaluation.path / "report.html").read_text(encoding="utf-8")
        section = render("conclude.html", package=package.name, **decided)
        (draft.folder / "report.html").write_text(page.replace(PLACE, section, 1), encoding="utf-8")
        return {"promoted": decision.promoted}

    inputs = [evaluation, package]
    return store.make("report", build, code=__name__, parameters=decided, inputs=inputs, fresh=fresh)


conclude_stage = stage(conclude)
