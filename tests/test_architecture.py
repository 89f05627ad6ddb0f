"""The floors of the house, whose imports never climb, and that it is quick to enter."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
VERBS = "ingest validate prepare fit combine evaluate package promote conclude score rank tune"
# From the roof to the ground. A room imports only from lower floors, and from the rooms named beside it here
# where a line lists several; a verb never another verb.
FLOORS = [
    ["flows.cli"],
    ["flows"],
    ["flows.operations"],
    [f"tasks.{verb}" for verb in VERBS.split()],
    ["tasks.stage"],
    ["tasks.history"],
    ["tasks.reviewing"],
    ["tasks.scoring", "tasks.registry"],
    ["tasks.reports", "tasks.models"],
    ["tasks.judging", "tasks.training", "tasks.pictures"],
    ["tasks.data"],
    ["tasks.store"],
    ["tasks.settings", "tasks.progress", "tasks.silence", "tasks.words"],
    ["tasks.errors"],
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
MODULES = sorted([*ROOT.glob("flows/**/*.py"), *ROOT.glob("tasks/**/*.py")])


def name_of(path: Path) -> str:
    """The dotted name of a module; of a package's `__init__.py` that of the package."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room_of(module: str) -> str | None:
    """The longest name of a room that a module, or a name in it, begins with; None for `tasks` itself and strangers."""
    return max((room for room in FLOOR if f"{module}.".startswith(f"{room}.")), key=len, default=None)


def imports(path: Path) -> set[str]:
    """Names of the modules that a file imports anywhere, `tasks.x` for `from tasks import x` as well."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{name.name}" for name in node.names}
    return names


def test_every_module_has_its_floor() -> None:
    assert {room_of(name_of(path)) for path in MODULES if name_of(path) != "tasks"} == set(FLOOR)


def arrows() -> set[tuple[str, str]]:
    """Each import of a module of ours by another, as their two names."""
    modules = {name_of(path) for path in MODULES}
    named = {(name_of(path), name) for path in MODULES for name in imports(path)}
    return {(source, name if name in modules else name.rpartition(".")[0]) for source, name in named}


def test_no_import_climbs() -> None:
    climbing = {
        f"{source} imports {target}"
        for source, target in arrows()
        if (start := room_of(source)) and (end := room_of(target)) and start != end and FLOOR[end] <= FLOOR[start]
    }
    assert not climbing


def test_no_imports_go_round_in_a_circle() -> None:
    imported: dict[str, set[str]] = {}
    for source, target in arrows():
        imported.setdefault(source, set()).add(target)
    graphlib.TopologicalSorter(imported).prepare()  # raises graphlib.CycleError, which names the circle


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_flows_and_the_rim_import_prefect(path: Path) -> None:
    allowed = path.parts[len(ROOT.parts)] == "flows" or name_of(path) == "tasks.stage"
    assert allowed or not {name for name in imports(path) if name.partition(".")[0] == "prefect"}


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("flows.cli.app", set()),
        ("tasks.models.scorer", set()),
        ("tasks.scoring.scores", set()),
        ("flows.reviewing.server", set()),
        ("flows.drawing.pages", {"cv2"}),
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
