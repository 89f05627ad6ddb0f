"""Tables for the terminal: the recipes, and the leaderboard of a comparison."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from flows.cli.terminal import percent
from tasks.judging.evaluation import Evaluation
from tasks.registry.packages import UNREADABLE
from tasks.store import Artifact, Store, nearest
from tasks.training.networks import NETWORKS
from tasks.training.recipes import PUBLISHED, RECIPES, Recipe
from tasks.words import counted

if TYPE_CHECKING:
    from rich.table import Table


def recipe_table(store: Store) -> "Table":
    """Return the recipes: network, training, protocol and figure of the author, last result measured here."""
    from rich.table import Table

    table = Table("recipe", "network", "training", "author", "last measured here", box=None, header_style="bold")
    measured = _measured(store)
    for recipe in RECIPES.values():
        table.add_row(recipe.name, _network(recipe), _training(recipe), _author(recipe), measured.get(recipe.name, "–"))
        table.add_section()
    return table


def leaderboard(comparison: Artifact) -> "Table":
    """Return the columns of a comparison that a terminal has room for; the page and the files have them all."""
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
        f"{counted(recipe.epochs, 'epoch')} of batch {recipe.batch}",
        f"{recipe.optimizer} {recipe.learning_rate:g} {recipe.schedule}",
        recipe.loss.replace("_crossentropy", " cross-entropy"),
        f"stops after {counted(recipe.patience, 'epoch')} without gain" if recipe.patience else "",
        f"label smoothing {recipe.label_smoothing:g}" if recipe.label_smoothing else "",
        f"augmented: {', '.join(changes)}" if changes else "",
    ]
    return "; ".join(part for part in parts if part)


def _author(recipe: Recipe) -> str:
    published = PUBLISHED.get(recipe.name)
    if not published:
        return "ours"
    figure = percent(published.accuracy) if published.accuracy else "no figure"
    return f"{figure}; {published.protocol}"


def _measured(store: Store) -> dict[str, str]:
    """Return the result of the newest evaluation of each recipe, by its name, in words."""
    results: dict[str, str] = {}
    for evaluation in store.all():
        if evaluation.kind != "evaluation":
            continue
        # What is damaged or gone is for `digits verify` to tell.
        with contextlib.suppress(*UNREADABLE):
            ancestors = nearest(store, evaluation)
            parameters = store.get(evaluation.manifest().inputs[0]).manifest().parameters
            recipe = RECIPES[parameters["name"]]
            # Not of a recipe that was changed by --set.
            if recipe.as_parameters().items() <= parameters.items():
                results[recipe.name] = _result(evaluation, ancestors["dataset"])
    return results


def _result(evaluation: Artifact, dataset: Artifact) -> str:
    data = Path(dataset.manifest().source["data"]).name
    figures = evaluation.measured(Evaluation)
    test = f", {percent(figures.test.accuracy)} of its test part" if figures.test else ""
    return f"{percent(figures.accuracy)} of {figures.images:,} ({data}){test}"
