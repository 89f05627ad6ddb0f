"""Fetching, against servers on this machine: whole, broken and refused answers, and the way out when all fails."""

import gzip
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tasks.data import downloads
from tasks.data.downloads import fetch_kaggle, fetch_mnist
from tasks.data.sources import recognise
from tasks.errors import FetchError
from tasks.settings import MNIST_MIRRORS, Settings
from tests import making


@dataclass
class Answer:
    """What a server says. length: what it claims, where that is not the truth."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None


@dataclass
class Server:
    """A server on this machine; 404 for what it has no answer to. asked: the paths so far."""

    address: str
    answers: dict[str, Answer]
    asked: list[str]


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    running = []

    def start(answers: dict[str, Answer] | None = None) -> Server:
        server = Server("", answers or {}, [])

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                server.asked.append(self.path)
                answer = server.answers.get(self.path.partition("?")[0], Answer(status=404))
                self.send_response(answer.status)
                length = len(answer.body) if answer.length is None else answer.length
                for name, value in {"Content-Length": str(length), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *arguments: object) -> None:
                pass

        http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((http, thread))
        server.address = f"http://127.0.0.1:{http.server_port}"
        return server

    yield start
    for http, thread in running:
        http.shutdown()
        thread.join()
        http.server_close()


# --- MNIST ------------------------------------------------------------------------------------------------------

IMAGES = "train-images-idx3-ubyte.gz"


@pytest.fixture
def mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Answer]:
    """Right answers for all four files, with few digits in each."""
    folder = making.write_idx(making.write_idx(tmp_path / "published", making.digits(20)), making.digits(10), "t10k")
    contents = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(
        downloads,
        "MNIST",
        {name: hashlib.sha256(gzip.decompress(content)).hexdigest() for name, content in sorted(contents.items())},
    )
    return {f"/{name}": Answer(content) for name, content in contents.items()}


def settings(home: Path, *mirrors: Server) -> Settings:
    return Settings(home / "home", tuple(f"{mirror.address}/" for mirror in mirrors))


def test_mnist_is_fetched_whole_and_recognised(
    tmp_path: Path, serve: Callable[..., Server], mnist: dict[str, Answer]
) -> None:
    here = settings(tmp_path, serve(mnist))
    tables = recognise("mnist", here).tables
    assert {name: sum(len(batch.digits) for batch in table.read()) for name, table in tables.items()} == {
        "train": 20,
        "test": 10,
    }
    assert sorted(path.name for path in (here.data / "mnist").iterdir()) == sorted(downloads.MNIST)


def test_right_files_are_not_fetched_again_and_wrong_ones_are(
    tmp_path: Path, serve: Callable[..., Server], mnist: dict[str, Answer]
) -> None:
    server = serve(mnist)
    here = settings(tmp_path, server)
    folder = fetch_mnist(here)
    server.asked.clear()
    fetch_mnist(here)
    assert server.asked == []
    (folder / IMAGES).write_bytes(b"something else")
    fetch_mnist(here)
    assert server.asked == [f"/{IMAGES}"]
    assert (folder / IMAGES).read_bytes() == mnist[f"/{IMAGES}"].body


def test_file_that_a_browser_has_unpacked_is_right_too(
    tmp_path: Path, serve: Callable[..., Server], mnist: dict[str, Answer]
) -> None:
    server = serve(mnist)
    here = settings(tmp_path, server)
    path = fetch_mnist(here) / IMAGES
    path.write_bytes(gzip.decompress(path.read_bytes()))
    server.asked.clear()
    assert len(recognise("mnist", here).tables) == 2
    assert server.asked == []


def test_file_sent_as_an_encoding_is_kept_as_it_is(
    tmp_path: Path, serve: Callable[..., Server], mnist: dict[str, Answer]
) -> None:
    for answer in mnist.values():
        answer.headers["Content-Encoding"] = "gzip"
    assert (fetch_mnist(settings(tmp_path, serve(mnist))) / IMAGES).read_bytes() == mnist[f"/{IMAGES}"].body


def truncated(answer: Answer) -> Answer:
    return Answer(answer.body[:-100], length=len(answer.body))


def shortened(answer: Answer) -> Answer:
    return Answer(answer.body[:-100])


def corrupted(answer: Answer) -> Answer:
    return Answer(answer.body[:500] + b"\0\1\2\3" + answer.body[504:])


def replaced(answer: Answer) -> Answer:
    return Answer(gzip.compress(b"another file"))


def gone(answer: Answer) -> Answer:
    return Answer(status=404)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (
            truncated,
            r"peer closed connection without sending complete message body \(received \d+ bytes, expected \d+\)",
        ),
        (shortened, "the contents are damaged or not the published ones"),
        (corrupted, "the contents are damaged or not the published ones"),
        (replaced, "the contents are damaged or not the published ones"),
        (gone, "the answer is 404 Not Found"),
    ],
)
def test_bad_answer_is_made_good_by_the_next_mirror_or_explained(
    tmp_path: Path,
    serve: Callable[..., Server],
    mnist: dict[str, Answer],
    spoil: Callable[[Answer], Answer],
    reason: str,
) -> None:
    spoiled = serve(mnist | {f"/{IMAGES}": spoil(mnist[f"/{IMAGES}"])})
    alone = settings(tmp_path / "alone", spoiled)
    with pytest.raises(
        FetchError, match=f"^{IMAGES}: MNIST cannot be fetched; received {spoiled.address}/{IMAGES}: {reason}; "
    ):
        fetch_mnist(alone)
    assert IMAGES not in {path.name for path in (alone.data / "mnist").iterdir()}
    folder = fetch_mnist(settings(tmp_path, spoiled, serve(mnist)))
    assert (folder / IMAGES).read_bytes() == mnist[f"/{IMAGES}"].body
    assert sorted(path.name for path in folder.iterdir()) == sorted(downloads.MNIST)


def test_without_a_network_one_line_says_what_to_do_by_hand(tmp_path: Path) -> None:
    here = Settings(tmp_path, ("http://127.0.0.1:9/mnist/",))
    with pytest.raises(FetchError) as error:
        recognise("mnist", here)
    assert str(error.value) == (
        "train-images-idx3-ubyte.gz: MNIST cannot be fetched; "
        "received http://127.0.0.1:9/mnist/train-images-idx3-ubyte.gz: [Errno 111] Connection refused; "
        "to go on, try again, or download train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, "
        "t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz by hand, "
        f"from {MNIST_MIRRORS[0]}, into {tmp_path}/data/mnist"
    )


def test_answer_without_end_is_cut_off(
    tmp_path: Path, serve: Callable[..., Server], mnist: dict[str, Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "MNIST_LIMIT", 1_000)
    with pytest.raises(FetchError, match="the answer is larger than 1,000 bytes"):
        fetch_mnist(settings(tmp_path, serve(mnist)))


def test_mirror_that_is_no_address_is_explained(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="Request URL is missing an 'http://' or 'https://' protocol"):
        fetch_mnist(Settings(tmp_path, ("nowhere",)))


def test_folder_that_cannot_be_written_is_explained(
    tmp_path: Path, serve: Callable[..., Server], mnist: dict[str, Answer]
) -> None:
    here = settings(tmp_path, serve(mnist))
    here.home.mkdir()
    here.data.write_text("a file where the folder should be")
    with pytest.raises(FetchError) as error:
        fetch_mnist(here)
    assert str(error.value) == (
        f"{here.data}/mnist: the folder cannot be written; received Not a directory; "
        "to go on, mend its permissions, or set DIGITS_HOME to another folder"
    )


SHARED = Path(__file__).parents[4] / "shared" / "data" / "mnist"


@pytest.mark.skipif(not SHARED.exists(), reason="MNIST's files are not here")
def test_checksums_are_those_of_the_published_files(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mnist").symlink_to(SHARED)
    assert len(list(fetch_mnist(Settings(tmp_path, ())).iterdir())) == 4


# --- Kaggle -----------------------------------------------------------------------------------------------------

DOWNLOAD = "/api/v1/competitions.CompetitionApiService/DownloadDataFiles"
INTROSPECT = "/api/v1/security.OAuthService/IntrospectToken"
ZIP = "/storage/digit-recognizer.zip"


@pytest.fixture
def kaggle(tmp_path: Path, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server in Kaggle's place, that all of Kaggle's client talks to; nobody's credentials are there."""
    home = tmp_path / "person"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    from kaggle.api.kaggle_api_extended import KaggleApi
    from kagglesdk import kaggle_env  # type: ignore[import-untyped]

    path = making.write_kaggle_zip(tmp_path / "published.zip", making.digits(20), making.digits(10))
    server = serve({ZIP: Answer(path.read_bytes())})
    server.answers[DOWNLOAD] = Answer(status=302, headers={"Location": f"{server.address}{ZIP}?signed=yes"})
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, server.address)
    monkeypatch.setattr(KaggleApi, "args", ["--local"])
    monkeypatch.setattr(KaggleApi, "config", str(home / "kaggle.json"))
    return server


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch, kaggle: Server) -> None:
    """A token in the environment, that Kaggle knows."""
    monkeypatch.setenv("KAGGLE_API_TOKEN", "secret")
    body = json.dumps({"active": True, "username": "somebody"}).encode()
    kaggle.answers[INTROSPECT] = Answer(body, headers={"Content-Type": "application/json"})


def by_hand(here: Settings) -> str:
    return (
        "or download https://www.kaggle.com/c/digit-recognizer/data by hand and put the zip at "
        f"{here.data}/kaggle/digit-recognizer.zip"
    )


CREDENTIALS = (
    "put a token from https://www.kaggle.com/settings/api into KAGGLE_API_TOKEN or the file ~/.kaggle/access_token"
)


@pytest.mark.usefixtures("token")
def test_kaggle_is_fetched_with_the_clients_token_and_recognised(here: Settings, kaggle: Server) -> None:
    tables = recognise("kaggle", here).tables
    assert {name: sum(len(batch.digits) for batch in table.read()) for name, table in tables.items()} == {
        "train": 20,
        "test": 10,
    }
    assert [path.name for path in (here.data / "kaggle").iterdir()] == ["digit-recognizer.zip"]


def test_kaggle_is_fetched_with_a_name_and_key(here: Settings, kaggle: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_USERNAME", "somebody")
    monkeypatch.setenv("KAGGLE_KEY", "secret")
    assert fetch_kaggle(here).read_bytes() == kaggle.answers[ZIP].body


def test_kaggles_zip_that_is_there_is_not_fetched_again(here: Settings, kaggle: Server) -> None:
    path = here.data / "kaggle" / "digit-recognizer.zip"
    path.parent.mkdir(parents=True)
    making.write_kaggle_zip(path, making.digits(20), making.digits(10))
    assert fetch_kaggle(here) == path
    assert kaggle.asked == []


@pytest.mark.usefixtures("token")
def test_half_a_zip_that_is_there_is_fetched_again(here: Settings, kaggle: Server) -> None:
    path = here.data / "kaggle" / "digit-recognizer.zip"
    path.parent.mkdir(parents=True)
    path.write_bytes(kaggle.answers[ZIP].body[:1_000])
    assert fetch_kaggle(here).read_bytes() == kaggle.answers[ZIP].body


def test_without_credentials_one_line_says_where_to_put_them(
    here: Settings, kaggle: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(FetchError) as error:
        recognise("kaggle", here)
    assert str(error.value) == (
        f"Kaggle's digits cannot be fetched: there are no valid credentials; to go on, {CREDENTIALS}, {by_hand(here)}"
    )
    assert capsys.readouterr().out == ""
    assert kaggle.asked == []


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, f"the credentials are refused; to go on, {CREDENTIALS}"),
        (
            403,
            "the competition's rules are not accepted; "
            "to go on, accept them at https://www.kaggle.com/c/digit-recognizer/rules",
        ),
    ],
)
def test_refusal_by_kaggle_is_explained(here: Settings, kaggle: Server, status: int, reason: str) -> None:
    kaggle.answers[DOWNLOAD] = Answer(status=status)
    with pytest.raises(FetchError) as error:
        fetch_kaggle(here)
    assert str(error.value) == f"Kaggle's digits cannot be fetched: {reason}, {by_hand(here)}"
    assert not (here.data / "kaggle").exists()


@pytest.mark.usefixtures("token")
def test_token_that_kaggle_does_not_know_is_no_credentials(here: Settings, kaggle: Server) -> None:
    kaggle.answers[INTROSPECT] = Answer(status=403)
    with pytest.raises(
        FetchError, match=r"^Kaggle's digits cannot be fetched: there are no valid credentials; to go on, "
    ):
        fetch_kaggle(here)


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body[:-200],
        lambda body: b"<html>Sign in</html>",
        lambda body: body[:3_000] + b"\0\0" + body[3_002:],
    ],
)
def test_what_is_not_a_whole_zip_is_not_kept(here: Settings, kaggle: Server, spoil: Callable[[bytes], bytes]) -> None:
    kaggle.answers[ZIP] = Answer(spoil(kaggle.answers[ZIP].body))
    with pytest.raises(FetchError) as error:
        fetch_kaggle(here)
    assert str(error.value) == (
        f"Kaggle's digits cannot be fetched: what Kaggle sent is not a whole zip; to go on, try again, {by_hand(here)}"
    )
    assert not (here.data / "kaggle").exists()


@pytest.mark.usefixtures("token")
def test_kaggle_out_of_reach_is_explained(here: Settings, kaggle: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from kagglesdk import kaggle_env

    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, "http://127.0.0.1:9")
    with pytest.raises(
        FetchError, match=r"^Kaggle's digits cannot be fetched: Kaggle cannot be reached; received HTTP"
    ):
        fetch_kaggle(here)
