"""The provenance of an artifact, beside its parameters and inputs: code, libraries, commit, seconds."""

import contextlib
import functools
import hashlib
import io
import logging
import platform
import resource
import subprocess
import sys
import time
import tokenize
import uuid
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from tasks.store.files import written_whole

log = logging.getLogger(__name__)

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
INSIGNIFICANT = {"COMMENT", "NL", "ENDMARKER"}
LENGTH = 12  # hexadecimal digits of a version
TICK = 2.0  # seconds, of the coarsest file systems


def _files_as_they_are() -> tuple[str, float]:
    """Return a digest of the names, sizes and times of change of all files of code, and the latest of these times."""
    # Hidden ones are those of editors, some of them links to nothing.
    paths = sorted(path for ending in ("py", "html") for path in (ROOT / "tasks").rglob(f"[!.]*.{ending}"))
    files = {path: path.stat() for path in paths}
    changes = [(str(path), stat.st_size, stat.st_ctime_ns) for path, stat in files.items()]
    return hashlib.sha256(repr(changes).encode()).hexdigest(), max(stat.st_ctime for stat in files.values())


AT_START, _ = _files_as_they_are()


@functools.cache
def code_version(module: str) -> str:
    """Return the digest of the code that a module's results depend on, in 12 hexadecimal digits.

    That is its own code, that of every module of `tasks` it imports, and the templates of their rooms. Comments,
    docstrings and line breaks do not count, and every release of Python gives the same digest.

    It is not computed again where no file has changed since it was kept, by the time of change, which nobody can set.
    It is not kept where a file was changed just now, and could change once more within the same tick of the clock.
    Where a file was changed while this process ran, nobody can tell which code runs: then it is a version of its own.
    """
    stamp, changed = _files_as_they_are()
    if stamp != AT_START:
        log.warning("the code was changed meanwhile: what is made from now on is not found again; start anew")
        return uuid.uuid4().hex[:LENGTH]
    kept = ROOT / "tasks" / "__pycache__" / f"{module}.code-version"
    with contextlib.suppress(OSError, ValueError):
        known_stamp, version = kept.read_text(encoding="ascii").split()
        if known_stamp == stamp and len(version) == LENGTH:
            return version
    version = _computed_version(module)
    if not sys.dont_write_bytecode and changed < time.time() - TICK:
        with contextlib.suppress(OSError):
            kept.parent.mkdir(exist_ok=True)
            with written_whole(kept) as file:
                file.write(f"{stamp} {version}".encode())
    return version


def _computed_version(module: str) -> str:
    modules: dict[str, list[tuple[int, list[str]]]] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in modules or name in PLUMBING or f"{name}.".startswith(f"{PLUMBING_ROOM}."):
            continue
        modules[name] = statements = list(_statements(_file(name).read_text(encoding="utf-8")))
        for _, statement in statements:
            waiting += _imports(statement)
    digest = hashlib.sha256()
    for _, statements in sorted(modules.items()):
        digest.update(repr(statements).encode())
    for folder in sorted({_file(name).parent / "templates" for name in modules}):
        for template in sorted(folder.glob("[!.]*")):
            digest.update(template.read_bytes())
    return digest.hexdigest()[:LENGTH]


def _file(module: str) -> Path:
    """Return the file of a module, of a package its `__init__.py`; it need not exist."""
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _imports(statement: list[str]) -> list[str]:
    """Return the names of the modules of `tasks` that a statement imports. statement: its tokens."""
    keyword, *tokens = statement
    if keyword == "import":
        return [name for name in _names(tokens) if name.startswith("tasks.")]
    if keyword != "from" or tokens[0] != "tasks":
        return []
    end = tokens.index("import")
    module = "".join(tokens[:end])
    submodules = [f"{module}.{name}" for name in _names(tokens[end + 1 :])]
    return [module, *(name for name in submodules if _file(name).exists())]


def _names(tokens: list[str]) -> list[str]:
    """Return the dotted names that are imported. tokens: what follows `import`."""
    names = " ".join(token for token in tokens if token not in "()").split(",")
    return [name.partition(" as ")[0].replace(" ", "") for name in names if name.strip()]


def _statements(source: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the depth of indentation and the tokens of each statement, but for those of strings alone: docstrings.

    Not by `ast`: under Python 3.11 that fails now and then where another thread uses it, too (CPython's issue 106905).
    """
    depth = 0
    statement: list[str] = []
    only_strings = True
    for kind, text in _tokens(source):
        if kind == "INDENT":
            depth += 1
        elif kind == "DEDENT":
            depth -= 1
        elif kind == "NEWLINE":
            if not only_strings:
                yield depth, statement
            statement, only_strings = [], True
        else:
            statement.append(text)
            only_strings = only_strings and kind == "STRING"


def _tokens(source: str) -> Iterator[tuple[str, str]]:
    """Yield kind and text of each token; an f-string is one, as it is no more for Python from 3.12 on."""
    lines = source.splitlines(keepends=True)
    f_strings, start = 0, (0, 0)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        if kind == "FSTRING_START":
            f_strings += 1
            start = token.start if f_strings == 1 else start
        elif kind == "FSTRING_END":
            f_strings -= 1
            if not f_strings:
                yield "STRING", _between(lines, start, token.end)
        elif not f_strings and kind not in INSIGNIFICANT:
            yield kind, token.string


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
    if not (ROOT / ".git").exists():  # what is installed may lie in somebody else's clone
        return None
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
