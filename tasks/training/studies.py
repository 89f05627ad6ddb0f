"""The studies of `tune`: the values to search for each recipe, and the trials so far, kept by Optuna in SQLite.

One file, `studies.db`, below the artifacts folder; a study for each recipe on each prepared data.
"""

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import StoreError
from tasks.store.locks import locked
from tasks.store.provenance import code_version
from tasks.training import recipes
from tasks.training.recipes import Recipe

if TYPE_CHECKING:
    import optuna

DATABASE = "studies.db"
LEAST_TRIALS = 8  # fewer do not tell which values matter


@dataclass(frozen=True)
class Range:
    """The range of a number to choose. log: on a logarithmic scale."""

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
# A recipe from a file is searched in PLAIN, as the networks without batch norm are.
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


def study_name(recipe: Recipe, prepared: str) -> str:
    """Return the name of the study of a recipe on prepared data (`kind/id`); two fits that differ have two studies."""
    return f"{prepared} {code_version('tasks.fit')} {json.dumps(recipe.as_parameters(), sort_keys=True)}"


def space(recipe: Recipe) -> Space:
    """Return the space to search for a recipe, widened to hold the recipe's own values."""
    widened: Space = {}
    for key, own in _own_values(recipe).items():
        choice = _space_of(recipe)[key]
        if isinstance(choice, Range):
            widened[key] = Range(min(choice.low, own), max(choice.high, own), choice.log)
        else:
            widened[key] = tuple(sorted({*choice, own}))
    return widened


def alone(root: Path) -> AbstractContextManager[None]:
    """Wait until no one else on this machine tunes; a trial that is marked as running was then killed."""
    root.mkdir(parents=True, exist_ok=True)
    return locked(root / f".{DATABASE}.lock", "another tuning is going on here; waiting for its end")


def open_study(root: Path, recipe: Recipe, prepared: str) -> "optuna.Study":
    """Open the study of a recipe on prepared data, or create it; call this within `alone`.

    The first trial of a study is the recipe as it is. The trials of a process that was killed are enqueued again, with
    the values that they had.
    Raises: StoreError if the file cannot be read or written.
    """
    import optuna
    from optuna.trial import TrialState
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        storage = optuna.storages.RDBStorage(f"sqlite:///{root / DATABASE}")
        study = optuna.create_study(
            study_name=study_name(recipe, prepared), storage=storage, direction="maximize", load_if_exists=True
        )
    except (SQLAlchemyError, OSError) as error:
        raise StoreError(
            "the studies cannot be read or written",
            file=str(root / DATABASE),
            received=str(error.__cause__ or error).partition("\n")[0],
            remedy="mend its permissions, or remove it to begin anew",
        ) from error
    # A new seed for each trial: with the same one, the draws would repeat after a kill.
    study.sampler = optuna.samplers.TPESampler(seed=recipe.seed + len(study.trials), n_startup_trials=5)
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=max(1, recipe.epochs // 4))
    study.enqueue_trial(_own_values(recipe), skip_if_exists=True)
    for trial in study.get_trials(states=[TrialState.RUNNING]):
        # Values may have been enqueued with the trial, and not yet asked for.
        study.enqueue_trial({**trial.system_attrs.get("fixed_params", {}), **trial.params})
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def suggested_recipe(trial: "optuna.Trial", recipe: Recipe) -> Recipe:
    """Return the recipe with the values that a trial is to try."""
    values: dict[str, Any] = {}
    for key, choice in space(recipe).items():
        if isinstance(choice, Range):
            values[key] = trial.suggest_float(key, choice.low, choice.high, log=choice.log)
        else:
            values[key] = trial.suggest_categorical(key, choice)
    return recipes.with_values(recipe, values)


def finished_trials(study: "optuna.Study") -> int:
    """Count the trials that came to their end, or were given up as hopeless."""
    from optuna.trial import TrialState

    return len(study.get_trials(states=[TrialState.COMPLETE, TrialState.PRUNED], deepcopy=False))


def importance(study: "optuna.Study") -> dict[str, float]:
    """Return the share of the accuracy's variance that each value explains; nothing where the trials are too few.

    By fANOVA (Hutter, Hoos & Leyton-Brown, ICML 2014).
    """
    import optuna
    from optuna.trial import TrialState

    values = [trial.value for trial in study.get_trials(states=[TrialState.COMPLETE], deepcopy=False)]
    if len(values) < LEAST_TRIALS or len(set(values)) < 2:
        return {}
    return optuna.importance.get_param_importances(study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0))


def _space_of(recipe: Recipe) -> Space:
    return SPACES.get(recipe.name, PLAIN)


def _own_values(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe's own values of what is searched."""
    values = recipes.flat(recipe.as_parameters())
    return {key: values[key] for key in _space_of(recipe)}
