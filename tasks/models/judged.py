"""Judged and refitted models.

A model is judged on the validation part, which it has not learned from. A refitted one has learned from that part as
well, by the same recipe, and nothing is left to judge it by: whatever is said of it is said of its judged twin.
"""

from tasks.store import Artifact, Store


def refitted(model: Artifact) -> bool:
    """Whether a model has learned from the validation part."""
    return bool(model.manifest().parameters.get("refit"))


def twin(store: Store, model: Artifact) -> Artifact:
    """The model that was judged: itself, unless it is refitted. Raises: StoreError if it is gone."""
    return store.get(model.metrics["judged"]) if refitted(model) else model
