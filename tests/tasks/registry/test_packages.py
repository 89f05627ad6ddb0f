"""The list of packages says what can be known of each, and one odd manifest costs the others nothing."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows.cli.listing import recipe_table
from tasks.registry import packages
from tasks.store import Store
from tasks.store.manifest import write_manifest
from tests.conftest import Chain


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("package", {"inputs": []}),
        ("model", {"parameters": {}}),
        ("model", {"parameters": {"name": ["fast"]}}),
        ("evaluation", {"inputs": [], "metrics": {}}),
        ("prepared", {"inputs": []}),
        ("dataset", {"source": {}}),
    ],
)
def test_what_a_forged_manifest_lacks_is_unknown_and_nothing_else(
    chain: Chain, tmp_path: Path, kind: str, values: dict[str, Any]
) -> None:
    store = Store(shutil.copytree(chain.store.root, tmp_path / "artifacts"))
    for artifact in store.all():
        if artifact.kind == kind:
            write_manifest(artifact.path, replace(artifact.manifest(), **values))
    whole = {summary.package.name for summary in packages.package_summaries(chain.store)}
    assert {summary.package.name for summary in packages.package_summaries(store)} == whole
    assert recipe_table(store).row_count == recipe_table(chain.store).row_count
