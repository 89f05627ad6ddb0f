"""The champion is always whole, the log only grows, and a person has the last word."""

import json
import os
from dataclasses import replace

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
    registry.record(store, decision("abcd"))
    with pytest.raises(
        StoreError, match="the champion's package is gone: package/abcd; to go on, put it back from a copy"
    ):
        registry.champion_package(store)


def test_a_full_disk_is_told_and_leaves_the_champion_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.record(store, decision("a"))

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="the artifacts folder cannot be written; received No space left on device"):
        registry.record(store, decision("b"))
    assert registry.champion(store) == decision("a")


def test_a_decision_has_a_reason_for_each_check_or_the_one_that_a_person_gave() -> None:
    assert registry.reasons(decision("a")) == ["it is the first"]
    assert registry.reasons(replace(decision("a"), reasons=["one", "two"])) == ["one", "two"]


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
    assert (made.package, made.previous, made.by) == (packages[1].name, packages[0].name, "person")
    assert made.because == "it reads our sevens"


def test_to_appoint_the_champion_changes_nothing(store: Store, packages: list[Artifact]) -> None:
    made = registry.appoint(store, packages[0])
    assert registry.appoint(store, packages[0], "again") == made
    assert registry.history(store) == [made]


def test_a_damaged_package_does_not_become_champion(store: Store, packages: list[Artifact]) -> None:
    registry.appoint(store, packages[0])
    (packages[1].path / "float32.tflite").write_bytes(b"other")
    with pytest.raises(StoreError, match=rf"{packages[1].name} is not what was written: .*/float32.tflite: damaged"):
        registry.appoint(store, packages[1])
    assert champions(store) == [packages[0].name]


def test_several_rollbacks_go_further_and_further_back(store: Store, packages: list[Artifact]) -> None:
    first, second, third = packages
    for one in packages:
        registry.appoint(store, one)
    assert registry.roll_back(store).package == second.name
    last = registry.roll_back(store, "both were worse at night")
    assert (last.package, last.previous, last.by) == (first.name, second.name, "rollback")
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
        registry.record(store, replace(decision(one.id), previous=None))
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
    newest, oldest = registry.package_summaries(store)
    assert (oldest.package, oldest.recipe, oldest.data) == (one.package, "fast seed=1", "data/a.csv")
    assert (oldest.accuracy, oldest.calibration_error, oldest.size) == (0.95, pytest.approx(0.0123), 1500)
    assert (oldest.champion, newest.champion) == (False, True)
    assert oldest.reigns == [Reign("2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00")]
    assert newest.reigns == [Reign("2026-01-02T00:00:00+00:00", None)]


def test_a_package_whose_model_is_gone_is_listed_as_far_as_it_is_known(store: Store) -> None:
    made = trained(store)
    store.remove(made.model.path)
    (entry,) = registry.package_summaries(store)
    assert (entry.package, entry.size, entry.recipe, entry.data) == (made.package, 1500, None, None)


def test_whoever_was_champion_is_known_even_from_a_line_that_cannot_be_read(store: Store) -> None:
    registry.record(store, decision("aaa"))
    with (store.root / "promotions.jsonl").open("a") as log:
        log.write('{"package": "package/0123456789ab-2", "previous": nul\n')
    registry.record(store, decision("bbb"))
    registry.record(store, decision("ccc", promoted=False))
    assert registry.champions_ever(store) == {"package/aaa", "package/bbb", "package/0123456789ab-2"}


DAMAGES = {
    "no package": ({"package": None}, "expected a valid string as package; received None"),
    "no date": ({"decided": "yesterday"}, "Invalid isoformat string: 'yesterday'"),
    "a number for a date": ({"decided": 7}, "expected a valid string as decided; received 7"),
    "no zone": ({"decided": "2026-01-01T00:00:00"}, "'2026-01-01T00:00:00' has no time zone"),
    "evidence that is no number": ({"evidence": {"images": "3"}}, "expected a valid number as evidence.images"),
    "somebody unknown": ({"by": "nobody"}, "expected 'gate', 'person' or 'rollback' as by; received 'nobody'"),
    "a value more": ({"champion": None}, "received champion: Unexpected keyword argument"),
    "nested deeply": ({"reasons": "DEEP"}, "Invalid JSON: recursion limit exceeded"),
    "not UTF-8": ({"because": "BYTES"}, "received Invalid JSON: invalid unicode"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_decision_is_told_and_does_not_hide_the_others(
    store: Store, packages: list[Artifact], name: str
) -> None:
    values, message = DAMAGES[name]
    registry.appoint(store, packages[0])
    path, log = store.root / "champion.json", store.root / "promotions.jsonl"
    line = json.dumps(json.loads(path.read_text()) | values).encode()
    line = line.replace(b'"DEEP"', b"[" * 100_000 + b"]" * 100_000).replace(b"BYTES", b"\xff")
    with log.open("ab") as file:
        file.write(line + b"\n")
    assert [past.package for past in registry.history(store)] == [packages[0].name]
    (fault,) = registry.damage(store)
    assert fault.startswith(f"{log}, row 2: the decision cannot be read; ")
    assert message in fault
    path.write_bytes(line)
    with pytest.raises(StoreError, match=f"{path}: the champion cannot be read") as refusal:
        registry.champion(store)
    assert message in str(refusal.value)
    assert registry.damage(store) == [str(refusal.value)]


def test_a_champion_whose_package_is_gone_or_that_has_no_pointer_is_damage(
    store: Store, packages: list[Artifact]
) -> None:
    registry.appoint(store, packages[0])
    assert registry.damage(store) == []
    store.remove(packages[0].path)
    assert registry.damage(store) == [f"champion.json: the champion's package is gone: {packages[0].name}"]
    (store.root / "champion.json").unlink()
    (fault,) = registry.damage(store)
    assert fault.startswith(f"champion.json: missing; the last champion was {packages[0].name}")


def test_a_pointer_that_is_gone_is_told_and_written_again_before_the_next_decision(
    store: Store, packages: list[Artifact]
) -> None:
    """Else a worse newcomer would be champion as the first."""
    first = registry.appoint(store, packages[0])
    registry.record(store, decision(packages[1].id, promoted=False))
    (store.root / "champion.json").unlink()
    remedy = f"champion.json is gone; to go on, write it again by `digits promote {packages[0].id}`"
    with pytest.raises(StoreError, match=remedy):
        registry.package_of(store, "champion")
    with registry.deciding(store):
        assert registry.champion(store) == first
    (store.root / "champion.json").unlink()
    store.remove(packages[0].path)
    with registry.deciding(store):
        assert registry.champion(store) is None, "its package is gone, too"


def test_a_pointer_that_was_lost_and_written_again_is_one_reign_and_nothing_to_go_back_to(
    store: Store, packages: list[Artifact]
) -> None:
    for package in packages[:2]:
        registry.appoint(store, package)
    (store.root / "champion.json").unlink()
    registry.record(store, decision(packages[1].id))
    assert len(registry.reigns(store)[packages[1].name]) == 1
    assert registry.roll_back(store).package == packages[0].name


def test_a_reason_of_many_letters_stays_one_line_of_the_log(store: Store, packages: list[Artifact]) -> None:
    because = "größer\u2028 und\x85 \udcff besser\n"
    registry.appoint(store, packages[0], because)
    (past,) = registry.history(store)
    assert past.because == because.replace("\udcff", "\\udcff")
