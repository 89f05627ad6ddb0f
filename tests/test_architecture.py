"""The three arrows of the house, and that it is quick to enter."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STAGES = {"ingest", "validate", "prepare", "fit", "combine", "evaluate", "package", "promote", "conclude", "score"}
STAGES |= {"rank", "tune"}
RIM = {"stage"}  # where plain functions meet Prefect
NOUNS = {path.stem for path in (ROOT / "tasks").glob("*.py")} - STAGES - RIM - {"__init__"}


def imports(path: Path) -> set[str]:
    """Names of the modules that a file imports anywhere, `tasks.x` for `from tasks import x` as well."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{name.name}" for name in node.names}
    return found


def test_every_stage_has_a_file() -> None:
    assert {path.stem for path in (ROOT / "tasks").glob("*.py")} >= STAGES


@pytest.mark.parametrize("path", sorted((ROOT / "tasks").glob("*.py")), ids=lambda path: path.stem)
def test_tasks_never_import_flows(path: Path) -> None:
    assert not {name for name in imports(path) if name.partition(".")[0] == "flows"}


@pytest.mark.parametrize("noun", sorted(NOUNS))
def test_a_noun_imports_neither_a_stage_nor_prefect(noun: str) -> None:
    found = imports(ROOT / "tasks" / f"{noun}.py")
    assert not found & {f"tasks.{stage}" for stage in STAGES | RIM}
    assert not {name for name in found if name.partition(".")[0] == "prefect"}


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_a_stage_imports_no_other_stage(stage: str) -> None:
    assert not imports(ROOT / "tasks" / f"{stage}.py") & {f"tasks.{other}" for other in STAGES - {stage}}


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("flows.cli", set()),
        ("tasks.scorer", set()),
        ("tasks.scores", set()),
        ("flows.training", {"prefect"}),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_used(module: str, allowed: set[str]) -> None:
    heavy = {"tensorflow", "keras", "great_expectations", "matplotlib", "sklearn", "scipy", "pandas", "prefect", "cv2"}
    program = f"import sys, {module}; print(*{heavy!r} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert set(run.stdout.split()) <= allowed


def test_only_the_agreed_folders_hold_code() -> None:
    folders = {path.relative_to(ROOT).parts[0] for path in ROOT.glob("*/**/*.py") if "site-packages" not in path.parts}
    assert {folder for folder in folders if not folder.startswith(".")} <= {"flows", "tasks", "tests"}
