"""Between fit and evaluate, combine: one model out of a recipe's members, which answers with the mean of their logits.

Makes a `model` like any other, in one file. A recipe with one member needs none.
"""

from typing import Any

from tasks.models.fitted import averaged, load
from tasks.stage import stage
from tasks.store import Artifact, Draft, Store
from tasks.training.recipes import Recipe


def combine(
    store: Store, members: list[Artifact], recipe: Recipe, judged: Artifact | None = None, *, fresh: bool = False
) -> Artifact:
    """The model of a recipe whose members are fitted.

    judged: as for `fit`, where the members have learned from the validation part as well.
    """

    def build(draft: Draft) -> dict[str, Any]:
        model = averaged([load(member.file("model.keras")) for member in members])
        model.save(draft.folder / "model.keras")
        found = [member.metrics for member in members]
        return {
            "recipe": recipe.name,
            "seed": recipe.seed,
            "epochs": 0,  # its members have run them
            "best_epoch": 0,
            "parameters": model.count_params(),
            "fit_cpu_seconds": round(sum(member["fit_cpu_seconds"] for member in found), 1),
            "fit_wall_seconds": round(sum(member["fit_wall_seconds"] for member in found), 1),
            "judged": judged.name if judged else None,
        }

    return store.make(
        "model",
        build,
        code=__name__,
        parameters=recipe.as_parameters() | ({"refit": True} if judged else {}),
        inputs=[*members, *([judged] if judged else [])],
        fresh=fresh,
    )


combine_stage = stage(combine)
