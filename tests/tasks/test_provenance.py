"""A change of the code makes other artifacts, a change of its comments does not."""

import re
from pathlib import Path

import pytest

from tasks import provenance
from tasks.provenance import Clock, code_version


def test_the_code_version_knows_the_modules_that_are_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {
        "stage_one": '"""Doc."""\nfrom tasks import noun\nX = 1  # why\n',
        "noun": "Y = 2\n",
        "stranger": "Z = 3\n",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))

    def version() -> str:
        code_version.cache_clear()
        return code_version("tasks.stage_one")

    before = version()
    (tmp_path / "stranger.py").write_text("Z = 4\n")
    (tmp_path / "stage_one.py").write_text('"""Other words."""\n\nfrom tasks import noun\n\nX = 1\n')
    assert version() == before
    (tmp_path / "noun.py").write_text("Y = 3\n")
    changed = version()
    assert changed != before
    (tmp_path / "noun.html").write_text("<p>")
    assert version() not in (before, changed)
    code_version.cache_clear()


def test_versions_name_what_decides_results() -> None:
    found = provenance.versions()
    assert {"python", "tensorflow", "keras", "great-expectations", "prefect", "numpy"} <= set(found)
    assert all(re.match(r"[0-9]+\.", version) for version in found.values())


def test_the_clock_counts_cpu_and_wall_seconds() -> None:
    clock = Clock()
    sum(range(3_000_000))
    read = clock.read()
    assert read["cpu"] > 0
    assert read["wall"] > 0
