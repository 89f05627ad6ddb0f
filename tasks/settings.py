"""Settings: where files are kept, by the libraries as well. The only reader of `DIGITS_*` variables."""

import contextlib
import ctypes
import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import StoreError

# Mirrors of Yann LeCun's files, tried in turn (his own server asks for a password since 2022).
MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
PREFECT_BYTES = 5_000_000  # its database, when new, and its log of writing


@dataclass(frozen=True)
class Settings:
    """Everything that depends on the machine and not on the work.

    home: folder that holds `artifacts/`, `data/` and `.prefect/` (DIGITS_HOME; default: the clone that this file
        lies in, else the current folder).
    mnist_mirrors: addresses that the MNIST files are fetched from, tried in turn (DIGITS_MNIST_MIRRORS, with commas).
    """

    home: Path
    mnist_mirrors: tuple[str, ...] = MNIST_MIRRORS

    @property
    def artifacts(self) -> Path:
        return self.home / "artifacts"

    @property
    def data(self) -> Path:
        return self.home / "data"


def load() -> Settings:
    """Read the settings of this process from its environment."""
    mirrors = os.environ.get("DIGITS_MNIST_MIRRORS")
    return Settings(
        home=Path(os.environ.get("DIGITS_HOME") or _default_home()).expanduser().absolute(),
        mnist_mirrors=tuple(mirrors.split(",")) if mirrors else MNIST_MIRRORS,
    )


def _default_home() -> Path:
    clone = Path(__file__).resolve().parent.parent
    return clone if (clone / "pyproject.toml").exists() else Path.cwd()


def keep_libraries_home(settings: Settings) -> None:
    """Point the libraries' state below `settings.home` and silence their telemetry; what the user has set stays.

    To be called before prefect, keras, matplotlib or great_expectations is imported.
    """
    defaults = {
        "PREFECT_HOME": settings.home / ".prefect",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        # A fresh database takes 20 s and more to migrate, which is the default time-out of the embedded server.
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        # `digits up` takes a run that is silent for longer for dead.
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "tasks,flows",
        # The same functions also run without Prefect, and log then as any library does.
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "GX_ANALYTICS_ENABLED": "false",
        "KERAS_HOME": settings.home / ".cache" / "keras",
        "MPLCONFIGDIR": settings.home / ".cache" / "matplotlib",
        "MPLBACKEND": "agg",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # Its own pool keeps what it has freed, 50 MB of it beside a fit.
        "ARROW_DEFAULT_MEMORY_POOL": "system",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, str(value))


def share_memory() -> None:
    """Let all threads share two of glibc's memory arenas; with one for each thread, a run keeps 100 MB more.

    This is MALLOC_ARENA_MAX=2, which would have to be set before the process starts. Without glibc nothing happens.
    """
    arena_max = -8  # M_ARENA_MAX of malloc.h
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(arena_max, 2)


def make_home(settings: Settings) -> None:
    """Make the folder that Prefect keeps its state in; Prefect itself makes none above it.

    Raises: StoreError if it cannot be made, or its disk is full.
    """
    try:
        folder = Path(os.environ.get("PREFECT_HOME") or settings.home / ".prefect")
        folder.mkdir(parents=True, exist_ok=True)
        # Where its database cannot grow, Prefect tries for minutes.
        if shutil.disk_usage(folder).free < PREFECT_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    except OSError as error:
        raise StoreError(
            "Prefect cannot keep its state here",
            file=str(error.filename),
            received=error.strerror,
            remedy="free space, mend the permissions, or set DIGITS_HOME to another folder",
        ) from error
