"""Whatever is damaged or gone below the store's folder is told, and nothing else."""

import os
import shutil
from pathlib import Path

import pytest

from tasks.errors import StoreError
from tasks.store import Artifact, Store, damage, find_damage
from tests.tasks.trained import Trained, trained


@pytest.fixture
def made(store: Store) -> Trained:
    return trained(store)


def test_nothing_is_told_of_what_was_written_and_of_a_persons_files(store: Store, made: Trained) -> None:
    (store.root / "README.md").write_text("mine")
    (store.root / "notes" / "mine").mkdir(parents=True)
    (store.root / "package" / "README.md").write_text("mine")
    assert list(find_damage(store)) == []


def test_a_package_whose_manifest_is_gone_is_told(store: Store, made: Trained) -> None:
    (made.package.path / "manifest.json").unlink()
    (line,) = find_damage(store)
    assert line.startswith(f"{made.package.name}: {made.package.path}/manifest.json: the manifest cannot be read; ")
    assert "received No such file or directory" in line


def test_what_refers_to_an_artifact_that_is_gone_is_told(store: Store, made: Trained) -> None:
    shutil.rmtree(made.model.path)
    assert sorted(find_damage(store)) == [
        f"{made.evaluation.name}: refers to {made.model.name}, which is gone",
        f"{made.package.name}: refers to {made.model.name}, which is gone",
    ]


def test_a_refitted_model_whose_judged_twin_is_gone_is_told(store: Store) -> None:
    twin = trained(store, seed=1).model
    metrics = {"judged": twin.name, "note": "as/good as it gets"}
    model = store.make("model", lambda draft: metrics, code="tasks.data.digits", parameters={"refit": True})
    assert list(find_damage(store)) == []
    shutil.rmtree(twin.path)
    assert f"{model.name}: refers to {twin.name}, which is gone" in list(find_damage(store))


def test_a_manifest_that_cannot_be_read_is_told_and_not_taken_for_gone(store: Store, made: Trained) -> None:
    path = made.package.path / "manifest.json"
    path.unlink()
    path.symlink_to(path)
    (line,) = find_damage(store)
    assert line.startswith(f"{made.package.name}: {path}: the manifest cannot be read; received Too many levels")
    assert made.package in store.all()


def test_a_file_that_cannot_be_read_is_told(made: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made.package.path / "float32.tflite"

    def refuse(self: Path, *arguments: object, **options: object) -> object:
        raise OSError(5, "Input/output error", str(self))

    manifest = made.package.manifest()
    monkeypatch.setattr(Artifact, "manifest", lambda self: manifest)
    monkeypatch.setattr(Path, "open", refuse)
    assert damage(made.package) == [f"{path}: cannot be read: Input/output error"]


def test_a_kind_that_cannot_be_listed_is_told_and_never_taken_for_empty(
    store: Store, made: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = os.listdir

    def refuse(path: str | Path) -> list[str]:
        if Path(path).name == "package":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "listdir", refuse)
    for call in (store.all, lambda: list(find_damage(store)), lambda: store.get(made.package.id)):
        with pytest.raises(StoreError, match="package: the folder cannot be read; received Permission denied"):
            call()
