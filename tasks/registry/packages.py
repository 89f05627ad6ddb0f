"""The packages there are to choose from, each with what is known of it."""

import contextlib
import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from tasks.errors import StoreError
from tasks.judging.cascade import Cascade
from tasks.models.packaged import PackageMetrics
from tasks.registry.champions import Reign, reigns
from tasks.registry.decisions import champion
from tasks.store import Artifact, Manifest, Store, read_manifest

# A manifest that was written by hand, with its digest, can lack anything, and costs a list no more than its own line.
UNREADABLE = (StoreError, LookupError, TypeError, ValueError)


@dataclass(frozen=True)
class PackageSummary:
    """A package, and what is known of it; None where it is gone or damaged.

    recipe: its name and the values that were changed of it. data: the source. accuracy: on the validation part, 0–1, of
    its judged twin where it is refitted. calibration_error: expected, 0–1. size: bytes. created: ISO 8601.
    cascade: of a package with a first reader.
    """

    package: Artifact
    champion: bool
    reigns: list[Reign]
    recipe: str | None = None
    data: str | None = None
    accuracy: float | None = None
    calibration_error: float | None = None
    cascade: Cascade | None = None
    size: int | None = None
    created: str | None = None
    refitted: bool = False


def package_summaries(store: Store) -> list[PackageSummary]:
    """Return every package, newest first. Raises: StoreError if champion.json cannot be read."""
    present, artifacts, reigns_of = champion(store), store.all(), reigns(store)
    evaluations = newest_by_model(artifacts, "evaluation")
    accuracies = {model: evaluation.metrics.get("accuracy") for model, evaluation in evaluations.items()}
    read = functools.cache(lambda name: read_manifest(store.root / name))  # many share their data
    summaries = []
    for package in reversed(artifacts):
        if package.kind == "package":
            is_champion = present is not None and present.package == package.name
            summary = PackageSummary(package, is_champion, reigns_of.get(package.name, []))
            summaries.append(_completed(summary, read, accuracies))
    return summaries


def newest_by_model(artifacts: Iterable[Artifact], kind: Literal["evaluation", "package"]) -> dict[str, Artifact]:
    """Return the newest evaluation or package of each model, by the model's name; damaged ones are none.

    artifacts: of any kind, oldest first.
    """
    newest = {}
    for artifact in artifacts:
        if artifact.kind == kind:
            with contextlib.suppress(*UNREADABLE):
                newest[artifact.manifest().inputs[0]] = artifact
    return newest


def _completed(
    summary: PackageSummary, read: Callable[[str], Manifest], accuracies: Mapping[str, float | None]
) -> PackageSummary:
    """Complete a summary as far as manifests can be read: `digits verify` names those that cannot."""
    from tasks.training import recipes

    with contextlib.suppress(*UNREADABLE):
        manifest = summary.package.manifest()
        metrics = summary.package.measured(PackageMetrics)
        model, prepared, *_ = manifest.inputs
        summary = replace(
            summary,
            accuracy=accuracies.get(model),
            calibration_error=metrics.calibration_of(cascade=True).error_after,
            cascade=metrics.cascade if isinstance(metrics.cascade, Cascade) else None,
            size=manifest.size,
            created=manifest.created,
            refitted=metrics.refitted,
        )
        recipe = read(model).parameters
        summary = replace(summary, recipe=" ".join([recipe["name"], *recipes.changes_of(recipe)]))
        dataset = read(read(prepared).inputs[0])
        summary = replace(summary, data=dataset.source["data"])
    return summary
