"""Digits from the network, kept below `data/`: MNIST from public mirrors, Kaggle's through Kaggle's own client.

What is there already, and right, is not fetched again; nothing takes its place there before it is whole and checked.
Every failure is a FetchError that says how to do by hand what could not be done here.
"""

import contextlib
import gzip
import hashlib
import io
import logging
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from tasks.data.streams import unpacked
from tasks.errors import AccessError, FetchError
from tasks.settings import MNIST_MIRRORS, Settings
from tasks.store.files import written_whole

log = logging.getLogger(__name__)

# sha256 of the unpacked files: mirrors have packed them differently.
MNIST = {
    "train-images-idx3-ubyte.gz": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte.gz": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte.gz": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte.gz": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
# More than any of them takes, packed or not: an answer without end must not fill the disk.
MNIST_LIMIT = 64 * 1024 * 1024
TIMEOUT = 30.0

COMPETITION = "digit-recognizer"
KAGGLE_PAGE = f"https://www.kaggle.com/c/{COMPETITION}"
CREDENTIALS = (
    "put a token from https://www.kaggle.com/settings/api into KAGGLE_API_TOKEN or the file ~/.kaggle/access_token"
)
T = TypeVar("T")


class AttemptError(Exception):
    """The failure of one attempt; the message says why."""


class _RefusedError(AttemptError):
    """The failure of one attempt where every other would fail, too."""


# --- MNIST ------------------------------------------------------------------------------------------------------


def fetch_mnist(settings: Settings) -> Path:
    """Return the folder with MNIST's four files, fetched where they are missing or wrong.

    Raises: FetchError if no mirror gives one of them whole.
    """
    folder = settings.data / "mnist"
    for name, sha256 in MNIST.items():
        if not _is_there(folder / name, sha256):
            _keep(_fetched_from_any(settings.mnist_mirrors, name, sha256, folder), folder / name)
    return folder


def _fetched_from_any(mirrors: tuple[str, ...], name: str, sha256: str, folder: Path) -> bytes:
    """Return a file from the first mirror that gives it whole. Raises: FetchError if none does."""
    reasons = []
    for mirror in mirrors:
        address = f"{mirror.rstrip('/')}/{name}"
        try:
            content = _downloaded(address)
            if not _is_right(io.BytesIO(content), sha256):
                raise AttemptError("the contents are damaged or not the published ones")
            log.info("%s: fetched from %s", name, mirror)
            return content
        except AttemptError as failure:
            log.warning("%s: %s", address, failure)
            reasons.append(f"{address}: {failure}")
    raise FetchError(
        "MNIST cannot be fetched",
        file=name,
        received=", ".join(reasons) or "no mirror to ask",
        remedy=f"try again, or download {', '.join(MNIST)} by hand, from {MNIST_MIRRORS[0]}, into {folder}",
    )


def _downloaded(address: str) -> bytes:
    """Return what is at an address. Raises: AttemptError."""
    import httpx

    # The bytes as they are: a server that calls the .gz an encoding of the file must not have it unpacked here.
    request = httpx.stream(
        "GET", address, timeout=TIMEOUT, follow_redirects=True, headers={"Accept-Encoding": "identity"}
    )
    content = bytearray()
    try:
        with request as response:
            response.raise_for_status()
            for chunk in response.iter_raw():
                content += chunk
                if len(content) > MNIST_LIMIT:
                    raise AttemptError(f"the answer is larger than {MNIST_LIMIT:,} bytes")
    except httpx.HTTPStatusError as error:
        raise AttemptError(f"the answer is {error.response.status_code} {error.response.reason_phrase}") from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise AttemptError(str(error) or type(error).__name__) from error
    return bytes(content)


def _is_there(path: Path, sha256: str) -> bool:
    try:
        with path.open("rb") as file:
            return _is_right(file, sha256)
    except OSError:
        return False


def _is_right(file: BinaryIO, sha256: str) -> bool:
    """Return whether a file's unpacked contents have this digest."""
    digest = hashlib.sha256()
    size = 0
    try:
        contents = unpacked(file)
        while size <= MNIST_LIMIT and (chunk := contents.read(1024 * 1024)):
            digest.update(chunk)
            size += len(chunk)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return False
    return digest.hexdigest() == sha256


def _keep(content: bytes, path: Path) -> None:
    """Write a file whole. Raises: FetchError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as file:
            file.write(content)
    except OSError as error:
        raise FetchError(
            "the folder cannot be written",
            file=str(path.parent),
            received=error.strerror,
            remedy="mend its permissions, or set DIGITS_HOME to another folder",
        ) from error


# --- Kaggle -----------------------------------------------------------------------------------------------------


def fetch_kaggle(settings: Settings) -> Path:
    """Return Kaggle's digit-recognizer.zip, fetched with the user's credentials unless it is there.

    Raises: FetchError without a network; AccessError without credentials, or with the competition's rules not accepted.
    """
    path = settings.data / "kaggle" / f"{COMPETITION}.zip"
    if zipfile.is_zipfile(path):
        return path
    by_hand = f"download {KAGGLE_PAGE}/data by hand and put the zip at {path}"
    content = ask_kaggle(_zip_from_kaggle, "Kaggle's digits cannot be fetched", by_hand)
    _keep(content, path)
    log.info("%s: fetched from Kaggle", path.name)
    return path


def ask_kaggle(question: Callable[[Any], T], failure: str, by_hand: str) -> T:
    """Return the answer to a question, which is called with Kaggle's client and the user's credentials in it.

    failure, by_hand: what did not work, and how to do it without the client, for the message.
    Raises: FetchError, also for an AttemptError of the question; AccessError without credentials, or with the rules not
    accepted.
    """
    try:
        return _asked(question)
    except AttemptError as error:
        kind = AccessError if isinstance(error, _RefusedError) else FetchError
        raise kind(f"{failure}: {error}, or {by_hand}") from error


def _asked(question: Callable[[Any], T]) -> T:
    try:
        # It greets those without credentials with a page of help on stdout, already when imported.
        with contextlib.redirect_stdout(io.StringIO()):
            from kaggle.api.kaggle_api_extended import KaggleApi

            api = KaggleApi()
            api.authenticate()
            return question(api)
    except AttemptError:
        raise
    except SystemExit as error:
        raise _RefusedError(f"there are no valid credentials; to go on, {CREDENTIALS}") from error
    except Exception as error:  # of requests, of urllib3, of its own: the client promises no kind of error
        raise _explained(error) from error


def _zip_from_kaggle(api: Any) -> bytes:
    """Return the zip that Kaggle sends. Raises: AttemptError."""
    with tempfile.TemporaryDirectory() as folder:
        api.competition_download_files(COMPETITION, path=folder, force=True, quiet=True)
        path = Path(folder) / f"{COMPETITION}.zip"
        if not _is_sound(path):
            raise AttemptError("what Kaggle sent is not a whole zip; to go on, try again")
        return path.read_bytes()


def _explained(error: Exception) -> AttemptError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 401:
        return _RefusedError(f"the credentials are refused; to go on, {CREDENTIALS}")
    if status == 403:
        return _RefusedError(f"the competition's rules are not accepted; to go on, accept them at {KAGGLE_PAGE}/rules")
    received = str(error)[:200] or type(error).__name__
    return AttemptError(f"Kaggle cannot be reached; received {received}; to go on, try again")


def _is_sound(path: Path) -> bool:
    """Return whether a file is a zip, and every member's checksum holds."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile):
        return False
