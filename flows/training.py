"""The flow `train`: from a file of digits to a judged, packaged model and the answers for the test part."""

from dataclasses import dataclass
from typing import Annotated, Any

from prefect import State, flow
from prefect.runtime import flow_run
from prefect.states import Completed
from pydantic import Field

from flows.fitting import learn, readers_for
from flows.operations import notices, pages
from tasks import settings
from tasks.conclude import conclude_stage as conclude
from tasks.data.expectations import Limits
from tasks.evaluate import evaluate_stage as evaluate
from tasks.ingest import ingest_stage as ingest
from tasks.package import package_stage as package
from tasks.prepare import prepare_stage as prepare
from tasks.promote import promote_stage as promote
from tasks.registry import Decision
from tasks.reviewing.corrections import ALL, reviews_of
from tasks.reviewing.publishing import count_new
from tasks.score import score_stage as score
from tasks.store import Artifact, Store
from tasks.training import recipes
from tasks.validate import validate_stage as validate
from tasks.words import counted


@dataclass(frozen=True)
class Trained:
    """The artifacts of a run of `train`; scores is None where the source has no test part."""

    dataset: Artifact
    validation: Artifact
    prepared: Artifact
    model: Artifact
    evaluation: Artifact
    package: Artifact
    decision: Decision
    report: Artifact
    scores: Artifact | None


@flow(name="train", flow_run_name="{recipe} on {data}", persist_result=False, **notices.HOOKS)
def train(
    data: str = "sample",
    recipe: str = "fast",
    changes: list[str] | None = None,
    max_bad_rows: Annotated[float, Field(ge=0, le=1)] = 0.001,
    refit: bool = False,
    cascade: bool = True,
    workers: Annotated[int, Field(ge=1, le=64)] = 1,
    fresh: bool = False,
    corrections: str | None = None,
) -> Trained:
    """Read digits, check them, learn from them, judge, package and promote the model, score the test part.

    Args:
        data: `sample`, `mnist`, `kaggle`, or the path of a file or folder of digits.
        recipe: name of the recipe to train, or the path of a .json file that holds one.
        changes: values of the recipe to change, such as `epochs=3`.
        max_bad_rows: share of the training rows that may be left out because they are not digits.
        refit: once the model is judged on the validation part, fit it again on that part as well, for the package.
        cascade: fit a first reader as well, which answers what it is sure of, unless the recipe is as cheap as that.
        workers: processes that fit the members of an ensemble and the first reader at the same time.
        fresh: do the work again where it is done already.
        corrections: learn from what people say in the reviews of these ids, with commas, or in `all`.
    """
    config = settings.load()
    store = Store(config.artifacts, flow_run=flow_run.get_id())
    chosen = recipes.find(recipe, changes or ())
    reviews = reviews_of(store, corrections)

    dataset = ingest(store, data, config, fresh=fresh)
    validation = validate(store, dataset, limits=Limits(bad_rows=max_bad_rows), fresh=fresh)
    pages.of_validation(validation)
    prepared = prepare(store, dataset, validation, reviews, fresh=fresh)
    beside = readers_for(prepared, chosen) if cascade else []
    model, *first = learn(store, prepared, chosen, beside=beside, workers=workers, fresh=fresh)
    if refit:
        (model,) = learn(store, prepared, chosen, judged=model, workers=workers, fresh=fresh)
    evaluation = evaluate(store, model, prepared, fresh=fresh)
    pages.of_evaluation(evaluation)
    packed = package(store, model, prepared, *first, fresh=fresh)
    decision = promote(store, packed, prepared)
    notices.of_promotion(store, decision)
    report = conclude(store, evaluation, packed, decision, fresh=fresh)
    pages.of_promotion(decision, report)
    scores = score(store, packed, prepared, fresh=fresh)
    if scores:
        pages.of_scores(scores)
    return Trained(dataset, validation, prepared, model, evaluation, packed, decision, report, scores)


# Prefect tells deployments apart by the names of flow and deployment, and this one is a way of calling `train`.
@flow(name="train", flow_run_name="corrections: {recipe} on {data}", persist_result=False, **notices.HOOKS)
def train_on_corrections(
    least: Annotated[int, Field(ge=1)] = 100,
    data: str = "sample",
    recipe: str = "fast",
    changes: list[str] | None = None,
) -> State[Any] | Trained:
    """Train with all that people have corrected, once enough of it is new.

    Args:
        least: corrections that no model has learned from yet; fewer are left to a later run.
        data: as of `train`.
        recipe: as of `train`.
        changes: as of `train`.
    """
    new = count_new(Store(settings.load().artifacts))
    if new < least:
        message = f"no model has learned yet from {counted(new, 'correction')}; {least:,} start a training"
        return Completed(name="Nothing new", message=message)
    return train.fn(data, recipe, changes, corrections=ALL)
