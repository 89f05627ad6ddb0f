"""The champion is always whole, the log only grows, and a person has the last word."""

import json
from dataclasses import asdict, replace

import pytest

from tasks import registry
from tasks.errors import StoreError
from tasks.registry import Decision, Reign
from tasks.store import Artifact, Store
from tests.tasks.trained import trained


def decision(package: str, promoted: bool = True) -> Decision:
    return Decision(f"package/{package}", None, promoted, "it is the first", {"images": 3}, "2026-01-01T00:00:00+00:00")


@pytest.fixture(autouse=True)
def folder(store: Store) -> None:
    store.root.mkdir(parents=True)


def test_before_the_first_there_is_no_champion(store: Store) -> None:
    assert registry.champion(store) is None
    assert registry.history(store) == []


def test_the_pointer_names_the_last_promoted_and_the_log_has_all(store: Store) -> None:
    decisions = [decision("a"), decision("b"), decision("c", promoted=False)]
    for one in decisions:
        registry.record(store, one)
    assert registry.champion(store) == decisions[1]
    assert registry.history(store) == decisions
    assert not list(store.root.glob("*.draft"))


def test_a_kill_between_pointer_and_log_is_healed_before_the_next_decision(store: Store) -> None:
    registry.record(store, decision("a"))
    (store.root / "champion.json").write_text(json.dumps(decision("b").__dict__))
    with registry.deciding(store):
        assert [past.package for past in registry.history(store)] == ["package/a", "package/b"]


def test_a_torn_line_of_the_log_swallows_no_other(store: Store) -> None:
    registry.record(store, decision("a"))
    with (store.root / "promotions.jsonl").open("a") as log:
        log.write('{"package": "package/to')
    registry.record(store, decision("b"))
    assert [past.package for past in registry.history(store)] == ["package/a", "package/b"]


def test_a_damaged_pointer_is_told_with_the_way_out(store: Store) -> None:
    (store.root / "champion.json").write_text("{")
    with pytest.raises(StoreError, match=r"the champion cannot be read.*put back the last promoted line of promotions"):
        registry.champion(store)


def test_a_champion_whose_package_is_gone_is_told(store: Store) -> None:
    registry.record(store, decision("a"))
    with pytest.raises(StoreError, match="there is no artifact 'package/a'"):
        registry.champion_package(store)


def test_a_full_disk_is_told_and_leaves_the_champion_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.record(store, decision("a"))

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(registry.os, "fsync", full)
    with pytest.raises(StoreError, match="the artifacts folder cannot be written; received No space left on device"):
        registry.record(store, decision("b"))
    assert registry.champion(store) == decision("a")


def test_a_line_of_an_earlier_version_is_read_and_has_its_one_reason(store: Store) -> None:
    line = {key: value for key, value in asdict(decision("a")).items() if key not in ("reasons", "by", "refitted")}
    (store.root / "promotions.jsonl").write_text(json.dumps(line) + "\n")
    (found,) = registry.history(store)
    assert (found, registry.reasons(found)) == (decision("a"), ["it is the first"])
    assert registry.reasons(replace(found, reasons=["one", "two"])) == ["one", "two"]


# --- What a person decides --------------------------------------------------------------------------------------


@pytest.fixture
def packages(store: Store) -> list[Artifact]:
    return [trained(store, seed=seed).package for seed in (1, 2, 3)]


def champions(store: Store) -> list[str]:
    return [past.package for past in registry.history(store) if past.promoted]


def test_a_person_makes_a_package_champion_and_says_why(store: Store, packages: list[Artifact]) -> None:
    registry.record(store, decision(packages[0].id))
    made = registry.appoint(store, packages[1], "it reads our sevens")
    assert registry.champion(store) == made == registry.history(store)[-1]
    assert (made.package, made.champion, made.by) == (packages[1].name, packages[0].name, "person")
    assert made.because == "it reads our sevens"


def test_to_appoint_the_champion_changes_nothing(store: Store, packages: list[Artifact]) -> None:
    made = registry.appoint(store, packages[0])
    assert registry.appoint(store, packages[0], "again") == made
    assert registry.history(store) == [made]


def test_a_damaged_package_does_not_become_champion(store: Store, packages: list[Artifact]) -> None:
    registry.appoint(store, packages[0])
    (packages[1].path / "float32.tflite").write_bytes(b"other")
    with pytest.raises(StoreError, match=rf"{packages[1].name} is not what was written: float32.tflite: damaged"):
        registry.appoint(store, packages[1])
    assert champions(store) == [packages[0].name]


def test_several_rollbacks_go_further_and_further_back(store: Store, packages: list[Artifact]) -> None:
    first, second, third = packages
    for one in packages:
        registry.appoint(store, one)
    assert registry.roll_back(store).package == second.name
    last = registry.roll_back(store, "both were worse at night")
    assert (last.package, last.champion, last.by) == (first.name, second.name, "rollback")
    assert last.because == "both were worse at night"
    with pytest.raises(StoreError, match=f"there is no champion before {first.name}; to go on, see `digits models`"):
        registry.roll_back(store)
    registry.appoint(store, third)
    assert registry.roll_back(store).package == first.name
    assert len(champions(store)) == 7


def test_before_the_first_champion_there_is_nothing_to_go_back_to(store: Store) -> None:
    with pytest.raises(StoreError, match="there is no champion yet"):
        registry.roll_back(store)


def test_a_refused_package_is_no_champion_to_go_back_to(store: Store, packages: list[Artifact]) -> None:
    registry.appoint(store, packages[0])
    registry.record(store, decision(packages[1].id, promoted=False))
    registry.appoint(store, packages[2])
    assert registry.roll_back(store).package == packages[0].name


def test_a_champion_before_whose_package_is_gone_is_told(store: Store, packages: list[Artifact]) -> None:
    registry.appoint(store, packages[0])
    registry.appoint(store, packages[1])
    store.remove(packages[0].path)
    with pytest.raises(StoreError, match=f"the package of the champion before is gone: {packages[0].name}; to go on"):
        registry.roll_back(store)
    assert registry.champion_package(store) == packages[1]


def test_a_kill_between_pointer_and_log_of_a_rollback_is_healed(store: Store, packages: list[Artifact]) -> None:
    for one in packages:
        registry.appoint(store, one)
    log = (store.root / "promotions.jsonl").read_text()
    registry.roll_back(store)
    (store.root / "promotions.jsonl").write_text(log)
    assert registry.roll_back(store).package == packages[0].name
    assert champions(store) == [one.name for one in (*packages, packages[1], packages[0])]


def test_what_a_person_has_replaced_is_known_until_it_is_champion_again(store: Store, packages: list[Artifact]) -> None:
    first, second, third = packages
    for one in packages:
        registry.record(store, replace(decision(one.id), champion=None))
    assert registry.replaced(store, second.name) is None
    back = registry.roll_back(store)
    assert registry.replaced(store, third.name) == back
    made = registry.appoint(store, third)
    assert (registry.replaced(store, third.name), registry.replaced(store, second.name)) == (None, made)
    assert registry.replaced(store, first.name) is None


def test_a_clock_that_goes_backwards_changes_no_order(store: Store, packages: list[Artifact]) -> None:
    for day, one in zip(("03", "02", "01"), packages, strict=True):
        registry.record(store, replace(decision(one.id), decided=f"2027-01-{day}T00:00:00+00:00"))
    assert [registry.roll_back(store).package for _ in range(2)] == [packages[1].name, packages[0].name]


# --- What there is ----------------------------------------------------------------------------------------------


def test_entries_say_what_is_known_of_each_package_newest_first(store: Store) -> None:
    one, two = trained(store, seed=1, wrong=[0, 1, 2]), trained(store, seed=2)
    registry.record(store, replace(decision(one.package.id), decided="2026-01-01T00:00:00+00:00"))
    registry.record(store, replace(decision(two.package.id), decided="2026-01-02T00:00:00+00:00"))
    newest, oldest = registry.entries(store)
    assert (oldest.package, oldest.recipe, oldest.data) == (one.package, "fast seed=1", "data/a.csv")
    assert (oldest.accuracy, oldest.calibration_error, oldest.size) == (0.95, 0.0123, 1500)
    assert (oldest.champion, newest.champion) == (False, True)
    assert oldest.reigns == [Reign("2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00")]
    assert newest.reigns == [Reign("2026-01-02T00:00:00+00:00", None)]


def test_a_package_whose_model_is_gone_is_listed_as_far_as_it_is_known(store: Store) -> None:
    made = trained(store)
    store.remove(made.model.path)
    (entry,) = registry.entries(store)
    assert (entry.package, entry.size, entry.recipe, entry.data) == (made.package, 1500, None, None)


def test_whoever_was_champion_is_known_even_from_a_line_that_cannot_be_read(store: Store) -> None:
    registry.record(store, decision("aaa"))
    with (store.root / "promotions.jsonl").open("a") as log:
        log.write('{"package": "package/0123456789ab-2", "champion": nul\n')
    registry.record(store, decision("bbb"))
    registry.record(store, decision("ccc", promoted=False))
    assert registry.champions_ever(store) == {"package/aaa", "package/bbb", "package/0123456789ab-2"}


@pytest.mark.parametrize("wrong", ['"package": null', '"decided": "yesterday"', '"decided": 7'])
def test_a_decision_with_wrong_values_is_told_and_does_not_hide_the_others(
    store: Store, packages: list[Artifact], wrong: str
) -> None:
    registry.appoint(store, packages[0])
    path, log = store.root / "champion.json", store.root / "promotions.jsonl"
    record = json.loads(path.read_text()) | json.loads(f"{{{wrong}}}")
    with log.open("a") as file:
        file.write(json.dumps(record) + "\n")
    assert [one.package for one in registry.history(store)] == [packages[0].name]
    path.write_text(json.dumps(record))
    with pytest.raises(StoreError, match=r"champion.json: the champion cannot be read"):
        registry.champion(store)
