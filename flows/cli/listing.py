"""What a person is shown of recipes, as tables for the terminal."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import StoreError
from tasks.judging.evaluation import Evaluation
from tasks.store import Artifact, Store, lineage
from tasks.training.networks import NETWORKS
from tasks.training.recipes import PUBLISHED, RECIPES, Recipe

if TYPE_CHECKING:
    from rich.table import Table


def recipe_table(store: Store) -> "Table":
    """Every recipe: network, training, protocol and figure of its author, and the last result measured here."""
    from rich.table import Table

    table = Table("recipe", "network", "training", "author", "last measured here", box=None, header_style="bold")
    measured = _measured(store)
    for recipe in RECIPES.values():
        table.add_row(recipe.name, _network(recipe), _training(recipe), _author(recipe), measured.get(recipe.name, "–"))
        table.add_section()
    return table


def leaderboard(comparison: Artifact) -> "Table":
    """The columns of a comparison that a terminal has room for; the page and the files have them all."""
    from rich.table import Table

    from tasks.reports.leaderboard import Leaderboard

    columns = (
        "Recipe",
        "Accuracy",
        "95 % interval",
        "Everyday changes",
        "Test, refitted",
        "Authors report",
        "Fit, CPU s",
    )
    lines = comparison.measured(Leaderboard).table
    names = [name for name in columns if name in lines[0]]
    table = Table(*names, box=None, header_style="bold")
    for line in lines:
        table.add_row(*(line[name] for name in names))
    return table


def _network(recipe: Recipe) -> str:
    return (NETWORKS[recipe.network].__doc__ or "").partition("\n")[0]


def _training(recipe: Recipe) -> str:
    changes = [f"{name} {value:g}" for name, value in vars(recipe.augmentation).items() if value]
    parts = [
        f"{recipe.epochs} epochs of batch {recipe.batch}",
        f"{recipe.optimizer} {recipe.learning_rate:g} {recipe.schedule}",
        recipe.loss.replace("_crossentropy", " cross-entropy"),
        f"stops after {recipe.patience} epochs without gain" if recipe.patience else "",
        f"label smoothing {recipe.label_smoothing:g}" if recipe.label_smoothing else "",
        f"augmented: {', '.join(changes)}" if changes else "",
    ]
    return "; ".join(part for part in parts if part)


def _author(recipe: Recipe) -> str:
    published = PUBLISHED.get(recipe.name)
    if not published:
        return "ours"
    figure = f"{published.accuracy:.2%}" if published.accuracy else "no figure"
    return f"{figure}; {published.protocol}"


def _measured(store: Store) -> dict[str, str]:
    """The newest evaluation of each recipe as it is, in words."""
    found: dict[str, str] = {}
    for evaluation in (one for one in store.all() if one.kind == "evaluation"):
        # What is damaged or gone is for `digits verify` to tell.
        with contextlib.suppress(StoreError, KeyError):
            ancestors = {name: one for name, one in lineage(store, evaluation).items() if one}
            parameters = ancestors[evaluation.manifest().inputs[0]].manifest().parameters
            recipe = RECIPES[parameters["name"]]
            if recipe.as_parameters().items() <= parameters.items():
                found[recipe.name] = _result(evaluation, {one.kind: one for one in ancestors.values()})
    return found


def _result(evaluation: Artifact, ancestors: dict[str, Artifact]) -> str:
    data = ancestors["dataset"].manifest().source["data"]
    figures = evaluation.measured(Evaluation)
    test = f", {figures.test.accuracy:.2%} of its test part" if figures.test else ""
    return f"{figures.accuracy:.2%} of {figures.images:,} ({Path(data).name}){test}"
