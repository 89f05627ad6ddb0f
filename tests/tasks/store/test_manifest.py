"""A manifest says what was written: no value of it can be changed, lost or misread without being told."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import StoreError
from tasks.store import Artifact, Store, damage, lineage


@pytest.fixture
def artifact(store: Store) -> Artifact:
    return store.make("package", lambda draft: {"temperature": 1.5}, code="tasks.data.digits", parameters={"a": 1})


def changed(**values: Any) -> Callable[[bytes], bytes]:
    return lambda content: json.dumps(json.loads(content) | values, indent=2).encode()


DAMAGES = {
    "empty": (lambda content: b"", "the manifest cannot be read; received Invalid JSON: EOF"),
    "cut short": (lambda content: content[:-40], "the manifest cannot be read; received Invalid JSON"),
    "not UTF-8": (lambda content: content.replace(b"package", b"p\xff", 1), "received Invalid JSON"),
    "nested deeply": (
        lambda content: content.replace(b"1.5", b"[" * 100_000 + b"]" * 100_000),
        "received Invalid JSON: recursion limit exceeded",
    ),
    "a list": (lambda content: b"[]", "expected an object; received []"),
    "null metrics": (changed(metrics=None), "expected an object as metrics; received None"),
    "null files": (changed(files=None), "expected an object as files; received None"),
    "inputs that are no names": (changed(inputs=[7]), "expected a valid string as inputs.0; received 7"),
    "no zone": (changed(created="2026-01-01T00:00:00"), "the manifest is not what was written"),
    "another temperature": (lambda content: content.replace(b"1.5", b"0.0"), "the manifest is not what was written"),
    "no digest": (lambda content: content.rpartition(b",\n")[0] + b"\n}\n", "the manifest is not what was written"),
    "a blank more": (lambda content: content + b" ", "the manifest is not what was written"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_of_any_kind_is_told_with_the_file(artifact: Artifact, name: str) -> None:
    change, message = DAMAGES[name]
    path = artifact.path / "manifest.json"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(StoreError) as refusal:
        artifact.manifest()
    assert str(refusal.value).startswith(f"{path}: the manifest ")
    assert message in str(refusal.value)
    assert damage(artifact) == [str(refusal.value)]


def test_a_change_of_any_letter_is_noticed(artifact: Artifact) -> None:
    path = artifact.path / "manifest.json"
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(StoreError):
            artifact.manifest()


def test_the_manifest_of_another_artifact_is_none(store: Store, artifact: Artifact) -> None:
    other = store.make("package", lambda draft: {}, code="tasks.data.digits", parameters={"a": 2})
    (artifact.path / "manifest.json").write_bytes((other.path / "manifest.json").read_bytes())
    with pytest.raises(StoreError, match=f"is not what was written; expected that of {artifact.name}, with"):
        artifact.manifest()


def test_a_folder_that_cannot_be_read_is_told(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(StoreError, match=r"manifest\.json: the manifest cannot be read; received Permission denied"):
        artifact.manifest()


def test_lineage_tells_a_damaged_manifest_on_the_way(store: Store, artifact: Artifact) -> None:
    heir = store.make("scores", lambda draft: {}, code="tasks.data.digits", parameters={}, inputs=[artifact])
    (artifact.path / "manifest.json").write_text("null")
    with pytest.raises(StoreError, match=f"{artifact.path}/manifest.json: the manifest cannot be read"):
        lineage(store, heir)


def test_a_name_that_is_no_utf_8_stands_in_a_manifest_as_python_shows_it(store: Store) -> None:
    source = {"data": "tr\udcffin.csv", "because": "größer\u2028"}
    made = store.make("dataset", lambda draft: {}, code="tasks.data.digits", parameters={}, source=source)
    assert made.manifest().source == {"data": "tr\\udcffin.csv", "because": "größer\u2028"}
