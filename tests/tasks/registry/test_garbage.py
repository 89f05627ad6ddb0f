"""What nothing refers to goes; what a champion, a result or a run needs stays."""

import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from filelock import FileLock

from tasks import registry
from tasks.errors import StoreError
from tasks.registry import Decision, garbage
from tasks.registry.garbage import Garbage
from tasks.store import Artifact, Draft, Store, damage, draft_folder, find_damage, lineage
from tests.tasks.trained import Trained, trained

NOBODY = 2**22 + 1  # beyond the largest id that a process has


def later(days: float = 10) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def collect(store: Store, days: float = 10, keep_days: int = 30) -> list[str]:
    return [one.name for one in garbage.remove(store, keep_days=keep_days, now=later(days))]


def crown(store: Store, package: Artifact) -> None:
    registry.record(store, Decision(package.name, None, True, "it is the first", {}, registry.now()))


def names(made: Trained) -> set[str]:
    return {one.name for one in vars(made).values()}


def touched(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x" * 10)
    return path


def test_of_three_runs_the_champion_the_one_before_and_the_newest_stay(store: Store) -> None:
    before, forgotten, champion, newest = (trained(store, seed=seed) for seed in range(4))
    crown(store, before.package)
    crown(store, champion.package)
    gone = collect(store)
    assert set(gone) == {forgotten.model.name, forgotten.evaluation.name, forgotten.package.name}
    assert {one.name for one in store.all()} == names(before) | names(champion) | names(newest)
    assert all(damage(one) == [] and None not in lineage(store, one).values() for one in store.all())
    assert registry.roll_back(store).package == before.package.name


def test_a_package_stays_while_a_run_scores_with_it_however_long_that_takes(store: Store) -> None:
    used, _ = trained(store, seed=1), trained(store, seed=2)
    package = registry.package_of(store, used.package.id)
    with draft_folder(store.root, "standard-input"):
        assert collect(store) == []
    assert package.name in collect(store)


def test_an_artifact_goes_before_what_it_was_made_from(store: Store) -> None:
    forgotten, _ = trained(store, seed=1), trained(store, seed=2)
    gone = collect(store)
    assert gone.index(forgotten.package.name) < gone.index(forgotten.model.name)


def test_a_dry_run_names_the_same_with_their_bytes_and_changes_nothing(store: Store) -> None:
    forgotten, _ = trained(store, seed=1), trained(store, seed=2)
    touched(store.root / ".scratch" / "model-abc" / "weights")
    before = {path: path.stat().st_mtime_ns for path in store.root.rglob("*")}
    found = garbage.find(store, now=later(40))
    assert {path: path.stat().st_mtime_ns for path in store.root.rglob("*")} == before
    files = [path for path in forgotten.package.path.rglob("*") if path.is_file()]
    assert {one.name: one.bytes for one in found}[forgotten.package.name] == sum(one.stat().st_size for one in files)
    assert collect(store, 40) == [one.name for one in found]


def test_what_is_younger_than_a_day_stays(store: Store) -> None:
    trained(store, seed=1), trained(store, seed=2)
    assert collect(store, days=0.9) == []
    assert collect(store, days=1.1) != []


def test_what_a_clock_that_went_backwards_has_put_into_the_future_stays(store: Store) -> None:
    trained(store, seed=1), trained(store, seed=2)
    assert collect(store, days=-3) == []


def test_what_a_run_has_found_and_uses_again_is_young(store: Store) -> None:
    old, newest = trained(store, seed=1), trained(store, seed=2)
    for path in (one.path for one in store.all()):
        os.utime(path, (0, 0))
    made = datetime.now(UTC)
    trained(store, seed=1)  # finds everything, and makes nothing
    assert garbage.find(store, now=made + timedelta(hours=23)) == []
    assert old.model.path.stat().st_mtime > made.timestamp() - 60
    assert newest.model.path.stat().st_mtime == 0


def test_what_one_flow_run_has_made_stays_while_it_goes_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Store(store.root, flow_run="a-run")
    first = trained(run, seed=1)
    # Three days on, the same run has made another model; others have as well.
    monkeypatch.setattr(garbage, "_written", lambda path: later(3 if path == second else 0))
    second = trained(run, seed=2).model.path
    other = trained(store, seed=3)
    trained(store, seed=4)
    gone = {one.name for one in garbage.find(store, now=later(3.5))}
    assert other.model.name in gone
    assert first.model.name not in gone


def test_while_a_work_of_days_goes_on_the_day_counts_from_its_beginning(store: Store) -> None:
    forgotten, _ = trained(store, seed=1), trained(store, seed=2)
    draft = store.root / ".drafts" / f"model-abc@{socket.gethostname()}@{os.getpid()}@1234"
    draft.mkdir(parents=True)
    assert collect(store) == []
    draft.rmdir()
    assert forgotten.model.name in collect(store)


@pytest.mark.parametrize("kind", ["scores", "comparison", "tuning"])
def test_results_stay_for_as_long_as_one_wants_with_what_they_were_made_from(store: Store, kind: str) -> None:
    made, _ = trained(store, seed=1), trained(store, seed=2)
    result = store.make(kind, lambda draft: {}, code="tasks.data.digits", parameters={}, inputs=[made.package])
    assert garbage.find(store, now=later(29)) == []
    assert {one.name for one in garbage.find(store, now=later(31))} >= {result.name, made.package.name}
    assert result.name in collect(store, days=8, keep_days=7)


def test_the_best_model_of_a_tuning_stays_though_its_figures_alone_name_it(store: Store) -> None:
    made, _ = trained(store, seed=1), trained(store, seed=2)
    best = {"model": made.model.name}
    store.make("tuning", lambda draft: best, code="tasks.data.digits", parameters={}, inputs=[made.prepared])
    gone = collect(store)
    assert gone == [made.package.name]


def test_nothing_goes_while_a_manifest_cannot_be_read(store: Store) -> None:
    made = trained(store)
    (made.model.path / "manifest.json").write_text("{")
    with pytest.raises(StoreError, match="the manifest cannot be read"):
        collect(store)
    assert made.package in store.all()


def test_nothing_goes_while_a_champion_has_lost_its_manifest(store: Store) -> None:
    made, _ = trained(store, seed=1), trained(store, seed=2)
    crown(store, made.package)
    (made.package.path / "manifest.json").unlink()
    with pytest.raises(StoreError, match="the manifest cannot be read"):
        collect(store)
    assert made.model in store.all()


def test_what_lies_behind_a_link_is_not_touched(store: Store, tmp_path: Path) -> None:
    """Whoever links to another folder has not given it away."""
    victim = tmp_path / "victim"
    lost = touched(victim / "0123456789ab" / "file.txt")
    for link in ("linkkind", ".scratch", ".drafts"):
        store.root.mkdir(exist_ok=True)
        (store.root / link).symlink_to(victim)
    elsewhere = Store(tmp_path / "elsewhere")
    old = trained(elsewhere, seed=1)
    trained(elsewhere, seed=2)
    (store.root / "model").symlink_to(elsewhere.root / "model")
    assert [item.name for item in garbage.find(store, now=later(400))] == []
    assert collect(store, 400) == []
    assert lost.exists()
    assert damage(old.model) == []


def test_what_is_left_refers_to_nothing_that_is_gone(store: Store) -> None:
    for seed in range(3):
        made = trained(store, seed=seed)
        store.make("scores", lambda draft: {}, code="tasks.data.digits", parameters={}, inputs=[made.package])
        crown(store, made.package) if seed == 1 else None
    assert collect(store, 400) != []
    assert list(find_damage(store)) == []


def test_nothing_goes_while_the_champion_cannot_be_read(store: Store) -> None:
    trained(store, seed=1), trained(store, seed=2)
    (store.root / "champion.json").write_text("{")
    with pytest.raises(StoreError, match="the champion cannot be read"):
        collect(store)
    assert len(store.all()) == 8


def test_what_is_taken_into_use_meanwhile_stays(store: Store) -> None:
    forgotten, _ = trained(store, seed=1), trained(store, seed=2)
    removing = garbage.remove(store, now=later())
    assert next(removing).name == forgotten.package.name
    os.utime(forgotten.model.path, (later().timestamp(), later().timestamp()))
    assert [one.name for one in removing] == [forgotten.evaluation.name]


def test_what_a_kill_leaves_of_a_removal_is_no_artifact_and_is_swept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = trained(store)
    monkeypatch.setattr("tasks.store.store.shutil.rmtree", lambda path, ignore_errors: None)
    store.remove(made.package.path)
    assert store.find(made.package.name) is None
    (left,) = (store.root / ".drafts").iterdir()
    monkeypatch.undo()
    left.rename(str(left).replace(f"@{os.getpid()}@", f"@{NOBODY}@"))
    trained(store, seed=5)
    assert list((store.root / ".drafts").iterdir()) == []


# --- What killed runs have left ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "days"),
    [
        # Can be gone on from.
        (".scratch/model-0123456789ab/checkpoint/latest.weights.h5", 30),
        (".scratch/shards-0123456789ab/part-000-000000.parquet", 30),
        # Cannot.
        (".scratch/model-0123456789ab@12345678/history.csv", 1),
        (f".drafts/model-0123456789ab@{socket.gethostname()}@{NOBODY}@12345678/model.keras", 1),
        (".drafts/model-0123456789ab@another-machine@1@12345678/model.keras", 30),
        (".champion.json.0123abcd.draft", 1),
        ("dataset/0123456789ab-2/train.parquet", 1),
    ],
)
def test_a_leftover_goes_when_nothing_can_go_on_from_it(store: Store, name: str, days: int) -> None:
    path = touched(store.root / name)
    assert collect(store, days - 0.1) == []
    assert path.exists()
    (found,) = garbage.find(store, now=later(days + 0.1))
    assert (found.kind, found.bytes) == ("leftover", 10)
    assert name.startswith(found.name)
    assert collect(store, days + 0.1) == [found.name]
    assert not path.exists()
    assert [path for path in store.root.rglob("*") if path.is_file() and path.name != ".champion.lock"] == []


def test_what_belongs_to_a_person_is_not_touched(store: Store) -> None:
    for name in ("README.md", "notes/mine/idea.txt", "model/README.md", "champions.md"):
        touched(store.root / name)
    assert collect(store, 400) == []


def test_a_checkpoint_that_is_locked_is_not_touched(store: Store) -> None:
    path = touched(store.root / ".scratch" / "model-abc" / "weights")
    with FileLock(store.root / ".scratch" / "model-abc.lock"):
        assert collect(store, 400) == []
    assert collect(store, 400) == [".scratch/model-abc"]
    assert not path.exists()
    assert list((store.root / ".scratch").iterdir()) == []


def test_a_draft_of_a_process_that_lives_is_not_touched(store: Store) -> None:
    def build(draft: Draft) -> dict[str, int]:
        touched(draft.folder / "file.txt")
        assert collect(store, 400) == []
        return {}

    made = store.make("dataset", build, code="tasks.data.digits", parameters={})
    assert damage(made) == []


def test_a_study_goes_with_its_data_but_not_while_somebody_tunes(store: Store) -> None:
    import optuna

    kept = trained(store).prepared
    storage = f"sqlite:///{store.root / 'studies.db'}"
    for name in (f"{kept.name} 12 {{}}", "prepared/gone 12 {}"):
        optuna.create_study(study_name=name, storage=storage)
    with FileLock(store.root / ".studies.db.lock"):
        assert collect(store) == []
    assert collect(store) == ["study prepared/gone 12 {}"]
    assert optuna.get_all_study_names(storage) == [f"{kept.name} 12 {{}}"]


def test_an_empty_store_has_nothing_to_remove(store: Store) -> None:
    found: list[Garbage] = garbage.find(store)
    assert found == []
    assert collect(store) == []
