"""What all tests share: a home of their own, so that nothing is read from or written to the user's."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

# Before any library is imported: each looks at its variables once.
_HOME = Path(tempfile.mkdtemp(prefix="digitflow-tests-"))
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
os.environ["DIGITS_HOME"] = str(_HOME)
for _name in [name for name in os.environ if name.startswith("PREFECT_")]:
    del os.environ[_name]

from tasks.settings import Settings  # noqa: E402
from tasks.store import Artifact, Store  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what waits for a real server's clock, so that the other tests have the processors meanwhile."""
    items.sort(key=lambda item: item.get_closest_marker("operations") is None)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "artifacts")


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    """Settings of an empty home, whose downloads go nowhere."""
    return Settings(home=tmp_path, mnist_mirrors=())


@dataclass(frozen=True)
class Chain:
    """Every stage's artifact of one quick run on the embedded digits; the model has seen each image twice.

    weaker: a model of the same data that has learned next to nothing. cascade: a package in which the model is its own
    first reader, and answers what it is sure of. Tests may add to the store, not change it.
    """

    store: Store
    here: Settings
    dataset: Artifact
    validation: Artifact
    prepared: Artifact
    model: Artifact
    weaker: Artifact
    evaluation: Artifact
    package: Artifact
    cascade: Artifact


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return made_chain(made_once(tmp_path_factory, "chain", made_chain))


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder of one's own: of pytest-xdist's processes the first makes it, and the others take a copy."""
    own, shared = factory.mktemp(name) / name, shared_folder(factory) / f"{name}-of-all"
    with FileLock(f"{shared}.lock"):
        if not shared.exists():
            make(shared)
        shutil.copytree(shared, own)
    return own


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """The folder of this call of pytest, which all processes of pytest-xdist have in common."""
    own = factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def made_chain(home: Path) -> Chain:
    """The stages' plain functions, one after the other, for real; what is there already is found."""
    from tasks.evaluate import evaluate
    from tasks.fit import fit
    from tasks.ingest import ingest
    from tasks.package import package
    from tasks.prepare import prepare
    from tasks.training import recipes
    from tasks.validate import validate

    here = Settings(home=home)
    store = Store(here.artifacts)
    dataset = ingest(store, "sample", here)
    validation = validate(store, dataset)
    prepared = prepare(store, dataset, validation)
    model = fit(store, prepared, recipes.find("fast", ["epochs=2", "min_shown=0"]))
    weaker = fit(store, prepared, recipes.find("mlp-relu", ["epochs=1", "batch=4096", "learning_rate=1e-4"]))
    return Chain(
        store=store,
        here=here,
        dataset=dataset,
        validation=validation,
        prepared=prepared,
        model=model,
        weaker=weaker,
        evaluation=evaluate(store, model, prepared),
        package=package(store, model, prepared),
        cascade=package(store, model, prepared, model),
    )
