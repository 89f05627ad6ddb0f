"""Reading prefect.yaml, and the messages about mistakes in it."""

from pathlib import Path

import pytest

from flows.operations import deployments
from tasks.errors import UsageError


def test_the_file_gives_three_deployments() -> None:
    pooled, served = deployments.read(with_pool=True), deployments.read(with_pool=False)
    assert [deployment.name for deployment in pooled] == ["nightly", "inbox", "weekly"]
    assert {deployment.work_pool_name for deployment in pooled} == {deployments.POOL}
    assert {deployment.work_pool_name for deployment in served} == {None}


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
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
def test_the_message_about_a_mistake_names_file_and_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, right: str, wrong: str, message: str
) -> None:
    text = deployments.FILE.read_text()
    assert right in text
    (tmp_path / "prefect.yaml").write_text(text.replace(right, wrong, 1))
    monkeypatch.setattr(deployments, "FILE", tmp_path / "prefect.yaml")
    with pytest.raises(UsageError, match=r"prefect\.yaml") as caught:
        deployments.read(with_pool=True)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
