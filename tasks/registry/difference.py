"""What lies between two models: parameters, data, metrics, and the validation images that they answer differently.

A model's answers are those of its evaluation; of a refitted one they are its judged twin's. Where the two were judged
on different splits, the images that both were judged on count.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks import registry
from tasks.data import digits
from tasks.data.digits import Digits
from tasks.errors import StoreError, UsageError
from tasks.judging import answers
from tasks.judging.answers import Answers
from tasks.judging.statistics import Paired, mcnemar
from tasks.reports import sheets
from tasks.reports.sheets import Tile
from tasks.store import Artifact, Store, lineage
from tasks.words import flat

SHOWN = 200  # images at most, so that a sheet can still be looked through
RESOLVED = ("package", "model", "evaluation")


@dataclass(frozen=True)
class Side:
    """One of the two: the model, its newest evaluation, what both were made from, and its newest package."""

    model: Artifact
    evaluation: Artifact
    prepared: Artifact
    dataset: Artifact
    package: Artifact | None


@dataclass(frozen=True)
class Change:
    """A value that is not the same; None where one side has no such value."""

    name: str
    first: Any
    second: Any


@dataclass(frozen=True)
class Disagreements:
    """k images that are answered differently.

    images: the digits, with their labels. first, second: the answers, uint8 (k,).
    """

    images: Digits
    first: np.ndarray
    second: np.ndarray


@dataclass(frozen=True)
class Difference:
    """Everything between two sides.

    compared: images that both were judged on. paired: of these, how many only the one reads right.
    """

    first: Side
    second: Side
    parameters: list[Change]
    data: list[Change]
    metrics: list[Change]
    compared: int
    paired: Paired
    disagreements: Disagreements


def between(store: Store, first: str, second: str) -> Difference:
    """The difference of two models, each named by its id or that of a package or evaluation of it.

    Raises: StoreError if one is not there or was not evaluated; UsageError for the id of something else.
    """
    one, two = side(store, first), side(store, second)
    images, ours, theirs = _judged_by_both(one, two)
    apart = ours.labels != theirs.labels
    return Difference(
        first=one,
        second=two,
        parameters=_changes(one.model.manifest().parameters, two.model.manifest().parameters),
        data=_changes(_data(one), _data(two)),
        metrics=_changes(_metrics(one), _metrics(two)),
        compared=len(images),
        paired=mcnemar(ours.right, theirs.right),
        disagreements=Disagreements(images[apart], ours.labels[apart], theirs.labels[apart]),
    )


def side(store: Store, name: str) -> Side:
    """What belongs to a model that is named as for `between`. Raises: StoreError, UsageError."""
    given = store.get(name)
    if given.kind not in RESOLVED:
        raise UsageError(
            "this cannot be compared", expected="the id of a package, a model or an evaluation", received=given.name
        )
    model = given if given.kind == "model" else store.get(given.manifest().inputs[0])
    found = store.all()
    evaluation = given if given.kind == "evaluation" else registry.by_model(found, "evaluation").get(model.name)
    if evaluation is None:
        raise StoreError(
            f"{model.name} was never evaluated",
            expected="an evaluation, whose answers can be compared",
            remedy="run its recipe again by `digits run`; `digits show` tells which",
        )
    ancestors = {one.kind: one for one in lineage(store, evaluation).values() if one}
    if not {"prepared", "dataset"} <= ancestors.keys():
        raise StoreError(f"the data that {model.name} was judged on are gone", remedy="run its recipe again")
    return Side(
        model=model,
        evaluation=evaluation,
        prepared=ancestors["prepared"],
        dataset=ancestors["dataset"],
        package=given if given.kind == "package" else registry.by_model(found, "package").get(model.name),
    )


def draw(found: Disagreements, path: Path, names: tuple[str, str]) -> None:
    """A PNG of the images with the truth and both answers, at most SHOWN, those first that only one reads right.

    names: what the two models are called. The line catches the eye where only the second is wrong. The file bears its
    name when it is whole. Raises: StoreError if it cannot be written.
    """
    draft = path.with_name(f".{path.stem}.{os.getpid()}.png")
    try:
        sheets.write(draft, list(_tiles(found, names)))
        draft.replace(path)
    except OSError as error:
        raise StoreError(
            "the picture cannot be written",
            file=str(path),
            received=error.strerror or str(error),
            remedy="name another path by --output",
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def _tiles(found: Disagreements, names: tuple[str, str]) -> Iterator[Tile]:
    truth = found.images.known_labels
    right = np.stack([found.first == truth, found.second == truth])
    # First what the second has lost, then what it has gained, then what neither reads.
    order = np.argsort(np.where(right[0], 0, np.where(right[1], 1, 2)), kind="stable")[:SHOWN]
    for row in order:
        yield Tile(
            pictures=[found.images.images[row]],
            line=f"{truth[row]}: {names[0][:6]} {found.first[row]}, {names[1][:6]} {found.second[row]}",
            name=f"id {found.images.ids[row]}",
            alert=bool(right[0][row]),
        )


def _judged_by_both(one: Side, two: Side) -> tuple[Digits, Answers, Answers]:
    """The images that both have answered, and their answers, in the same order."""
    images, ours = _answered(one)
    if one.prepared == two.prepared:
        return images, ours, _answered(two)[1]
    others, theirs = _answered(two)
    # Of copies within a part the first stands for all.
    _, rows, other_rows = np.intersect1d(
        digits.fingerprints(images.images), digits.fingerprints(others.images), return_indices=True
    )
    other_rows = other_rows[rows.argsort()]
    rows = np.sort(rows)
    return images[rows], _some(ours, rows), _some(theirs, other_rows)


def _answered(one: Side) -> tuple[Digits, Answers]:
    given = answers.read(one.evaluation.file("answers.parquet"))
    images = digits.read(one.prepared.file("validation.parquet"))
    return images, given


def _some(given: Answers, rows: np.ndarray) -> Answers:
    return Answers(given.ids[rows], given.truth[rows], given.probabilities[rows])


def _data(one: Side) -> dict[str, Any]:
    source = one.dataset.manifest().source
    files = {Path(file["path"]).name: f"sha256 {file['sha256'][:12]}" for file in source.get("files", [])}
    return {
        "source": source.get("data"),
        "file": files,
        "dataset": one.dataset.id,
        "prepared": one.prepared.id,
        "split": one.prepared.manifest().parameters,
        "rows": one.prepared.metrics,
    }


def _metrics(one: Side) -> dict[str, Any]:
    """Figures of evaluation, model and package; not what is a table, which would hide them."""
    found = {"evaluation": one.evaluation.metrics, "model": one.model.metrics}
    if one.package:
        found["package"] = one.package.metrics | {"bytes": one.package.manifest().size}
    return {
        f"{kind}.{name}": value
        for kind, metrics in found.items()
        for name, value in flat(metrics)
        if isinstance(value, str | int | float) and not name.startswith("judged")
    }


def _changes(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Change]:
    """In the first's order; what only the second has comes last."""
    one, two = dict(flat(first)), dict(flat(second))
    return [Change(name, one.get(name), two.get(name)) for name in {**one, **two} if one.get(name) != two.get(name)]
