"""Fitting in flows: a recipe's members one by one or side by side, combined into one model."""

from tasks.combine import combine_stage as combine
from tasks.fit import fit_stage as fit
from tasks.stage import run_all
from tasks.store import Artifact, Store
from tasks.training.recipes import Recipe


def learn(
    store: Store,
    prepared: Artifact,
    recipe: Recipe,
    judged: Artifact | None = None,
    *,
    workers: int = 1,
    fresh: bool = False,
) -> Artifact:
    """Return the model of a recipe. Each member is an artifact of its own, so that a kill costs at most one of them.

    judged: the recipe's model on the same data; with it, the new one learns from the validation part as well.
    workers: processes that fit members at the same time.
    """
    if recipe.members == 1:
        return fit(store, prepared, recipe, judged, fresh=fresh)
    # A combined model is made from its members, in their order.
    twins = [store.get(name) for name in judged.manifest().inputs] if judged else [None] * recipe.members
    calls = [(store, prepared, member, twin) for member, twin in zip(recipe.member_recipes(), twins, strict=True)]
    members = run_all(fit, calls, workers=workers, fresh=fresh)
    return combine(store, members, recipe, judged, fresh=fresh)
