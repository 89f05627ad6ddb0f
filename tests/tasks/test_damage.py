"""A stage reads from an artifact what was written to it, or nothing."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tasks import registry
from tasks.conclude import conclude
from tasks.errors import StoreError
from tasks.evaluate import evaluate
from tasks.fit import fit
from tasks.package import package
from tasks.prepare import prepare
from tasks.registry import Decision, gate
from tasks.score import score
from tasks.store import Artifact, Store
from tasks.training import recipes
from tasks.validate import validate
from tests.conftest import Chain

FIRST = Decision("package/1", None, True, "it is the first", {}, registry.now())


@pytest.mark.parametrize(
    ("kind", "name", "stage"),
    [
        ("dataset", "rejected.parquet", lambda made: validate(made.store, made.dataset, fresh=True)),
        ("dataset", "train.parquet", lambda made: validate(made.store, made.dataset, fresh=True)),
        ("dataset", "train.parquet", lambda made: prepare(made.store, made.dataset, made.validation, fresh=True)),
        (
            "validation",
            "quarantine.parquet",
            lambda made: prepare(made.store, made.dataset, made.validation, fresh=True),
        ),
        ("prepared", "train.parquet", lambda made: fit(made.store, made.prepared, recipes.find("fast"))),
        ("prepared", "validation.parquet", lambda made: fit(made.store, made.prepared, recipes.find("fast"))),
        ("prepared", "train.parquet", lambda made: evaluate(made.store, made.model, made.prepared, fresh=True)),
        ("model", "history.csv", lambda made: evaluate(made.store, made.model, made.prepared, fresh=True)),
        ("prepared", "train.parquet", lambda made: package(made.store, made.model, made.prepared, fresh=True)),
        ("model", "model.keras", lambda made: package(made.store, made.model, made.prepared, fresh=True)),
        (
            "prepared",
            "validation.parquet",
            lambda made: gate.judge(made.store, made.package, made.package, made.prepared),
        ),
        ("evaluation", "pictures.npz", lambda made: conclude(made.store, made.evaluation, made.package, FIRST)),
        ("prepared", "test.parquet", lambda made: score(made.store, made.package, made.prepared)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_with_a_flipped_bit_is_refused(
    chain: Chain, tmp_path: Path, kind: str, name: str, stage: Callable[[Chain], object]
) -> None:
    copy = _copied(chain, tmp_path)
    artifact = getattr(copy, kind)
    content = bytearray((artifact.path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (artifact.path / name).write_bytes(content)
    with pytest.raises(StoreError, match=f"{kind}/{artifact.id}/{name}: the file is not what was written"):
        stage(copy)


def _copied(chain: Chain, home: Path) -> Chain:
    """Return the same chain in a store of its own, which may be damaged."""
    shutil.copytree(chain.store.root, home / "artifacts")
    store = Store(home / "artifacts")
    parts = {name: store.get(part.name) for name, part in vars(chain).items() if isinstance(part, Artifact)}
    return replace(chain, store=store, **parts)
