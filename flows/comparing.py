"""The flow `compare`: every recipe on the same data, side by side on one page."""

import contextlib
from typing import Annotated

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run
from pydantic import Field

from flows.calls import call
from flows.fitting import learn
from flows.operations import notices
from tasks import settings
from tasks.data import digits
from tasks.data.expectations import Limits
from tasks.errors import FitError, PackageError, UsageError
from tasks.evaluate import evaluate_stage as evaluate
from tasks.ingest import ingest_stage as ingest
from tasks.judging.comparison import Failure
from tasks.package import package_stage as package
from tasks.prepare import prepare_stage as prepare
from tasks.rank import Contender
from tasks.rank import rank_stage as rank
from tasks.stage import run_all
from tasks.store import Artifact, Store
from tasks.training import recipes
from tasks.training.recipes import Recipe
from tasks.validate import validate_stage as validate


@flow(name="compare", flow_run_name="compare on {data}", persist_result=False, **notices.HOOKS)
def compare(
    data: str = "sample",
    names: list[str] | None = None,
    seeds: Annotated[int, Field(ge=1, le=100)] = 1,
    changes: list[str] | None = None,
    max_bad_rows: Annotated[float, Field(ge=0, le=1)] = 0.001,
    refit: bool = False,
    workers: Annotated[int, Field(ge=1, le=64)] = 1,
    fresh: bool = False,
) -> Artifact:
    """Fit recipes on the same training part and rank them on the same validation part.

    Args:
        data: `sample`, `mnist`, `kaggle`, or the path of a file or folder of digits.
        names: the recipes, or paths of .json files that hold one; every recipe of `digits recipes` where none is named.
        seeds: how often to fit each recipe, every time with the next seed.
        changes: values to change in every recipe, such as `epochs=3`.
        max_bad_rows: share of the training rows that may be left out because they are not digits.
        refit: fit each recipe once more on training and validation part together and report it on a labelled test
            part, as the authors of MNIST's recipes did.
        workers: processes that fit at the same time.
        fresh: do the work again where it is done already.
    """
    config = settings.load()
    store = Store(config.artifacts, flow_run=flow_run.get_id())
    entrants = recipes.with_seeds(recipes.find_all(names, changes or ()), seeds)

    dataset = ingest(store, data, config, fresh=fresh)
    validation = validate(store, dataset, limits=Limits(bad_rows=max_bad_rows), fresh=fresh)
    prepared = prepare(store, dataset, validation, fresh=fresh)
    if refit and not digits.read_labelled(prepared.file_if_any("test.parquet")):
        raise UsageError("there is no test part with labels to report on", remedy="compare without --refit")
    outcomes = run_all(contend, [(store, prepared, recipe, refit, fresh) for recipe in entrants], workers=workers)
    contenders = [outcome for outcome in outcomes if isinstance(outcome, Contender)]
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    options = ["--recipes", ",".join(names)] if names else []
    if seeds > 1:
        options += ["--seeds", str(seeds)]
    if refit:
        options += ["--refit"]
    reproduce = call("compare", data, *options, changes=changes, max_bad_rows=max_bad_rows)
    return rank(store, prepared, contenders, failures, reproduce, fresh=fresh)


# No retries: its stages try again by themselves.
@task(task_run_name="{recipe.name} seed {recipe.seed}", cache_policy=NO_CACHE, persist_result=False)
def contend(store: Store, prepared: Artifact, recipe: Recipe, refit: bool, fresh: bool) -> Contender | Failure:
    """Fit, judge and package a recipe with one seed. A fit or a package that fails does not end the comparison."""
    try:
        (model,) = learn(store, prepared, recipe, fresh=fresh)
        refitted = None
        if refit:
            with contextlib.suppress(FitError):  # that it diverged is in the log, and its column stays empty
                (refitted,) = learn(store, prepared, recipe, judged=model, fresh=fresh)
        return Contender(
            recipe,
            model=model,
            evaluation=evaluate(store, model, prepared, fresh=fresh),
            package=package(store, model, prepared, fresh=fresh),
            refitted=refitted,
        )
    except (FitError, PackageError) as error:
        return Failure(recipe.name, recipe.seed, str(error))
