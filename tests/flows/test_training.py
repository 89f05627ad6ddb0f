"""The flow `train` from a file to a submission, under a real Prefect server."""

import asyncio
import html
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks import registry, settings
from tasks.errors import DataError
from tasks.store import Store, damage, lineage
from tasks.training import recipes
from tests import making
from tests.conftest import Chain

pytestmark = pytest.mark.usefixtures("prefect_server")

QUICK = ["epochs=1", "min_shown=0", "batch=64"]
STAGES = ["ingest", "validate", "prepare", "fit", "evaluate", "package", "promote", "conclude", "score"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    from prefect import tags

    monkeypatch.setenv("DIGITS_HOME", str(tmp_path))
    with tags(tmp_path.name):
        yield tmp_path


def task_runs(home: Path) -> list[tuple[str, str, int]]:
    """Return stage, state and number of tries of the tasks of this home's newest run, in the order of their end."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, FlowRunFilterTags
    from prefect.client.schemas.sorting import FlowRunSort, TaskRunSort

    async def read() -> list[tuple[str, str, int]]:
        async with get_client() as client:
            of_home = FlowRunFilter(tags=FlowRunFilterTags(all_=[home.name]))
            (newest,) = await client.read_flow_runs(flow_run_filter=of_home, sort=FlowRunSort.START_TIME_DESC, limit=1)
            only = FlowRunFilter(id=FlowRunFilterId(any_=[newest.id]))
            runs = await client.read_task_runs(flow_run_filter=only, limit=20, sort=TaskRunSort.END_TIME_DESC)
            return [(run.name.rpartition("-")[0], run.state_name, run.run_count) for run in reversed(runs)]

    return asyncio.run(read())


def test_a_zip_becomes_a_submission_and_the_same_run_again_does_nothing_twice(home: Path) -> None:
    from flows.training import train

    archive = making.write_kaggle_zip(home / "d.zip", making.digits(400), making.digits(30, start=400))
    first = train(data=str(archive), recipe="mlp-relu", changes=QUICK)
    assert [stage for stage, _, _ in task_runs(home)] == STAGES
    assert first.scores is not None
    assert len((first.scores.path / "submission.csv").read_text().splitlines()) == 31
    store = Store(settings.load().artifacts)
    assert registry.champion_package(store) == first.package
    artifacts = store.all()
    assert {artifact.kind for artifact in lineage(store, first.scores).values() if artifact} == {
        "dataset",
        "validation",
        "prepared",
        "model",
        "package",
    }
    assert [damage(artifact) for artifact in artifacts] == [[]] * 8
    assert first.model.manifest().flow_run

    again = train(data=str(archive), recipe="mlp-relu", changes=QUICK)
    assert again == first
    assert [state for _, state, _ in task_runs(home)] == [*["Reused"] * 6, "Completed", "Reused", "Reused"]
    assert all(one.reused for one in (again.dataset, again.model, again.package, again.scores) if one)
    assert store.all() == artifacts
    assert len(registry.history(store)) == 1


def test_a_run_ends_with_a_cascade_or_why_there_is_none(
    home: Path, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from flows.cli.summary import train_summary
    from flows.training import train
    from tasks.judging.cascade import Cascade
    from tasks.models.packaged import PackageMetrics

    shutil.copytree(chain.store.root, home / "artifacts")  # with the very model that is asked for
    monkeypatch.setattr(recipes, "FIRST", replace(recipes.FIRST, epochs=5, min_shown=0))
    trained = train(data="sample", changes=["epochs=2", "min_shown=0"])
    assert trained.model.name == chain.model.name
    model, prepared, first = trained.package.manifest().inputs
    assert (model, prepared) == (trained.model.name, trained.prepared.name)
    store = Store(home / "artifacts")
    assert store.get(first).metrics["recipe"] == "first"
    cascade = trained.package.measured(PackageMetrics).cascade
    assert isinstance(cascade, Cascade)
    for page in (train_summary("sample", trained), (trained.report.path / "report.html").read_text()):
        assert html.unescape(page).count(str(cascade)) == 1
    summaries = {summary.package.name: summary for summary in registry.package_summaries(store)}
    assert summaries[trained.package.name].cascade == cascade

    without = train(data="sample", changes=["epochs=2", "min_shown=0"], cascade=False)
    assert without.model == trained.model
    assert without.package.manifest().inputs == [model, prepared]
    assert "cascade     no first reader: none was fitted\n" in train_summary("sample", without)


def test_bad_data_end_the_run_at_once_and_leave_nothing_half_done(home: Path) -> None:
    from flows.training import train

    rows = making.csv_rows(making.digits(100))
    rows[17][6] = "256"
    (home / "bad.csv").write_bytes(making.csv_text(rows))
    with pytest.raises(DataError, match=r"bad.csv, row 17, column pixel5: pixel outside 0-255"):
        train(data=str(home / "bad.csv"), changes=QUICK)
    assert task_runs(home) == [("ingest", "Completed", 1), ("validate", "Failed", 1)]
    assert {artifact.kind for artifact in Store(home / "artifacts").all()} == {"dataset", "validation"}
    assert not list((home / "artifacts" / ".drafts").iterdir())


def test_a_fault_of_the_disk_is_tried_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows import training
    from tasks import ingest as stage

    # Prefect waits between the tries; here it need not.
    monkeypatch.setattr(training, "ingest", training.ingest.with_options(retry_delay_seconds=0))
    write = stage.quarantine.write
    tries: list[int] = []

    def failing_once(*arguments: object) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise OSError(28, "No space left on device")
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(stage.quarantine, "write", failing_once)
    path = making.write_csv(home / "few.csv", making.digits(20))
    with pytest.raises(DataError, match="at least 5 images of every class"):
        training.train(data=str(path), changes=QUICK)
    assert task_runs(home) == [("ingest", "Completed", 2), ("validate", "Failed", 1)]


def test_an_ensemble_is_fitted_member_by_member_and_refitted_for_the_submission(home: Path) -> None:
    from flows.cli.summary import train_summary
    from flows.training import train

    archive = making.write_kaggle_zip(home / "d.zip", making.digits(300), making.digits(30, start=300))
    asked = {"data": str(archive), "recipe": "mlp-relu", "changes": ["epochs=2", "members=2"]}
    made = train(**asked, refit=True)
    store = Store(home / "artifacts")
    models = [one for one in store.all() if one.kind == "model"]
    assert [bool(one.manifest().parameters.get("refit")) for one in models] == [False] * 3 + [True] * 3
    assert [len(one.manifest().inputs) for one in models] == [1, 1, 2, 2, 2, 3]
    assert made.model == models[-1]
    judged = models[2]
    assert made.evaluation.metrics["judged"] == judged.name
    assert made.evaluation.metrics["refitted"]
    assert made.package.metrics["refitted"]
    assert "judged.tflite" in made.package.manifest().files
    assert made.decision.refitted
    page = (made.report.path / "report.html").read_text()
    assert "This model is refitted" in page
    assert "--set members=2 --refit" in page
    assert f"refitted on the validation part as well; the accuracy is that of its judged twin {judged.name}" in (
        train_summary("d.zip", made)
    )
    # A kill costs at most one member: what is missing is made again, the rest is found.
    shutil.rmtree(models[4].path)
    shutil.rmtree(models[5].path)
    assert train(**asked, refit=True).model == made.model
    # The judged form of the same recipe is no better and no worse: its answers are the twin's.
    plain = train(**asked)
    assert plain.decision.evidence["only_challenger"] == plain.decision.evidence["only_champion"] == 0
    assert not plain.decision.refitted


def test_members_are_fitted_side_by_side(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect import flow

    from flows.fitting import learn
    from tasks import fit

    def fail(*_: object) -> None:
        raise AssertionError("fitted in this process")

    monkeypatch.setattr(fit, "fit_network", fail)
    recipe = recipes.find("mlp-relu", ["epochs=1", "members=2", "batch=1024"])
    (made,) = flow(learn)(chain.store, chain.prepared, recipe, workers=2)
    members = [chain.store.get(name) for name in made.manifest().inputs]
    assert [one.kind for one in members] == ["model", "model"]
    assert len({one.metrics["seed"] for one in members}) == 2
