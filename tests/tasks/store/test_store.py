"""Artifacts are written once and whole, are found again, and say where they come from."""

import multiprocessing
import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from tasks.errors import StoreError
from tasks.store import Artifact, Draft, Store, damage, lineage
from tasks.store.provenance import versions


def make(store: Store, text: str = "hello", fresh: bool = False, inputs: tuple[Artifact, ...] = ()) -> Artifact:
    def build(draft: Draft) -> dict[str, object]:
        (draft.folder / "inner").mkdir()
        (draft.folder / "inner" / "words.txt").write_text(text)
        return {"words": 1}

    return store.make("dataset", build, code="tasks.data.digits", parameters={"text": text}, inputs=inputs, fresh=fresh)


def test_the_same_work_is_found_and_not_done_again(store: Store) -> None:
    first, again = make(store), make(store)
    assert (first, first.reused, again.reused) == (again, False, True)
    assert len(store.all()) == 1


def test_what_is_found_says_with_what_other_versions_it_was_made(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "tasks")
    artifact = make(store)
    make(store)
    monkeypatch.setattr(
        "tasks.store.store.versions", lambda: versions() | {"tensorflow": "9.9.0", "numpy": "8.0", "prefect": "7"}
    )
    make(store)
    made = versions()
    assert [record.getMessage() for record in caplog.records] == [
        f"{artifact.name}: found, nothing to do",
        f"{artifact.name}: found, nothing to do; made with tensorflow {made['tensorflow']} (now 9.9.0), "
        f"numpy {made['numpy']} (now 8.0)",
    ]


def test_other_parameters_make_another_artifact(store: Store) -> None:
    assert make(store, "hello").id != make(store, "other").id


def test_other_inputs_make_another_artifact(store: Store) -> None:
    origin = make(store, "origin")
    assert make(store).id != make(store, inputs=(origin,)).id


def test_fresh_makes_a_new_artifact_that_is_found_from_then_on(store: Store) -> None:
    first, second, third = make(store), make(store, fresh=True), make(store, fresh=True)
    assert [second.id, third.id] == [f"{first.id}-2", f"{first.id}-3"]
    assert make(store) == third
    assert damage(first) == damage(third) == []


def test_the_manifest_names_what_made_the_artifact(store: Store) -> None:
    origin = make(store, "origin")
    manifest = make(store, inputs=(origin,)).manifest()
    assert manifest.inputs == [origin.name]
    assert manifest.parameters == {"text": "hello"}
    assert manifest.metrics == {"words": 1}
    assert manifest.files["inner/words.txt"].bytes == len("hello")
    assert set(manifest.seconds) == {"wall", "cpu"}
    assert "numpy" in manifest.versions


def test_a_failed_build_leaves_no_trace(store: Store) -> None:
    def build(draft: Draft) -> dict[str, object]:
        (draft.folder / "half.txt").write_text("half")
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        store.make("dataset", build, code="tasks.data.digits", parameters={})
    assert [path for path in store.root.rglob("*") if path.is_file()] == []


def test_a_folder_without_a_manifest_does_not_exist(store: Store) -> None:
    artifact = make(store)
    (artifact.path / "manifest.json").unlink()
    assert store.all() == []
    assert store.find(artifact.name) is None


@pytest.mark.parametrize("ending", ["-old", ".bak"])
def test_a_copy_beside_an_artifact_is_not_taken_for_it(store: Store, ending: str) -> None:
    artifact = make(store)
    shutil.copytree(artifact.path, artifact.path.with_name(f"{artifact.id}{ending}"))
    assert make(store) == artifact
    assert make(store, fresh=True).id == f"{artifact.id}-2"


def test_a_folder_that_lost_its_manifest_does_not_stand_in_the_way(store: Store) -> None:
    artifact = make(store)
    (artifact.path / "manifest.json").unlink()
    assert damage(make(store)) == []
    assert len(store.all()) == 1


def test_a_file_is_given_only_while_it_is_what_was_written(store: Store) -> None:
    artifact = make(store)
    assert artifact.file("inner/words.txt").read_text() == "hello"
    (artifact.path / "inner" / "words.txt").write_text("jello")
    with pytest.raises(
        StoreError, match=r"words.txt: the file is not what was written; expected sha256 2cf24.*put it back"
    ):
        artifact.file("inner/words.txt")
    with pytest.raises(StoreError, match="expected a file that the manifest names; received no file"):
        artifact.file("other.txt")


def killed_in_the_middle(root: Path) -> None:
    def build(draft: Draft) -> dict[str, object]:
        (draft.folder / "half.txt").write_text("half")
        (draft.scratch).mkdir(parents=True)
        (draft.scratch / "checkpoint").write_text("epoch 3")
        os.kill(os.getpid(), signal.SIGKILL)
        return {}

    Store(root).make("model", build, code="tasks.data.digits", parameters={})


def test_what_a_killed_process_left_is_swept_and_its_checkpoint_kept(store: Store) -> None:
    process = multiprocessing.get_context("fork").Process(target=killed_in_the_middle, args=(store.root,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert store.all() == []
    assert len(list((store.root / ".drafts").iterdir())) == 1

    def build(draft: Draft) -> dict[str, object]:
        return {"resumed": (draft.scratch / "checkpoint").read_text()}

    artifact = store.make("model", build, code="tasks.data.digits", parameters={})
    assert artifact.metrics == {"resumed": "epoch 3"}
    assert list((store.root / ".drafts").iterdir()) == []
    assert list((store.root / ".scratch").iterdir()) == []


def test_two_runs_of_the_same_work_share_no_checkpoint(store: Store) -> None:
    scratches = []

    def build(draft: Draft) -> dict[str, object]:
        draft.scratch.mkdir(parents=True)
        scratches.append(draft.scratch)
        if len(scratches) == 1:
            store.make("model", build, code="tasks.data.digits", parameters={})
        return {}

    store.make("model", build, code="tasks.data.digits", parameters={})
    assert len(set(scratches)) == 2
    assert list((store.root / ".scratch").iterdir()) == []


@pytest.mark.parametrize("fresh", [False, True])
def test_two_runs_at_once_publish_once(store: Store, fresh: bool) -> None:
    published = [make(store)] if fresh else []

    def build(draft: Draft) -> dict[str, object]:
        if len(published) == fresh:  # the other run starts after this one and is done before it
            published.append(make(store, fresh=fresh))
        return {}

    artifact = store.make("dataset", build, code="tasks.data.digits", parameters={"text": "hello"}, fresh=fresh)
    assert artifact == published[-1]
    assert store.all() == published
    assert damage(artifact) == []


def test_damage_names_the_file(store: Store) -> None:
    artifact = make(store)
    (artifact.path / "inner" / "words.txt").write_text("jello")
    (artifact.path / "extra.txt").write_text("new")
    path, recorded = artifact.path / "inner" / "words.txt", artifact.manifest().files["inner/words.txt"].sha256
    assert damage(artifact) == [
        f"{path}: damaged; a copy restores it whose sha256 is {recorded}",
        f"{artifact.path}/extra.txt: not recorded in the manifest",
    ]
    (artifact.path / "inner" / "words.txt").unlink()
    assert damage(artifact)[0] == f"{path}: missing; a copy restores it whose sha256 is {recorded}"


def test_lineage_goes_up_to_the_first_and_tells_what_is_gone(store: Store) -> None:
    first = make(store, "first")
    second = make(store, "second", inputs=(first,))
    third = make(store, "third", inputs=(second, first))
    assert lineage(store, third) == {second.name: second, first.name: first}
    (first.path / "manifest.json").unlink()
    assert lineage(store, third) == {second.name: second, first.name: None}


def test_an_artifact_is_got_by_id_name_or_beginning(store: Store) -> None:
    artifact = make(store)
    assert store.get(artifact.id) == store.get(artifact.name) == store.get(artifact.id[:5]) == artifact
    redone = make(store, fresh=True)
    assert store.get(artifact.id) == artifact
    with pytest.raises(StoreError, match=f"fits several artifacts: dataset/{artifact.id}, {redone.name}"):
        store.get(artifact.id[:5])
    with pytest.raises(StoreError, match="there is no artifact 'zzzz'; to go on, see `digits artifacts`"):
        store.get("zzzz")


@pytest.mark.parametrize("name", ["", "dataset/", "{id:.3}", "dataset/{id:.3}"])
def test_fewer_than_four_letters_are_no_id(store: Store, name: str) -> None:
    name = name.format(id=make(store).id)
    with pytest.raises(StoreError) as error:
        store.get(name)
    assert str(error.value) == (
        f"{name!r} is too short for an id; expected at least four letters of it; "
        "to go on, see `digits artifacts` for those there are"
    )


def test_an_unwritable_folder_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "artifacts").write_text("a file is in the way")
    with pytest.raises(StoreError) as told:
        make(Store(tmp_path / "artifacts"))
    assert "the artifacts folder cannot be written; received Not a directory; to go on, free space" in str(told.value)


@dataclass(frozen=True)
class Half:
    share: float
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Whole:
    half: Half
    name: str | None


def test_metrics_are_read_again_as_the_dataclass_that_was_given(store: Store) -> None:
    metrics = Whole(Half(0.5, (1, 2)), None)
    made = store.make("thing", lambda draft: metrics, code="tasks.data.digits", parameters={})
    assert made.metrics == {"half": {"share": 0.5, "counts": [1, 2]}, "name": None}
    assert made.measured(Whole) == metrics


def test_metrics_of_another_form_are_told_with_their_place(store: Store) -> None:
    made = store.make(
        "thing",
        lambda draft: {"half": {"share": "much", "counts": []}, "name": None},
        code="tasks.data.digits",
        parameters={},
    )
    with pytest.raises(
        StoreError,
        match=r"another version of the program has made this, .*; expected a valid number as half\.share",
    ):
        made.measured(Whole)


def test_a_pipe_in_place_of_a_file_is_refused_and_not_waited_for(store: Store) -> None:
    artifact = make(store)
    (artifact.path / "inner/words.txt").unlink()
    os.mkfifo(artifact.path / "inner/words.txt")
    with pytest.raises(StoreError, match=r"words.txt: the file is not what was written; .* received no file"):
        artifact.file("inner/words.txt")
