"""The `prefect` commands that the documentation sends people to, with the releases that are installed."""

import pytest

KINDS = ["flow-run", "flow", "deployment", "work-pool", "artifact", "automation", "block"]


@pytest.mark.parametrize("kind", KINDS)
def test_prefect_lists(prefect_server: str, kind: str) -> None:
    """Run in this process, as each of its own would take seconds to start."""
    from prefect.testing.cli import invoke_and_assert

    invoke_and_assert([kind, "ls"], expected_code=0)
