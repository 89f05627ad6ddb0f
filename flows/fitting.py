"""Fitting in flows: a recipe's members one by one or side by side, combined into one model; and its first reader."""

from collections.abc import Sequence

from tasks.combine import combine_stage as combine
from tasks.data.metrics import PreparedMetrics
from tasks.fit import fit_stage as fit
from tasks.judging.cascade import too_few
from tasks.stage import run_all
from tasks.store import Artifact, Store
from tasks.training import recipes
from tasks.training.recipes import Recipe


def learn(
    store: Store,
    prepared: Artifact,
    recipe: Recipe,
    judged: Artifact | None = None,
    *,
    beside: Sequence[Recipe] = (),
    workers: int = 1,
    fresh: bool = False,
) -> list[Artifact]:
    """Return the model of a recipe, and those of recipes of one member that are fitted beside it.

    Each member is an artifact of its own, so that a kill costs at most one of them.

    judged: the recipe's model on the same data; with it, the new one learns from the validation part as well.
    workers: processes that fit at the same time.
    """
    twins = [judged] * recipe.members
    if judged and recipe.members > 1:  # a combined model is made from its members, in their order
        twins = [store.get(name) for name in judged.manifest().inputs]
    calls = [(store, prepared, member, twin) for member, twin in zip(recipe.member_recipes(), twins, strict=True)]
    calls += [(store, prepared, other, None) for other in beside]
    models = run_all(fit, calls, workers=workers, fresh=fresh)
    members, others = models[: recipe.members], models[recipe.members :]
    return [combine(store, members, recipe, judged, fresh=fresh) if recipe.members > 1 else members[0], *others]


def readers_for(prepared: Artifact, recipe: Recipe) -> list[Recipe]:
    """Return the recipe of a first reader; none where it would spare nothing, or too few digits judge it."""
    is_worth_it = not recipe.is_cheap and not too_few(prepared.measured(PreparedMetrics).validation)
    return [recipes.FIRST] if is_worth_it else []
