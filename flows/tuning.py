"""The flow `tune`: trials of a recipe with other values, and the best of them as a recipe to run."""

import logging
import shlex

from prefect import flow
from prefect.runtime import flow_run

from tasks import settings
from tasks.data.expectations import Limits
from tasks.data.metrics import PreparedMetrics
from tasks.fit import GivenUp, epochs_for, fit
from tasks.ingest import ingest_stage as ingest
from tasks.prepare import prepare_stage as prepare
from tasks.stage import stage
from tasks.store import Artifact, Store
from tasks.training import recipes, studies
from tasks.training.recipes import Recipe
from tasks.tune import tune_stage as choose
from tasks.validate import validate_stage as validate

log = logging.getLogger(__name__)


@flow(name="tune", flow_run_name="tune {recipe} on {data}", persist_result=False)
def tune(
    data: str = "sample",
    recipe: str = "fast",
    trials: int = 20,
    changes: list[str] | None = None,
    max_bad_rows: float = 0.001,
) -> Artifact:
    """Try a recipe with other values and keep those that read the validation part best.

    Args:
        data: `sample`, `mnist`, `kaggle`, or the path of a file or folder of digits.
        recipe: name of the recipe to start from, or the path of a .json file that holds one.
        trials: how many in all; those of earlier runs on the same data count.
        changes: values of the recipe to change beforehand, such as `epochs=3`.
        max_bad_rows: share of the training rows that may be left out because they are not digits.
    """
    here = settings.load()
    store = Store(here.artifacts, flow_run=flow_run.get_id())
    base = recipes.find(recipe, changes or ())

    dataset = ingest(store, data, here)
    validation = validate(store, dataset, limits=Limits(bad_rows=max_bad_rows))
    prepared = prepare(store, dataset, validation)
    with studies.alone(store.root):
        for number in range(studies.finished(studies.opened(store.root, base, prepared.name)) + 1, trials + 1):
            attempt(store, prepared, base, number)
        return choose(store, prepared, base, _call(data, recipe, trials, changes))


def _call(data: str, recipe: str, trials: int, changes: list[str] | None) -> str:
    """The command that makes this again."""
    words = ["digits", "tune", "--data", data, "--recipe", recipe, "--trials", str(trials)]
    return shlex.join(words + [word for change in changes or () for word in ("--set", change)])


def try_once(store: Store, prepared: Artifact, base: Recipe, number: int) -> None:
    """The study's next trial: fitted, and told how well it reads the validation part; given up where it is hopeless."""
    from optuna.trial import TrialState

    study = studies.opened(store.root, base, prepared.name)
    trial = study.ask()
    recipe = studies.drawn(trial, base).each_member()[0]  # one of them says enough
    last = epochs_for(recipe, prepared.measured(PreparedMetrics).train)

    def watch(epoch: int, accuracy: float) -> None:
        trial.report(accuracy, epoch)
        if epoch < last and trial.should_prune():
            raise GivenUp("given up, below the median")

    changed = ", ".join(f"{key} {value:.3g}" for key, value in trial.params.items())
    try:
        model = fit(store, prepared, recipe, watch=watch)
    except GivenUp as error:
        trial.set_user_attr("ended", str(error))
        study.tell(trial, state=TrialState.PRUNED)
        log.info("trial %d ended: %s (%s)", trial.number + 1, error, changed)
        return
    trial.set_user_attr("model", model.name)
    accuracy = model.metrics["accuracy"]
    study.tell(trial, accuracy)
    log.info("trial %d: %.2f %% with %s", trial.number + 1, 100 * accuracy, changed)


attempt = stage(try_once, run_name="trial {number}")
