"""What made an artifact, beside its parameters and inputs: the code, the libraries, the commit, the seconds."""

import ast
import contextlib
import functools
import hashlib
import platform
import resource
import subprocess
import time
from importlib import metadata
from pathlib import Path

LIBRARIES = (
    "digitflow",
    "prefect",
    "great-expectations",
    "tensorflow",
    "keras",
    "ai-edge-litert",
    "scikit-learn",
    "scipy",
    "pyarrow",
    "numpy",
)
# What carries or shows results and does not decide them, so that a change to it does not make them stale. Recipes
# decide, but as parameters.
PLUMBING = {
    f"tasks.{name}"
    for name in ("errors", "locks", "progress", "provenance", "recipes", "settings", "silence", "stage", "store")
}


@functools.cache
def code_version(module: str) -> str:
    """Digest of the code that a module's results depend on: its own, and that of every module of `tasks` it imports.

    Comments, docstrings and formatting do not count; a template with the module's name does.
    """
    folder = Path(__file__).parent
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in seen and name not in PLUMBING:
            seen.add(name)
            waiting += _imports((folder / f"{name.rpartition('.')[2]}.py").read_text(encoding="utf-8"))
    digest = hashlib.sha256()
    for name in sorted(seen):
        for path in sorted(folder.glob(f"{name.rpartition('.')[2]}.*")):
            text = path.read_text(encoding="utf-8")
            digest.update(_meaning(text).encode() if path.suffix == ".py" else text.encode())
    return digest.hexdigest()[:12]


def _imports(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "tasks":
            found += [f"tasks.{name.name}" for name in node.names]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tasks."):
            found.append(str(node.module))
        elif isinstance(node, ast.Import):
            found += [name.name for name in node.names if name.name.startswith("tasks.")]
    return found


def _meaning(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:]
    return ast.dump(tree)


@functools.cache
def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide results, without importing them."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


@functools.cache
def commit() -> str | None:
    """The commit of the code, with `-dirty` where it has been changed since; None outside a clone."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


class Clock:
    """Wall and CPU seconds (user and system, children that have ended included) since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), self._cpu_now()

    @staticmethod
    def _cpu_now() -> float:
        usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(usage.ru_utime + usage.ru_stime for usage in usages)

    def read(self) -> dict[str, float]:
        return {
            "wall": round(time.perf_counter() - self._wall, 3),
            "cpu": round(self._cpu_now() - self._cpu, 3),
        }
