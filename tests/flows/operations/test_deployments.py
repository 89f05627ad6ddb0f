"""What prefect.yaml may say, and what is told of a mistake in it."""

from pathlib import Path

import pytest

from flows.operations import server
from tasks.errors import UsageError


def test_the_file_gives_three_deployments() -> None:
    assert [one.name for one in server.deployments(pool=True)] == ["nightly", "inbox", "weekly"]
    assert {one.work_pool_name for one in server.deployments(pool=False)} == {None}


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ('cron: "0 2 * * *"', "cron: at night", "deployment nightly: the deployments cannot be used"),
        ("        timezone: Europe/Berlin\n", "", "nothing of this name: 'timezone'"),
        ("timezone: Europe/Berlin", "timezone: Europe/Berlni", "Europe/Berlni"),
        ("recipe: fast", "recipy: fast", "recipy"),
        ("recipe: fast", "max_bad_rows: 7", "less than or equal to 1"),
        ("flows.training.train", "flows.training.trian", "trian"),
        ("deployments:", "deployments: [", "the deployments cannot be used"),
    ],
)
def test_a_mistake_is_told_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, right: str, wrong: str, told: str
) -> None:
    text = server.DEPLOYMENTS.read_text()
    assert right in text
    (tmp_path / "prefect.yaml").write_text(text.replace(right, wrong, 1))
    monkeypatch.setattr(server, "DEPLOYMENTS", tmp_path / "prefect.yaml")
    with pytest.raises(UsageError, match=r"prefect\.yaml") as caught:
        server.deployments(pool=True)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
