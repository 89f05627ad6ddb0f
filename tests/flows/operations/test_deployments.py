"""Reading prefect.yaml, and the messages about mistakes in it."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from flows.operations import deployments
from flows.operations.automations import Scheduled
from tasks.errors import UsageError

TWIN = "name: nightly\n    entrypoint: flows.training.train"


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """A function that puts one text for another in a copy of prefect.yaml, which is read from then on."""

    def change(right: str, wrong: str) -> None:
        text = deployments.FILE.read_text()
        assert right in text
        (tmp_path / "prefect.yaml").write_text(text.replace(right, wrong, 1))
        monkeypatch.setattr(deployments, "FILE", tmp_path / "prefect.yaml")

    return change


def test_the_file_gives_four_deployments() -> None:
    pooled, served = deployments.read(with_pool=True), deployments.read(with_pool=False)
    assert [deployment.name for deployment in pooled] == ["nightly", "inbox", "weekly", "corrections"]
    assert [deployment.paused for deployment in pooled] == [False, False, False, True]
    assert {deployment.work_pool_name for deployment in pooled} == {deployments.POOL}
    assert {deployment.work_pool_name for deployment in served} == {None}


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("zone: Europe/Berlin", "zone: Europe/Berlln", "time zone 'Europe/Berlln': did you mean Europe/Berlin?"),
        ("recipe: fast", "recipy: fast", "parameter 'recipy': did you mean recipe?"),
        ("    schedules:", "    shedules:", "key 'shedules': did you mean schedules?"),
        ("timezone: Europe/Berlin", "aktive: false", "key of a schedule 'aktive': did you mean active?"),
        ("queue_name: training", "queue_name: trainings", "work queue 'trainings': did you mean training?"),
        ("  name: digits", "  name: numbers", "work pool 'numbers': there is digits"),
    ],
)
def test_the_message_about_an_unknown_name_is_a_sentence(
    changed: Callable[[str, str], None], right: str, wrong: str, message: str
) -> None:
    changed(right, wrong)
    with pytest.raises(UsageError) as caught:
        deployments.read(with_pool=True)
    assert str(caught.value) == f"prefect.yaml: deployment nightly: unknown {message}"


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ('cron: "0 2 * * *"', "cron: at night", "deployment nightly: Invalid cron"),
        ("recipe: fast", "max_bad_rows: 7", "less than or equal to 1"),
        ("recipe: fast", "recipe: fats", "deployment nightly: there is no recipe 'fats'"),
        ("data: sample", "data: /nowhere.zip", "deployment nightly: /nowhere.zip: "),
        ("names: [lenet, fast]", "names: [lenet, fats]", "deployment weekly: there is no recipe 'fats'"),
        ("flows.training.train", "flows.training.trian", "trian"),
        ("      work_queue_name: training\n", "", "deployment nightly: it lacks 'work_queue_name'"),
        ("      - interval: 300\n", "      - active: true\n", "deployment inbox: it lacks 'cron'"),
        (
            "tags: [scoring]\n",
            "tags: [scoring]\n    parameters: {beside: abcd}\n",
            "inbox: there is no artifact 'abcd'",
        ),
        ("limit: 1", "limit: many", "deployment nightly: limit: Input should be a valid integer"),
        ("deployments:", "deployments: [", "the file cannot be read"),
        ("deployments:", "deploiments:", "the file cannot be read"),
        (
            "name: weekly\n    entrypoint: flows.comparing.compare",
            "name: nightly\n    entrypoint: flows.training.train",
            "",
        ),
    ],
)
def test_the_message_about_a_mistake_names_file_and_place(
    changed: Callable[[str, str], None], right: str, wrong: str, message: str
) -> None:
    changed(right, wrong)
    with pytest.raises(UsageError, match=r"^prefect\.yaml: ") as caught:
        deployments.read(with_pool=True)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "pydantic" not in str(caught.value)


def test_a_deployment_may_be_silent_for_as_long_as_its_schedule_leaves_it_and_a_margin() -> None:
    silences = {
        deployment.full_name: Scheduled(deployment.full_name, pause).silence
        for deployment in deployments.read(with_pool=True)
        if (pause := deployments.longest_pause(deployment))
    }
    # What starts with a review, and not by a schedule, is never missed.
    assert silences == {
        "train/nightly": timedelta(hours=26),
        "score/inbox": timedelta(minutes=15),
        "compare/weekly": timedelta(days=7, hours=2),
    }


def test_a_schedule_may_be_switched_off_and_needs_no_time_zone(changed: Callable[[str, str], None]) -> None:
    schedule = '      - cron: "0 2 * * *"\n        timezone: Europe/Berlin\n'
    changed(schedule, '      - {cron: "0 2 * * *", active: false}\n')
    nightly = deployments.read(with_pool=True)[0]
    assert [schedule.active for schedule in nightly.schedules or []] == [False]
    assert deployments.next_run(nightly) is None
    assert deployments.longest_pause(nightly) is None


def test_an_interval_begins_at_a_fixed_time_however_often_it_is_deployed() -> None:
    first, second = (deployments.next_run(deployments.read(with_pool=True)[1]) for _ in range(2))
    assert first
    assert second
    assert first.timestamp() % 300 == second.timestamp() % 300 == 0
