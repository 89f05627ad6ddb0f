"""Paths of this machine, and addresses (`s3://bucket/key`, `gs://…`), which universal_pathlib reads.

An address has all methods of a Path that are used here, and is typed as one.
"""

import contextlib
import glob
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from tasks.errors import AccessError, DataError, DigitsError, FetchError


def expanded(data: str) -> Path:
    """Return the path that a person means. Raises: DataError for an address that cannot be reached."""
    if "://" in data:
        try:
            from upath import UPath

            path = UPath(data)
            # The library of the store is imported when it is first asked for.
            path.fs  # noqa: B018
        except ImportError as error:
            raise DataError(
                "what reads such addresses is not installed",
                file=data,
                expected="the package of that store",
                received=str(error),
                remedy="in the clone: .venv/bin/python -m pip install -e '.[s3]' for s3://, gcsfs for gs://",
            ) from error
        except ValueError as error:
            raise _unreachable(DataError, data, error) from error
        return cast(Path, path)
    with contextlib.suppress(RuntimeError):  # ~ of a user who does not exist
        return Path(data).expanduser()
    return Path(data)


def is_remote(path: Path) -> bool:
    """Return whether a path is an address."""
    return not isinstance(path, Path)


@contextlib.contextmanager
def reached(address: str) -> Iterator[None]:
    """Turn what the library of a remote store raises into a FetchError that names the address: it may heal.

    Raises: AccessError, a FetchError that does not heal, where there are no credentials.
    """
    try:
        yield
    except Exception as error:
        if not is_foreign(error):
            raise
        kind = AccessError if "Credential" in type(error).__name__ else FetchError
        raise _unreachable(kind, address, error) from error


def is_foreign(error: Exception) -> bool:
    """Return whether an error's kind is neither ours, Python's, nor Arrow's: that of some library of the network."""
    return type(error).__module__.partition(".")[0] not in {*sys.stdlib_module_names, "tasks", "pyarrow"}


def _unreachable(kind: type[DigitsError], address: str, error: Exception) -> DigitsError:
    return kind(
        "the address cannot be reached",
        file=address,
        expected="a store that answers",
        received=str(error) or type(error).__name__,
        remedy="check the address, the credentials and the network",
    )


def matching(pattern: str) -> list[Path]:
    """Return the paths that fit a pattern (`*`, `?`, `[…]`, `**`), by name. Raises: DataError; OSError."""
    path = expanded(pattern)
    if is_remote(path):
        remote = cast(Any, path)
        with reached(pattern):
            return [expanded(f"{remote.protocol}://{key}") for key in sorted(remote.fs.glob(remote.path))]
    # Path.glob takes no absolute pattern.
    return sorted(map(Path, glob.glob(str(path), recursive=True)))  # noqa: PTH207


def version(path: Path) -> str | None:
    """Return the version of what is at an address, as its store has it (ETag, size, time); None for a local file."""
    remote = cast(Any, path)
    return str(remote.fs.ukey(remote.path)) if is_remote(path) else None


def stamp(path: Path) -> str:
    """Return what tells a file of this machine from what lies there once it is written anew. Raises: OSError.

    Without the inode, which some network mounts give anew at each look.
    """
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"


def for_arrow(path: Path) -> dict[str, Any]:
    """Return the arguments with which pyarrow.parquet reads a path, only the bytes that are asked for."""
    remote = cast(Any, path)
    return {"source": remote.path, "filesystem": remote.fs} if is_remote(path) else {"source": path}
