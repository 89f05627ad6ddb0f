"""Between fit and evaluate, combine: one model out of a recipe's members, which answers with the mean of their logits.

Makes a `model` like any other, in one file. A recipe with one member needs none.
"""

from tasks.models.fitted import ModelMetrics, averaged, load
from tasks.stage import stage
from tasks.store import Artifact, Draft, Store
from tasks.training.recipes import Recipe


def combine(
    store: Store, members: list[Artifact], recipe: Recipe, judged: Artifact | None = None, *, fresh: bool = False
) -> Artifact:
    """Return the model of a recipe whose members are fitted.

    judged: as for `fit`, where the members have learned from the validation part as well.
    """

    def build(draft: Draft) -> ModelMetrics:
        model = averaged([load(member.file("model.keras")) for member in members])
        model.save(draft.folder / "model.keras")
        metrics = [member.measured(ModelMetrics) for member in members]
        return ModelMetrics(
            recipe=recipe.name,
            seed=recipe.seed,
            epochs=0,
            best_epoch=0,
            accuracy=None,
            parameters=model.count_params(),
            fit_cpu_seconds=round(sum(member.fit_cpu_seconds for member in metrics), 1),
            fit_wall_seconds=round(sum(member.fit_wall_seconds for member in metrics), 1),
            judged=judged.name if judged else None,
        )

    inputs = [*members, judged] if judged else members
    parameters = recipe.as_parameters() | ({"refit": True} if judged else {})
    return store.make("model", build, code=__name__, parameters=parameters, inputs=inputs, fresh=fresh)


combine_stage = stage(combine)
