"""The commands about packages and the champion, as a person types them."""

import json
import os
import re
from pathlib import Path

import pytest
import yaml

from tasks import registry
from tasks.registry import Decision
from tasks.scoring.scores import Beside
from tasks.scoring.submissions import Submission
from tasks.store import Store
from tasks.store.files import append
from tasks.store.typed import as_json
from tests.command import digits
from tests.tasks.history import past
from tests.tasks.trained import IMAGES, Trained, trained


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def two(home: Path) -> tuple[Trained, Trained]:
    """The champion, which reads all but three images right, and another one, which the gate has refused."""
    store = Store(home / "artifacts")
    one, other = trained(store, seed=1, wrong=[0, 1, 2]), trained(store, seed=2, wrong=[2])
    registry.record(store, Decision(one.package.name, None, True, "it is the first", {}, "2026-01-02T03:04:05+00:00"))
    reasons = ["accuracy passed: as good", "classes failed: read worse beyond noise: 3"]
    refused = Decision(
        other.package.name, one.package.name, False, "worse at 3", {}, "2026-02-03T04:05:06+00:00", reasons=reasons
    )
    registry.record(store, refused)
    return one, other


def test_models_are_listed_newest_first_with_the_champion_marked(home: Path, two: tuple[Trained, Trained]) -> None:
    run = digits("models", home=home)
    assert run.returncode == 0, run.stderr
    header, newest, oldest = (re.split(r"  +", line.strip()) for line in run.stdout.splitlines())
    assert header == [
        "id",
        "recipe",
        "data",
        "accuracy",
        "calibration error",
        "first reader",
        "size",
        "age",
        "champion",
    ]
    assert newest[:6] == [two[1].package.id, "fast seed=2", "a.csv", "98.33 %", "1.23 %", "–"]
    assert oldest[:2] == ["*", two[0].package.id]
    assert oldest[-1] == "since 2026-01-02 03:04 UTC"


def test_models_are_listed_for_programs_and_with_their_public_score(home: Path, two: tuple[Trained, Trained]) -> None:
    ids = [two[1].package.id, two[0].package.id]
    assert digits("models", "--quiet", home=home).stdout.splitlines() == ids
    newest, oldest = json.loads(digits("models", "--json", home=home).stdout)
    assert (newest["package"], newest["kaggle"], oldest["champion"]) == (two[1].package.name, None, True)
    submission = Submission("scores/abc", two[0].package.name, 0.98764, "[scores/abc]", "2026-03-04T05:06:07+00:00")
    append(home / "artifacts" / "submissions.jsonl", [as_json(submission)])
    header, newest, oldest = digits("models", home=home).stdout.splitlines()
    assert [line.split()[-1] for line in (header, newest, oldest)] == ["Kaggle", "–", "0.98764"]


def test_the_history_lists_every_decision_with_its_reasons(home: Path, two: tuple[Trained, Trained]) -> None:
    run = digits("models", "--history", home=home)
    assert run.returncode == 0, run.stderr
    newest, _ = json.loads(digits("models", "--history", "--json", home=home).stdout)
    assert (newest["package"], newest["promoted"]) == (two[1].package.name, False)
    lines = [re.split(r"  +", line.strip()) for line in run.stdout.splitlines()]
    assert lines[1] == [
        "2026-02-03 04:05 UTC",
        two[1].package.id,
        "refused",
        "the gate",
        "accuracy passed: as good",
    ]
    assert lines[2] == ["classes failed: read worse beyond noise: 3"]
    assert lines[3][2:] == ["promoted", "the gate", "it is the first"]


def test_a_package_is_shown_with_the_decisions_about_it(home: Path, two: tuple[Trained, Trained]) -> None:
    run = digits("show", two[1].package.id, home=home)
    assert run.returncode == 0, run.stderr
    assert yaml.safe_load(run.stdout)["decisions"] == {
        "2026-02-03T04:05:06+00:00 refused": {
            "accuracy passed": "as good",
            "classes failed": "read worse beyond noise: 3",
        }
    }
    (reasons,) = yaml.safe_load(digits("show", two[0].package.id, home=home).stdout)["decisions"].values()
    assert reasons == {"because": "it is the first"}


def test_a_person_promotes_rolls_back_and_is_quoted(home: Path, two: tuple[Trained, Trained]) -> None:
    first, second = two[0].package, two[1].package
    run = digits("promote", second.id[:8], "--because", "it reads our sevens", home=home)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == f"{second.name} is the champion, before it {first.name}: it reads our sevens\n"
    run = digits("promote", second.id, home=home)
    assert run.stdout == f"{second.name} is the champion already\n"
    run = digits("rollback", home=home)
    assert run.stdout == f"{first.name} is the champion, before it {second.name}: back from {second.name}\n"
    run = digits("rollback", "--because", "more", home=home)
    assert (run.returncode, run.stdout) == (5, "")
    assert run.stderr == (
        f"digits: there is no champion before {first.name}; to go on, see `digits models`, and name another one by "
        "`digits promote ID`\n"
    )


def test_what_a_package_answered_beside_the_champion_is_added_up_and_shown_at_its_promotion(
    home: Path, two: tuple[Trained, Trained]
) -> None:
    first, second = two[0].package, two[1].package
    assert digits("models", "--beside", home=home).stderr == (
        "digits: no package has answered beside another; to go on, score with `digits score … --beside ID`\n"
    )
    store = Store(home / "artifacts")
    for day in range(3):
        beside = Beside(second.name, 10, 0, 0)
        scores = past.scored(store, day, package=first.name, beside=beside)
        past.reviewed(store, scores, read=9, changed=3, beside=Beside(second.name, 8, 2, 5))
    lines = digits("models", "--beside", home=home).stdout.splitlines()
    assert [re.split(r"  +", line.strip()) for line in lines] == [
        ["package", "beside", "since", "files", "rows", "differ", "read", "it right", "other right", "p"],
        [second.id, first.id, "2026-01-01 12:00 UTC", "3", "3,000", "30 (1.00 %)", "24", "15", "6", "0.078"],
    ]
    known = (
        f"beside {first.name} in 3 files with 3,000 rows it answers 30 (1.00 %) differently; of 24 of these that "
        "people read it alone is right on 15, the other alone on 6 (McNemar's p 0.078)"
    )
    lines = digits("promote", second.id, home=home).stdout.splitlines()
    assert lines[0] == f"{second.name}: {known}"
    assert registry.history(store)[-1].reasons == ["because: a person has decided so", f"beside: {known}"]


def test_two_models_are_compared_with_a_picture(home: Path, two: tuple[Trained, Trained]) -> None:
    one, other = two
    run = digits("diff", one.package.id, other.model.id, home=home)
    assert (run.returncode, run.stderr) == (0, "")
    assert re.search(r"^ +seed +1 +2 *$", run.stdout, re.MULTILINE)
    assert re.search(r"^ +data +the same +the same *$", run.stdout, re.MULTILINE)
    assert re.search(r"^ +evaluation\.accuracy +0\.95 +0\.98333 *$", run.stdout, re.MULTILINE)
    assert run.stdout.splitlines()[-2:] == [
        f"images      of the {IMAGES} images that neither has learned from, 2 are answered differently: "
        f"0 only {one.model.id} reads right, "
        f"2 only {other.model.id} (McNemar's p 0.5)",
        "picture     diff.png",
    ]
    before = (home / "diff.png").read_bytes()
    assert before.startswith(b"\x89PNG")
    run = digits("diff", one.package.id, other.model.id, home=home)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("digits: diff.png: there is such a file already; to go on, name another, or overwrite")
    run = digits("diff", one.package.id, one.package.id, "--output", "diff.png", "--force", home=home)
    assert (
        run.stdout.splitlines()[-1]
        == f"images      of the {IMAGES} images that neither has learned from, all are answered alike"
    )
    assert (home / "diff.png").read_bytes() == before


def test_what_nothing_refers_to_is_named_by_a_dry_run_and_then_removed(
    home: Path, two: tuple[Trained, Trained]
) -> None:
    store = Store(home / "artifacts")
    left = home / "artifacts" / ".scratch" / "model-abc" / "weights"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x" * 2000)
    for path in (left, left.parent):
        os.utime(path, (0, 0))
    run = digits("gc", "--dry-run", home=home)
    assert (run.returncode, run.stderr) == (0, "")
    first, last = run.stdout.splitlines()
    assert re.fullmatch(r"\.scratch/model-abc  \d+ years.*  2\.0 kB", first)
    assert last == "would remove 1 item, 2.0 kB"
    assert left.exists()
    run = digits("gc", "--keep-days", "3", home=home)
    assert run.stdout.splitlines() == [first, "removed 1 item, 2.0 kB"]
    assert not left.exists()
    assert len(store.all()) == 8
    assert digits("gc", home=home).stdout == "nothing to remove\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["models"], 5, "digits: there are no packages yet; to go on, make one with `digits run`"),
        (["models", "--history"], 5, "digits: nothing has been decided yet; to go on, start with `digits run`"),
        (["submit"], 5, "digits: no scores have the 28,000 rows of the competition; to go on, score the competition's"),
        (["promote", "abcd"], 5, "digits: there is no artifact 'abcd'; to go on, see `digits artifacts`"),
        (["rollback"], 5, "digits: there is no champion yet; to go on, see `digits models`"),
        (["diff", "a", "b", "-o", "d.html"], 2, "digits: d.html: this is no name of a picture; expected one that ends"),
        (["diff", "a", "b", "-o", "no/d.png"], 5, "digits: no/d.png: the folder of the output does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistake_is_one_line_on_stderr(home: Path, arguments: list[str], code: int, message: str) -> None:
    run = digits(*arguments, home=home)
    assert (run.returncode, run.stdout) == (code, "")
    assert run.stderr.startswith(message)
    assert run.stderr.count("\n") == 1
