"""Odd JSON: manifests, the log of decisions, and recipes."""

import contextlib
import json
import re
from random import Random
from typing import Any

from tasks import registry
from tasks.data.metrics import DatasetMetrics, PreparedMetrics
from tasks.errors import DataError, DigitsError
from tasks.judging.evaluation import Evaluation
from tasks.models.fitted import ModelMetrics
from tasks.models.packaged import PackageMetrics
from tasks.registry import garbage
from tasks.registry.decisions import LOG, POINTER
from tasks.store import MANIFEST, damage, find_damage, lineage
from tasks.store.manifest import _with_digest
from tasks.training import recipes
from tests.odd_inputs.cases import Case, WrongError, mutated

ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    0.5,
    1e999,
    float("nan"),
    2**63,
    10**400,
    "",
    "x",
    "\ud800",
    "../..",
    "package/0123456789ab",
    [],
    {},
)
FORMS: dict[str, type] = {
    "dataset": DatasetMetrics,
    "prepared": PreparedMetrics,
    "model": ModelMetrics,
    "evaluation": Evaluation,
    "package": PackageMetrics,
}


def changed_json(content: bytes, random: Random) -> bytes:
    """Return JSON after a change of its bytes, or of one of its values, wherever that stands."""
    if random.random() < 0.3:
        return mutated(content, random)
    whole = [json.loads(content)]
    places: list[tuple[Any, Any]] = [(whole, 0)]
    for container, key in places:  # which grows on the way
        value = container[key]
        if isinstance(value, dict | list):
            places += [(value, inner) for inner in (value if isinstance(value, dict) else range(len(value)))]
    container, key = random.choice(places)
    value = container[key]
    match random.randrange(6):
        case 0 if len(places) > 1 and container is not whole:
            del container[key]
        case 1 if isinstance(container, dict):
            container["more"] = value
        case 2:
            container[key] = [value]
        case 3:
            container[key] = "NEST"
        case _:
            container[key] = random.choice(ODD)
    depth = random.choice((3, 500, 100_000))
    return json.dumps(whole[0], indent=2).replace('"NEST"', "[" * depth + "]" * depth).encode()


def fuzz_manifest(case: Case) -> None:
    """Damage a file of a store, and use the store."""
    artifact = case.random.choice([artifact for artifact in case.small.all() if artifact.kind in FORMS])
    manifest = artifact.path / MANIFEST
    files = [artifact.path / name for name in artifact.manifest().files]
    path = case.random.choice([manifest, manifest, *files, case.small.root / POINTER, case.small.root / LOG])
    whole = path.read_bytes()
    content = (changed_json if path.suffix == ".json" else mutated)(whole, case.random)
    renewed = path == manifest and case.random.random() < 0.5
    if renewed:  # as whoever changes it on purpose might do
        content = _with_digest(re.sub(rb',\n  "digest": "[^"]*"|\n}\n?$', b"", content))
        with contextlib.suppress(ValueError, RecursionError, AttributeError):
            # What has no type: whoever forges a manifest may put into these what no reader expects.
            if any(
                json.loads(content).get(name) != json.loads(whole)[name] for name in ("parameters", "source", "inputs")
            ):
                raise DataError("a forged manifest is no case")
    path.write_bytes(content)
    try:
        lines = damage(artifact)
        if content != whole and path in (manifest, *files) and not renewed and not lines:
            raise WrongError("damaged, and not noticed")
        list(find_damage(case.small))
        registry.damage(case.small)
        for look in (registry.package_summaries, registry.reigns, registry.champion_package, garbage.find):
            with contextlib.suppress(DigitsError):
                look(case.small)
        lineage(case.small, artifact)
        artifact.measured(FORMS[artifact.kind])
        for file in artifact.manifest().files:
            artifact.file(file)
        if lines and path in (manifest, *files) and not renewed:
            raise WrongError(f"damaged, and used: {lines[0]}")
    finally:
        path.write_bytes(whole)


def fuzz_recipe(case: Case) -> None:
    values = case.random.choice(list(recipes.RECIPES.values())).as_parameters() | {"name": "mine"}
    path = case.write("mine.json", changed_json(json.dumps(values).encode(), case.random))
    recipe = recipes.flat(recipes.find(str(path)).as_parameters())
    values = json.loads(path.read_bytes())
    for name, value in (values | values.get("augmentation", {})).items():
        low, high = recipes.RANGES.get(name, (0, 0))
        if name in recipes.RANGES and not (low <= value <= high and value == recipe[name]):
            raise WrongError(f"{name}: {value!r} is read as {recipe[name]!r}")
