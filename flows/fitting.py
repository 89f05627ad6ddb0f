"""What the flows share: a recipe's model, its members fitted one by one or side by side."""

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
    """The model of a recipe. Each member is an artifact of its own, so that a kill costs at most one of them.

    judged: the recipe's model on the same data; given, this one learns from the validation part as well.
    workers: processes that fit members at the same time.
    """
    members = recipe.each_member()
    twins = _members(store, judged, recipe) if judged else [None] * len(members)
    calls = [(store, prepared, member, twin) for member, twin in zip(members, twins, strict=True)]
    fitted = run_all(fit, calls, workers=workers, fresh=fresh)
    return combine(store, fitted, recipe, judged, fresh=fresh) if recipe.members > 1 else fitted[0]


def _members(store: Store, model: Artifact, recipe: Recipe) -> list[Artifact]:
    return [store.get(name) for name in model.manifest().inputs] if recipe.members > 1 else [model]
