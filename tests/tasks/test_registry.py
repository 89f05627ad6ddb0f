"""The champion is always whole, and the log only grows."""

import json

import pytest

from tasks import registry
from tasks.errors import StoreError
from tasks.registry import Decision
from tasks.store import Store


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
