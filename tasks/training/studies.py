"""The studies of `tune`: what is searched for each recipe, and what was tried, kept by Optuna in SQLite.

One file, `studies.db`, below the artifacts folder; a study for each recipe on each prepared data.
"""

import contextlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import StoreError
from tasks.store.provenance import code_version
from tasks.training import recipes
from tasks.training.recipes import Recipe

if TYPE_CHECKING:
    import optuna

log = logging.getLogger(__name__)

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
    """The name of the study of a recipe on prepared data (`kind/id`): another one wherever a fit would be another."""
    return f"{prepared} {code_version('tasks.fit')} {json.dumps(recipe.as_parameters(), sort_keys=True)}"


def space(recipe: Recipe) -> Space:
    """What is searched for a recipe, widened to where the recipe itself is."""
    own = _own(recipe)
    return {
        key: Range(min(choice.low, own[key]), max(choice.high, own[key]), choice.log)
        if isinstance(choice, Range)
        else tuple(sorted({*choice, own[key]}))
        for key, choice in SPACES.get(recipe.name, PLAIN).items()
    }


@contextlib.contextmanager
def alone(root: Path) -> Iterator[None]:
    """Nobody else tunes on this machine meanwhile, so that a trial that says it is running is one that was killed."""
    from filelock import FileLock, Timeout

    root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(root / f".{DATABASE}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("another tuning is going on here; waiting for its end")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def opened(root: Path, recipe: Recipe, prepared: str) -> "optuna.Study":
    """The study, made where there is none; its first trial is the recipe as it is. Call it `alone`.

    The trials of a process that was killed are waiting again, with the values that they had.
    Raises: StoreError if the file cannot be read or written.
    """
    import optuna
    from optuna.trial import TrialState
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        storage = optuna.storages.RDBStorage(f"sqlite:///{root / DATABASE}")
        study = optuna.create_study(
            study_name=name(recipe, prepared), storage=storage, direction="maximize", load_if_exists=True
        )
    except (SQLAlchemyError, OSError) as error:
        raise StoreError(
            "the studies cannot be read or written",
            file=str(root / DATABASE),
            received=str(error.__cause__ or error).partition("\n")[0],
            remedy="mend its permissions, or remove it to begin anew",
        ) from error
    # A seed for each trial: one for all would draw the same values again after a kill.
    study.sampler = optuna.samplers.TPESampler(seed=recipe.seed + len(study.trials), n_startup_trials=5)
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=max(1, recipe.epochs // 4))
    study.enqueue_trial(_own(recipe), skip_if_exists=True)
    for trial in study.get_trials(states=[TrialState.RUNNING]):
        # Some of the values may have been set from the start, and not yet asked for.
        study.enqueue_trial({**trial.system_attrs.get("fixed_params", {}), **trial.params})
        study.tell(trial.number, state=TrialState.FAIL)
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

    values = [trial.value for trial in study.get_trials(states=[TrialState.COMPLETE], deepcopy=False)]
    if len(values) < LEAST_TRIALS or len(set(values)) < 2:
        return {}
    return optuna.importance.get_param_importances(study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0))


def _own(recipe: Recipe) -> dict[str, Any]:
    parameters = recipe.as_parameters()
    flat = {**parameters, **parameters["augmentation"]}
    return {key: flat[key] for key in SPACES.get(recipe.name, PLAIN)}
