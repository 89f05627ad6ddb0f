"""A change of the code makes other artifacts, a change of its comments does not."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from tasks.store import provenance
from tasks.store.provenance import Clock, code_version

SOURCES = {
    "stage_one.py": '"""Doc."""\nfrom tasks.room import noun\nX = f"{noun.Y}"  # why\n\n'
    'def f(a):\n    """Doc."""\n    return a\n',
    "room/__init__.py": '"""Doc."""\n',
    "room/noun.py": "Y = 2\n",
    "room/templates/noun.html": "<p>",
    "stranger.py": "Z = 3\n",
}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small package `tasks`: a stage, the room that it imports from, and a module that nobody imports."""
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    monkeypatch.setattr(provenance, "AT_START", "")
    for name, source in SOURCES.items():
        path = tmp_path / "tasks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    yield tmp_path / "tasks"
    code_version.cache_clear()


def version() -> str:
    """The version for a process that begins now."""
    provenance.AT_START, _ = provenance._files_as_they_are()
    code_version.cache_clear()
    return code_version("tasks.stage_one")


def test_code_that_is_changed_while_a_process_runs_gets_a_version_of_its_own(
    tree: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = version()
    noun = tree / "room" / "noun.py"
    noun.write_text("Y = 3\n")
    code_version.cache_clear()
    meanwhile = code_version("tasks.stage_one")
    assert "the code was changed meanwhile" in caplog.text
    assert code_version("tasks.stage_one") == meanwhile
    assert len({before, meanwhile, version()}) == 3


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("stage_one.py", 'from tasks.room import noun\n\nX = f"{noun.Y}"\ndef f(\n    a\n):\n  # why\n  return a\n'),
        ("room/noun.py", "# A word on it.\nY = 2\n"),
        ("room/__init__.py", '"""Other words."""\n'),
        ("stranger.py", "Z = 4\n"),
    ],
)
def test_comments_docstrings_line_breaks_and_strangers_change_no_version(tree: Path, file: str, source: str) -> None:
    before = version()
    (tree / file).write_text(source)
    assert version() == before


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("stage_one.py", SOURCES["stage_one.py"].replace("noun.Y}", "noun.Y }")),
        (
            "stage_one.py",
            SOURCES["stage_one.py"].replace("    return a", "return a").replace('    """Doc."""\n', "    pass\n"),
        ),
        ("room/noun.py", "Y = 3\n"),
        ("room/__init__.py", "A = 1\n"),
        ("room/templates/noun.html", "<b>"),
    ],
)
def test_a_change_of_code_or_template_changes_the_version(tree: Path, file: str, source: str) -> None:
    before = version()
    (tree / file).write_text(source)
    assert version() != before


def test_what_an_editor_leaves_beside_the_code_counts_for_nothing(tree: Path) -> None:
    before = version()
    (tree / "room" / ".#noun.py").symlink_to("somebody@somewhere.1234")
    code_version.cache_clear()
    assert code_version("tasks.stage_one") == before


def test_a_version_is_had_while_another_thread_parses(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect does, and `ast` fails then now and then: its depth of recursion is one for all threads of Python 3.11."""
    mismatch = SystemError("AST constructor recursion depth mismatch (before=78, after=91)")
    monkeypatch.setattr("builtins.compile", Mock(side_effect=mismatch))
    assert version()


def test_every_release_of_python_gives_the_same_version() -> None:
    """The token streams differ from 3.12 on, in f-strings; the digests must not."""
    program = "from tasks.store.provenance import _computed_version as of; print(of('tasks.evaluate'))"
    runs = [
        subprocess.run([path, "-c", program], cwd=provenance.ROOT, capture_output=True, text=True)
        for minor in (12, 13, 14)
        if (path := shutil.which(f"python3.{minor}"))
    ]
    others = {run.stdout.strip() for run in runs if not run.returncode}
    if not others:
        pytest.skip("there is no other release of Python here")
    assert others == {provenance._computed_version("tasks.evaluate")}


def test_a_version_is_computed_once_and_again_where_a_file_was_changed_or_the_kept_one_is_damaged(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = Mock(side_effect=provenance._computed_version)
    monkeypatch.setattr(provenance, "_computed_version", compute)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    first = version()
    assert version() == first
    assert compute.call_count == 2, "files of this moment are not relied on"
    monkeypatch.setattr(provenance, "TICK", -10.0)
    assert [version(), version()] == [first, first]
    assert compute.call_count == 3
    noun = tree / "room" / "noun.py"
    times = noun.stat()
    noun.write_text(SOURCES["room/noun.py"].replace("2", "3"))
    os.utime(noun, (times.st_atime, times.st_mtime))
    second = version()
    assert second != first
    (kept,) = (tree / "__pycache__").iterdir()
    kept.write_bytes(kept.read_bytes()[:70])
    assert version() == second
    assert compute.call_count == 5


def test_versions_name_what_decides_results() -> None:
    found = provenance.versions()
    assert {"python", "tensorflow", "keras", "great-expectations", "prefect", "numpy"} <= set(found)
    assert all(re.match(r"[0-9]+\.", version) for version in found.values())


def test_an_installation_inside_of_another_clone_has_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "ROOT", provenance.ROOT / "tasks")
    assert provenance.commit.__wrapped__() is None


def test_the_clock_counts_cpu_and_wall_seconds() -> None:
    clock = Clock()
    sum(range(3_000_000))
    read = clock.read()
    assert read["cpu"] > 0
    assert read["wall"] > 0
