"""The recipes: how a network is trained, as data. A recipe is saved with the model that it made."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from tasks.errors import UsageError


@dataclass(frozen=True)
class Augmentation:
    """Random changes of the training images, drawn anew each time that an image is shown; 0 leaves one out.

    rotation: degrees, either way. zoom, shear: shares, either way. shift: pixels, either way.
    """

    rotation: float = 0
    zoom: float = 0
    shear: float = 0
    shift: float = 0


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a fit, but for the data.

    network: name of a network of `networks.py`.
    epochs: passes over the training images; more where `min_shown` asks for it.
    min_shown: least number of images to show in all, so that a small set is learned for longer.
    batch: images a step.
    peak_rate: highest learning rate of AdamW; it rises linearly over the share `warm_up` of the steps and falls to 0
        by a half cosine (the one-cycle schedule of Smith, arXiv 1708.07120).
    weight_decay: of AdamW (Loshchilov & Hutter, arXiv 1711.05101).
    label_smoothing: share of the probability that is spread over all classes.
    seed: of the weights, the order of the images and the augmentation.
    """

    name: str
    network: str
    epochs: int
    min_shown: int = 0
    batch: int = 128
    peak_rate: float = 1e-3
    warm_up: float = 0.2
    weight_decay: float = 4e-3
    label_smoothing: float = 0.0
    augmentation: Augmentation = Augmentation()
    seed: int = 42

    def as_parameters(self) -> dict[str, Any]:
        """Everything that decides the fit, for the manifest."""
        return asdict(self)


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="fast",
            network="fast",
            epochs=9,
            min_shown=100_000,
            peak_rate=6e-3,
            label_smoothing=0.1,
            augmentation=Augmentation(rotation=10, zoom=0.1, shear=0.1, shift=2),
        ),
    )
}

# Lowest and highest value that makes sense for each number of a recipe and of its augmentation.
RANGES: dict[str, tuple[float, float]] = {
    "epochs": (1, 1000),
    "min_shown": (0, 100_000_000),
    "batch": (1, 4096),
    "peak_rate": (1e-6, 1.0),
    "warm_up": (0.0, 0.9),
    "weight_decay": (0.0, 1.0),
    "label_smoothing": (0.0, 0.5),
    "seed": (0, 2**31 - 1),
    "rotation": (0.0, 180.0),
    "zoom": (0.0, 0.9),
    "shear": (0.0, 1.0),
    "shift": (0.0, 14.0),
}


def find(name: str, changes: Iterable[str] = ()) -> Recipe:
    """The recipe of a name, with changes such as `epochs=3` or `rotation=15`.

    Who sets `epochs` gets them: `min_shown` is then 0, unless it is set, too.
    Raises: UsageError for a name or a value that is not known, or is out of its range.
    """
    if name not in RECIPES:
        raise UsageError(f"there is no recipe {name!r}", expected=f"one of {', '.join(RECIPES)}")
    recipe = RECIPES[name]
    changes = list(changes)
    if any(change.startswith("epochs=") for change in changes):
        changes.insert(0, "min_shown=0")
    for change in changes:
        key, _, text = change.partition("=")
        value: Any = _number(key, text)
        if key in Augmentation.__annotations__:
            recipe = replace(recipe, augmentation=replace(recipe.augmentation, **{key: value}))
        else:
            recipe = replace(recipe, **{key: value})
    return recipe


def changes(parameters: dict[str, Any]) -> list[str]:
    """What was changed of a recipe to get these parameters, in the form that `find` takes."""
    own = RECIPES[parameters["name"]].as_parameters()
    flat, flat_own = ({**values, **values["augmentation"]} for values in (parameters, own))
    return [f"{name}={flat[name]}" for name in RANGES if flat[name] != flat_own[name]]


def _number(key: str, text: str) -> float:
    if key not in RANGES:
        raise UsageError(f"a recipe has no value {key!r}", expected=f"NAME=VALUE with one of {', '.join(RANGES)}")
    low, high = RANGES[key]
    whole = isinstance(low, int)
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        kind = "a whole number" if whole else "a number"
        raise UsageError(f"{key} is out of range", expected=f"{kind} from {low} to {high:g}", received=repr(text))
    return value
