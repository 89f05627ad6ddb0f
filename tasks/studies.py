"""The studies of `tune`: what is searched for each recipe, and what was tried, kept by Optuna in SQLite.

One file, `studies.db`, below the artifacts folder; a study for each recipe on each prepared data.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks import recipes
from tasks.recipes import Recipe

if TYPE_CHECKING:
    import optuna

DATABASE = "studies.db"
LEAST_TRIALS = 8  # fewer say nothing of what matters


@dataclass(frozen=True)
class Range:
    """A number to choose. log: its size counts, not its difference to others."""

    low: float
    high: float
    log: bool = False


Space = dict[str, Range | tuple[int, ...]]

BATCH = (32, 64, 128, 256)
GEOMETRY: Space = {"rotation": Range(0, 15), "zoom": Range(0, 0.15), "shear": Range(0, 0.2), "shift": Range(0, 3)}
PLAIN: Space = {"learning_rate": Range(1e-4, 1e-2, log=True), "batch": BATCH, "dropout": Range(0, 0.6)}
CYCLE: Space = {
    "learning_rate": Range(1e-3, 2e-2, log=True),
    "batch": (64, 128, 256),
    "dropout": Range(0, 0.5),
    "weight_decay": Range(1e-4, 1e-1, log=True),
    "warm_up": Range(0.05, 0.4),
    "label_smoothing": Range(0, 0.2),
}
# What is searched; a recipe from a file is searched as the networks without batch norm are.
SPACES: dict[str, Space] = {
    "cnn-augmented": {**PLAIN, **GEOMETRY},
    "mlp-sigmoid": {**PLAIN, "dropout": Range(0, 0.2)},
    "mlp-relu": PLAIN,
    "cnn-basic": PLAIN,
    "lenet": PLAIN,
    "mobilenetv2-small": {**CYCLE, **GEOMETRY},
    "fast": {**CYCLE, **GEOMETRY},
    "best": {**CYCLE, **GEOMETRY, "elastic": Range(0, 1.5)},
}


def name(recipe: Recipe, prepared: str) -> str:
    """The name of the study of a recipe on prepared data (`kind/id`): another one wherever anything else is asked."""
    return f"{prepared} {json.dumps(recipe.as_parameters(), sort_keys=True)}"


def space(recipe: Recipe) -> Space:
    return SPACES.get(recipe.name, PLAIN)


@contextlib.contextmanager
def alone(root: Path) -> Iterator[None]:
    """Nobody else tunes on this machine meanwhile, so that a trial that says it is running is one that was killed."""
    from filelock import FileLock

    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / f".{DATABASE}.lock"):
        yield


def opened(root: Path, recipe: Recipe, prepared: str) -> "optuna.Study":
    """The study, made where there is none; its first trial is the recipe as it is. Call it `alone`.

    The trials of a process that was killed are waiting again, with the values that they had.
    """
    import optuna
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(f"sqlite:///{root / DATABASE}")
    study = optuna.create_study(
        study_name=name(recipe, prepared), storage=storage, direction="maximize", load_if_exists=True
    )
    # A seed for each trial: one for all would draw the same values again after a kill.
    study.sampler = optuna.samplers.TPESampler(seed=recipe.seed + len(study.trials), n_startup_trials=5)
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=max(1, recipe.epochs // 4))
    study.enqueue_trial(_own(recipe), skip_if_exists=True)
    for trial in study.get_trials(states=[TrialState.RUNNING]):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)
    return study


def drawn(trial: "optuna.Trial", recipe: Recipe) -> Recipe:
    """The recipe with the values that a trial is to try."""
    values: dict[str, Any] = {}
    for key, choice in space(recipe).items():
        if isinstance(choice, Range):
            values[key] = trial.suggest_float(key, choice.low, choice.high, log=choice.log)
        else:
            values[key] = trial.suggest_categorical(key, choice)
    return recipes.changed(recipe, values)


def finished(study: "optuna.Study") -> int:
    """Trials that came to their end, or were given up as hopeless."""
    from optuna.trial import TrialState

    return len(study.get_trials(states=[TrialState.COMPLETE, TrialState.PRUNED], deepcopy=False))


def importance(study: "optuna.Study") -> dict[str, float]:
    """Share of the accuracy's variance that each value explains; empty where there are too few trials to tell.

    By fANOVA (Hutter, Hoos & Leyton-Brown, ICML 2014).
    """
    import optuna
    from optuna.trial import TrialState

    if len(study.get_trials(states=[TrialState.COMPLETE], deepcopy=False)) < LEAST_TRIALS:
        return {}
    return optuna.importance.get_param_importances(study)


def _own(recipe: Recipe) -> dict[str, Any]:
    """The recipe's own values, each moved to where the search begins if it lies outside."""
    parameters = recipe.as_parameters()
    flat = {**parameters, **parameters["augmentation"]}
    return {
        key: min(max(flat[key], choice.low), choice.high)
        if isinstance(choice, Range)
        else min(choice, key=lambda one: abs(one - flat[key]))
        for key, choice in space(recipe).items()
    }
