"""The flow `tune`: trials of a recipe with other values, and the best of them as a recipe to run."""

import logging
from typing import Annotated

from prefect import flow
from prefect.runtime import flow_run
from pydantic import Field

from flows.calls import call
from flows.operations import notices
from tasks import settings
from tasks.data.expectations import Limits
from tasks.data.metrics import PreparedMetrics
from tasks.errors import DivergedError
from tasks.fit import GivenUp, epochs_for, fit
from tasks.ingest import ingest_stage as ingest
from tasks.models.fitted import ModelMetrics
from tasks.prepare import prepare_stage as prepare
from tasks.stage import stage
from tasks.store import Artifact, Store
from tasks.training import recipes, studies
from tasks.training.recipes import Recipe
from tasks.tune import tune_stage as choose
from tasks.validate import validate_stage as validate
from tasks.words import percent

log = logging.getLogger(__name__)


@flow(name="tune", flow_run_name="tune {recipe} on {data}", persist_result=False, **notices.HOOKS)
def tune(
    data: str = "sample",
    recipe: str = "fast",
    trials: Annotated[int, Field(ge=1, le=10_000)] = 20,
    changes: list[str] | None = None,
    max_bad_rows: Annotated[float, Field(ge=0, le=1)] = 0.001,
) -> Artifact:
    """Try a recipe with other values and keep those that read the validation part best.

    Args:
        data: `sample`, `mnist`, `kaggle`, or the path of a file or folder of digits.
        recipe: name of the recipe to start from, or the path of a .json file that holds one.
        trials: how many in all; those of earlier runs on the same data count.
        changes: values of the recipe to change beforehand, such as `epochs=3`.
        max_bad_rows: share of the training rows that may be left out because they are not digits.
    """
    config = settings.load()
    store = Store(config.artifacts, flow_run=flow_run.get_id())
    base = recipes.find(recipe, changes or ())

    dataset = ingest(store, data, config)
    validation = validate(store, dataset, limits=Limits(bad_rows=max_bad_rows))
    prepared = prepare(store, dataset, validation)
    options = ["--recipe", recipe, "--trials", str(trials)]
    reproduce = call("tune", data, *options, changes=changes, max_bad_rows=max_bad_rows)
    with studies.alone(store.root):
        finished = studies.finished_trials(studies.open_study(store.root, base, prepared.name))
        for number in range(finished + 1, trials + 1):
            attempt_stage(store, prepared, base, number)
        return choose(store, prepared, base, reproduce)


def attempt(store: Store, prepared: Artifact, base: Recipe, number: int) -> None:
    """Fit the study's next trial and tell the study how well it reads the validation part; give up a hopeless one.

    number: only for the name of the task's run.
    """
    from optuna.trial import TrialState

    study = studies.open_study(store.root, base, prepared.name)
    trial = study.ask()
    recipe = studies.suggested_recipe(trial, base).member_recipes()[0]  # one member is enough to tell
    last = epochs_for(recipe, prepared.measured(PreparedMetrics).train)

    def watch(epoch: int, accuracy: float) -> None:
        trial.report(accuracy, epoch)
        if epoch < last and trial.should_prune():
            raise GivenUp("given up, below the median")

    values = ", ".join(f"{key} {value:.3g}" for key, value in trial.params.items())
    try:
        model = fit(store, prepared, recipe, watch=watch)
    except (GivenUp, DivergedError) as error:
        reason = "diverged" if isinstance(error, DivergedError) else str(error)
        trial.set_user_attr("ended", reason)
        study.tell(trial, state=TrialState.PRUNED)
        log.info("trial %d ended: %s (%s)", trial.number + 1, reason, values)
        return
    trial.set_user_attr("model", model.name)
    accuracy = model.measured(ModelMetrics).accuracy
    study.tell(trial, accuracy)
    log.info("trial %d: %s with %s", trial.number + 1, percent(accuracy), values)


attempt_stage = stage(attempt, run_name="trial {number}")
