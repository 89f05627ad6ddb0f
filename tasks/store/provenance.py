"""The provenance of an artifact, beside its parameters and inputs: code, libraries, commit, seconds."""

import ast
import contextlib
import functools
import hashlib
import io
import platform
import resource
import subprocess
import time
import tokenize
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
# They carry or show results without deciding them, so a change to them makes no result stale. Recipes do decide, but
# they count as parameters.
PLUMBING = {f"tasks.{name}" for name in ("errors", "progress", "settings", "silence", "stage", "training.recipes")}
PLUMBING_ROOM = "tasks.store"
ROOT = Path(__file__).resolve().parents[2]
INSIGNIFICANT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


@functools.cache
def code_version(module: str) -> str:
    """Return the digest of the code that a module's results depend on, in 12 hexadecimal digits.

    That is its own code, that of every module of `tasks` it imports, and the templates of their rooms. Comments,
    docstrings and line breaks do not count, and every release of Python gives the same digest.
    """
    modules: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in modules or name in PLUMBING or f"{name}.".startswith(f"{PLUMBING_ROOM}."):
            continue
        modules[name] = path = _file(name)
        waiting += _imports(path.read_text(encoding="utf-8"))
    digest = hashlib.sha256()
    for _, path in sorted(modules.items()):
        digest.update(_significant(path.read_text(encoding="utf-8")).encode())
    for folder in sorted({path.parent / "templates" for path in modules.values()}):
        for template in sorted(folder.glob("*")):
            digest.update(template.read_bytes())
    return digest.hexdigest()[:12]


def _file(module: str) -> Path:
    """Return the file of a module, of a package its `__init__.py`; it need not exist."""
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _imports(source: str) -> list[str]:
    """Return the names of the modules of `tasks` that a source imports anywhere."""
    modules = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("tasks."):
            submodules = [f"{node.module}.{name.name}" for name in node.names]
            modules += [str(node.module), *(name for name in submodules if _file(name).exists())]
        elif isinstance(node, ast.Import):
            modules += [name.name for name in node.names if name.name.startswith("tasks.")]
    return modules


def _significant(source: str) -> str:
    """Return a source without comments, docstrings and blank lines, a token a line.

    Line breaks within a statement do not count; indentation counts by its depth. From Python 3.12 on an f-string is
    several tokens; here it is one, as before.
    """
    docstrings = {
        (node.body[0].lineno, node.body[0].col_offset)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and ast.get_docstring(node) is not None
    }
    lines = source.splitlines(keepends=True)
    tokens = []
    depth = f_strings = 0
    f_string_start = (0, 0)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        if kind == "INDENT":
            depth += 1
        elif kind == "DEDENT":
            depth -= 1
        if kind == "FSTRING_START":
            f_strings += 1
            f_string_start = token.start if f_strings == 1 else f_string_start
        elif kind == "FSTRING_END":
            f_strings -= 1
            if not f_strings:
                tokens.append(_between(lines, f_string_start, token.end))
        elif not f_strings and token.type not in INSIGNIFICANT and token.start not in docstrings:
            tokens.append(token.string)
        elif kind == "NEWLINE" and tokens and not tokens[-1].startswith("\n"):
            tokens.append(f"\n{depth}")
    return "\n".join(tokens)


def _between(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    """Return the text of a source from one position to another, each a line from 1 and a column from 0."""
    if start[0] == end[0]:
        return lines[start[0] - 1][start[1] : end[1]]
    first, last = lines[start[0] - 1], lines[end[0] - 1]
    return "".join([first[start[1] :], *lines[start[0] : end[0] - 1], last[: end[1]]])


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that decide results, without importing them."""
    by_name = {"python": platform.python_version()}
    for name in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            by_name[name] = metadata.version(name)
    return by_name


@functools.cache
def commit() -> str | None:
    """Return the commit of the code, with `-dirty` where it has been changed since; None outside a clone."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


class Clock:
    """Wall and CPU seconds (user and system, children that have ended included) since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), _cpu_seconds()

    def read(self) -> dict[str, float]:
        return {"wall": round(time.perf_counter() - self._wall, 3), "cpu": round(_cpu_seconds() - self._cpu, 3)}


def _cpu_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
