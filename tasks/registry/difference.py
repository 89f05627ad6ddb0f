"""The difference of two models: parameters, data, metrics, and the validation images that they answer differently.

A model's answers are those of its evaluation; of a refitted one they are its judged twin's. Where the two were judged
on different splits, the images that both were judged on count.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

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
from tasks.store import Artifact, Store, nearest
from tasks.store.files import written_whole
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
class DifferingValue:
    """A value that is not the same on both sides; None where one side has no such value."""

    name: str
    first: Any
    second: Any


@dataclass(frozen=True)
class Disagreements:
    """The k images that are answered differently.

    images: the digits, with their labels. first, second: the answers, uint8 (k,).
    """

    images: Digits
    first: np.ndarray
    second: np.ndarray


@dataclass(frozen=True)
class Difference:
    """Everything that differs between two sides.

    compared: images that both were judged on. paired: how many of these only one of the two reads right.
    """

    first: Side
    second: Side
    parameters: list[DifferingValue]
    data: list[DifferingValue]
    metrics: list[DifferingValue]
    compared: int
    paired: Paired
    disagreements: Disagreements


def between(store: Store, first: str, second: str) -> Difference:
    """Compare two models, each named by its id or that of a package or evaluation of it.

    Raises: StoreError if one is not there or was not evaluated; UsageError for the id of something else.
    """
    left, right = side(store, first), side(store, second)
    images, left_answers, right_answers = _judged_by_both(left, right)
    apart = left_answers.labels != right_answers.labels
    return Difference(
        first=left,
        second=right,
        parameters=_differing(left.model.manifest().parameters, right.model.manifest().parameters),
        data=_differing(_data(left), _data(right)),
        metrics=_differing(_metrics(left), _metrics(right)),
        compared=len(images),
        paired=mcnemar(left_answers.right, right_answers.right),
        disagreements=Disagreements(images[apart], left_answers.labels[apart], right_answers.labels[apart]),
    )


def side(store: Store, name: str) -> Side:
    """Return all that belongs to a model, which is named as for `between`. Raises: StoreError, UsageError."""
    named = store.get(name)
    if named.kind not in RESOLVED:
        raise UsageError(
            "this cannot be compared", expected="the id of a package, a model or an evaluation", received=named.name
        )
    model = named if named.kind == "model" else store.get(named.manifest().inputs[0])
    evaluation = named if named.kind == "evaluation" else _newest(store, "evaluation", model)
    if evaluation is None:
        raise StoreError(
            f"{model.name} was never evaluated",
            expected="an evaluation, whose answers can be compared",
            remedy="run its recipe again by `digits run`; `digits show` tells which",
        )
    ancestors = nearest(store, evaluation)
    if not {"prepared", "dataset"} <= ancestors.keys():
        raise StoreError(f"the data that {model.name} was judged on are gone", remedy="run its recipe again")
    return Side(
        model=model,
        evaluation=evaluation,
        prepared=ancestors["prepared"],
        dataset=ancestors["dataset"],
        package=named if named.kind == "package" else _newest(store, "package", model),
    )


def _newest(store: Store, kind: Literal["evaluation", "package"], model: Artifact) -> Artifact | None:
    return registry.newest_by_model(store.all(), kind).get(model.name)


def draw(disagreements: Disagreements, path: Path, names: tuple[str, str]) -> None:
    """Draw the images with the truth and both answers as a PNG, at most SHOWN, those first that only one reads right.

    names: of the two models. The line is red where only the second is wrong.
    Raises: StoreError if the file cannot be written.
    """
    try:
        with written_whole(path) as file:
            sheets.write(file, list(_tiles(disagreements, names)))
    except OSError as error:
        raise StoreError(
            "the picture cannot be written",
            file=str(path),
            received=error.strerror or str(error),
            remedy="name another path by --output",
        ) from error


def _tiles(disagreements: Disagreements, names: tuple[str, str]) -> Iterator[Tile]:
    digits, first, second = disagreements.images, disagreements.first, disagreements.second
    truth = digits.known_labels
    # First what the second has lost, then what it has gained, then what neither reads.
    rank = np.select([first == truth, second == truth], [0, 1], default=2)
    for row in rank.argsort(kind="stable")[:SHOWN]:
        yield Tile(
            pictures=[digits.images[row]],
            line=f"{truth[row]}: {names[0][:6]} {first[row]}, {names[1][:6]} {second[row]}",
            name=f"id {digits.ids[row]}",
            alert=bool(rank[row] == 0),
        )


def _judged_by_both(first: Side, second: Side) -> tuple[Digits, Answers, Answers]:
    """Return the images that both have answered, and the answers of both, in the same order."""
    images, answered = _answered(first)
    others, others_answered = _answered(second)
    if first.prepared == second.prepared:
        return images, answered, others_answered
    # Of copies within a part the first stands for all.
    _, rows, other_rows = np.intersect1d(
        digits.fingerprints(images.images), digits.fingerprints(others.images), return_indices=True
    )
    other_rows = other_rows[rows.argsort()]
    rows = np.sort(rows)
    return images[rows], _at_rows(answered, rows), _at_rows(others_answered, other_rows)


def _answered(side: Side) -> tuple[Digits, Answers]:
    images = digits.read(side.prepared.file("validation.parquet"))
    return images, answers.read(side.evaluation.file("answers.parquet"))


def _at_rows(whole: Answers, rows: np.ndarray) -> Answers:
    return Answers(whole.ids[rows], whole.truth[rows], whole.probabilities[rows])


def _data(side: Side) -> dict[str, Any]:
    source = side.dataset.manifest().source
    files = {Path(file["path"]).name: f"sha256 {file['sha256'][:12]}" for file in source.get("files", [])}
    return {
        "source": source.get("data"),
        "file": files,
        "dataset": side.dataset.id,
        "prepared": side.prepared.id,
        "split": side.prepared.manifest().parameters,
        "rows": side.prepared.metrics,
    }


def _metrics(side: Side) -> dict[str, Any]:
    """Return the figures of evaluation, model and package; no tables, which would hide them."""
    by_kind = {"evaluation": side.evaluation.metrics, "model": side.model.metrics}
    if side.package:
        by_kind["package"] = side.package.metrics | {"bytes": side.package.manifest().size}
    return {
        f"{kind}.{name}": value
        for kind, metrics in by_kind.items()
        for name, value in flat(metrics)
        if isinstance(value, str | int | float) and not name.startswith("judged")
    }


def _differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[DifferingValue]:
    """Return the values that differ, in the first's order; what only the second has comes last."""
    left, right = dict(flat(first)), dict(flat(second))
    values = [DifferingValue(name, left.get(name), right.get(name)) for name in {**left, **right}]
    return [value for value in values if value.first != value.second]
