"""The champion changes hands only when the newcomer is not worse on the same images."""

import pytest

from tasks import registry
from tasks.errors import StoreError
from tasks.promote import promote
from tasks.registry import Decision, gate
from tasks.registry.gate import GateCheck, Verdict
from tasks.scoring.scores import Beside
from tasks.store import Artifact, Store
from tests.conftest import Chain
from tests.tasks.history import past
from tests.tasks.trained import trained

IMAGES = 958  # of the validation part


@pytest.fixture
def shelf(chain: Chain) -> Store:
    """The chain's store without a champion."""
    for path in (chain.store.root / "champion.json", chain.store.root / "promotions.jsonl"):
        path.unlink(missing_ok=True)
    return chain.store


def test_the_first_package_becomes_champion(chain: Chain, shelf: Store) -> None:
    decision = promote(shelf, chain.package, chain.prepared)
    assert (decision.promoted, decision.because) == (True, "it is the first")
    assert registry.champion(shelf) == decision
    assert registry.champion_package(shelf) == chain.package


def test_asking_again_about_the_champion_changes_nothing(chain: Chain, shelf: Store) -> None:
    first = promote(shelf, chain.package, chain.prepared)
    assert promote(shelf, chain.package, chain.prepared) == first
    assert registry.history(shelf) == [first]


def test_a_champion_whose_pointer_was_removed_is_champion_again(chain: Chain, shelf: Store) -> None:
    """The remedy for a damaged champion.json is to remove it: the next run must write it."""
    first = promote(shelf, chain.package, chain.prepared)
    (shelf.root / "champion.json").unlink()
    assert promote(shelf, chain.package, chain.prepared) == first
    assert registry.champion_package(shelf) == chain.package
    assert registry.history(shelf) == [first]


@pytest.fixture
def newcomer(chain: Chain) -> Artifact:
    """Another package that was fitted on the same data."""
    from tasks.package import package

    return package(chain.store, chain.weaker, chain.prepared)


def test_a_worse_package_is_refused_and_the_reason_is_kept(chain: Chain, shelf: Store, newcomer: Artifact) -> None:
    champion = promote(shelf, chain.package, chain.prepared)
    decision = promote(shelf, newcomer, chain.prepared)
    assert not decision.promoted
    assert decision.because.startswith(f"worse than the champion {chain.package.id} on the same {IMAGES} images: ")
    assert decision.evidence["p_worse"] < 0.05
    assert "read worse beyond noise: " in decision.because
    assert [line.split()[:2] for line in registry.reasons(decision)][1] == ["package", "passed:"]
    assert registry.champion(shelf) == champion
    promote(shelf, newcomer, chain.prepared)
    assert registry.history(shelf) == [champion, decision]


@pytest.mark.parametrize(("only_champion", "only_it", "promoted"), [(5, 25, True), (25, 5, False)])
def test_what_it_has_answered_beside_the_champion_is_a_check(
    store: Store, monkeypatch: pytest.MonkeyPatch, only_champion: int, only_it: int, promoted: bool
) -> None:
    passed = Verdict([GateCheck("accuracy", True, "not worse")], {})
    monkeypatch.setattr(gate, "judge", lambda *_: passed)
    first, second = trained(store, seed=1), trained(store, seed=2)
    registry.record(store, Decision(first.package.name, None, True, "it is the first", {}, registry.now()))
    name = second.package.name
    scores = past.scored(store, 0, rows=8000, package=first.package.name, beside=Beside(name, 40, 0, 0))
    past.reviewed(store, scores, read=200, changed=9, beside=Beside(name, 36, only_champion, only_it))
    decision = promote(store, second.package, second.prepared)
    assert decision.promoted == promoted
    assert decision.reasons[1].startswith(
        f"beside {'passed' if promoted else 'failed'}: beside {first.package.name} in 1 file with 8,000 rows it "
        f"answers 40 (0.50\u00a0%) differently; of 36 of these that people read it alone is right on {only_it}, the "
        f"other alone on {only_champion} (McNemar's p <\u202f0.001)"
    )


def test_a_better_package_is_promoted(chain: Chain, shelf: Store, newcomer: Artifact) -> None:
    promote(shelf, newcomer, chain.prepared)
    decision = promote(shelf, chain.package, chain.prepared)
    assert decision.promoted
    assert decision.because.startswith(f"not worse than the champion {newcomer.id} on the same {IMAGES} images: ")
    assert registry.champion_package(shelf) == chain.package
    assert [line.partition(":")[0] for line in registry.reasons(decision)] == [
        "accuracy passed",
        "package passed",
        "calibration passed",
        "classes passed",
    ]


def test_a_package_that_a_person_has_gone_back_from_is_not_promoted_again(
    chain: Chain, shelf: Store, newcomer: Artifact
) -> None:
    promote(shelf, newcomer, chain.prepared)
    promote(shelf, chain.package, chain.prepared)
    registry.roll_back(shelf, "it fails at night")
    decision = promote(shelf, chain.package, chain.prepared)
    assert not decision.promoted
    assert decision.because == (
        f"a person has put {newcomer.name} in its place (it fails at night); `digits promote` undoes it"
    )
    assert registry.champion_package(shelf) == newcomer
    count = len(registry.history(shelf))
    promote(shelf, chain.package, chain.prepared)
    assert len(registry.history(shelf)) == count
    registry.appoint(shelf, chain.package)
    assert promote(shelf, chain.package, chain.prepared).promoted


def test_images_that_the_champion_has_learned_from_do_not_count(chain: Chain, shelf: Store, newcomer: Artifact) -> None:
    from tasks.prepare import prepare

    promote(shelf, chain.package, chain.prepared)
    other_split = prepare(chain.store, chain.dataset, chain.validation, split_seed=7)
    decision = promote(shelf, newcomer, other_split)
    # A fifth of a fifth of 4,500 images is held out in both splits.
    assert 100 < decision.evidence["images"] < 260


def test_a_champion_that_is_gone_is_told_with_a_way_out_that_works(
    chain: Chain, shelf: Store, newcomer: Artifact
) -> None:
    promote(shelf, chain.package, chain.prepared)
    path = shelf.root / "champion.json"
    path.write_text(path.read_text().replace(chain.package.name, "package/lost"))
    with pytest.raises(StoreError, match=r"the champion's package is gone: package/lost; to go on, put it back .* or"):
        promote(shelf, newcomer, chain.prepared)
    assert newcomer.name not in {past.package for past in registry.history(shelf)}
    registry.appoint(shelf, newcomer)
    assert promote(shelf, chain.package, chain.prepared).promoted


def test_too_few_new_images_decide_nothing(
    chain: Chain, shelf: Store, newcomer: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(shelf, chain.package, chain.prepared)
    monkeypatch.setattr(gate, "LEAST_IMAGES", IMAGES + 1)
    decision = promote(shelf, newcomer, chain.prepared)
    assert not decision.promoted
    assert decision.because == f"only {IMAGES} of its validation images are new to the champion, too few to compare on"
