"""The `digits` command as a person types it: real processes, what they print and how they exit."""

import json
import re
from pathlib import Path

import pytest
import yaml

from flows.cli.operations import _checked as checked
from tasks.errors import UsageError
from tasks.store import Store
from tasks.training import recipes
from tests import making
from tests.command import PROGRAM, digits
from tests.conftest import Chain

COMMANDS = {
    *("run", "score", "review", "compare", "tune", "recipes", "artifacts", "show", "verify"),
    *("models", "promote", "rollback", "diff", "gc", "up", "down", "deploy", "serve"),
}


def test_help_names_every_command(tmp_path: Path) -> None:
    run = digits("--help", home=tmp_path)
    assert run.returncode == 0
    for command in COMMANDS:
        assert re.search(rf"^│ {command} ", run.stdout, re.MULTILINE)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "--data", "nope.zip"], 3, "digits: nope.zip: there is no such file or folder; expected a file"),
        (
            ["run", "--recipe", "fats"],
            2,
            "digits: there is no recipe 'fats': did you mean fast?; expected one of cnn-augmented, mlp-sig",
        ),
        (
            ["compare", "--recipes", "fast,fats"],
            2,
            "digits: there is no recipe 'fats': did you mean fast?; expected one of",
        ),
        (["tune", "--recipe", "nope.json"], 2, "digits: nope.json: the recipe cannot be read; received No such file"),
        (["run", "--set", "epochs=0"], 2, "digits: epochs is out of range; expected a whole number from 1 to 1000"),
        (["show", "abcd"], 5, "digits: there is no artifact 'abcd'; to go on, see `digits artifacts`"),
        (
            ["up", "--webhook", "nonsense"],
            2,
            "digits: the webhook is no address; expected http://…, https://… or none; rec",
        ),
        (["review"], 5, "digits: no scores have anything to review; to go on, score digits by `digits score`"),
        (["review", "--second", "ten"], 2, "digits: --second is no share; expected 0% to 100%, or 0 to 1; received"),
        (["artifacts"], 5, "digits: there are no artifacts yet; to go on, start with `digits run`"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistake_is_one_line_on_stderr(tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    run = digits(*arguments, home=tmp_path)
    assert (run.returncode, run.stdout) == (code, "")
    assert run.stderr.startswith(message)
    assert run.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "address", ["ftp://a.b/c", "https:///c", "http://[::bad/c", "http://a b/c", "http://a.b:port/c"]
)
def test_a_webhook_that_is_no_address_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(UsageError) as refused:
        checked(address)
    assert address not in str(refused.value)
    assert (checked("http://a.b:80/c?d"), checked("none"), checked("")) == ("http://a.b:80/c?d", "none", None)


@pytest.mark.parametrize("command", [["run"], ["deploy"]])
def test_a_server_that_is_not_there_is_one_line(tmp_path: Path, command: list[str]) -> None:
    program = f"from flows.operations import health; health.LONGEST_START = 0.1\n{PROGRAM}"
    run = digits(*command, home=tmp_path, server="http://127.0.0.1:9/api", program=program)
    assert run.returncode == 5
    assert run.stderr.startswith("digits: http://127.0.0.1:9/api: the server does not answer; to go on, start it, or ")
    assert run.stderr.count("\n") == 1


def test_an_unknown_option_is_a_wrong_call(tmp_path: Path) -> None:
    run = digits("run", "--nope", home=tmp_path)
    assert run.returncode == 2
    assert "No such option: --nope" in run.stderr


def test_a_run_prints_its_summary_and_writes_nothing_outside_its_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "a home with ü"
    home.mkdir()
    (tmp_path / "user").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("OUTGOING", str(tmp_path / "outgoing"))
    making.write_kaggle_zip(home / "d.zip", making.digits(400), making.digits(30, start=400))
    run = digits("run", "--data", "d.zip", "--recipe", "mlp-relu", "--set", "epochs=1", home=home)
    assert run.returncode == 0, run.stderr
    lines = dict(line.split(maxsplit=1) for line in run.stdout.splitlines())
    assert list(lines) == [
        *("data", "validation", "accuracy", "model", "package", "cascade", "champion", "report", "submission")
    ]
    sizes = re.fullmatch(r"d\.zip: (\d+) digits to learn from, (\d+) to judge by, 30 to score", lines["data"])
    assert sizes
    assert sum(map(int, sizes.groups())) == 400
    assert re.match(r"passed \(\d+ checks\)", lines["validation"])
    assert re.match(rf"\d+\.\d\d % of {sizes[2]} held-out digits \(95 % sampling interval ", lines["accuracy"])
    assert lines["champion"] == "yes: it is the first"
    assert Path(lines["report"]).read_text().startswith("<!DOCTYPE html>")
    assert len(Path(lines["submission"]).read_text().splitlines()) == 31
    assert "Traceback" not in run.stderr
    assert "cuda" not in run.stderr.lower()
    assert {path.name for path in home.iterdir()} == {"d.zip", "artifacts", ".prefect", ".cache"}
    assert list((home.parent / "user").iterdir()) == []
    assert not (tmp_path / "outgoing").exists(), (tmp_path / "outgoing").read_text()


def test_a_try_to_reach_another_machine_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTGOING", str(tmp_path / "outgoing"))
    asking = (
        "import socket, contextlib\nwith contextlib.suppress(OSError): socket.create_connection(('{}', 9), timeout=1)"
    )
    digits(home=tmp_path, program=asking.format("127.0.0.1"))
    assert not (tmp_path / "outgoing").exists()
    digits(home=tmp_path, program=asking.format("elsewhere.invalid"))
    assert "elsewhere.invalid" in (tmp_path / "outgoing").read_text()


def test_bad_data_end_in_one_line_without_a_traceback(tmp_path: Path, prefect_server: str) -> None:
    rows = making.csv_rows(making.digits(100))
    rows[17][6] = "3.5"
    (tmp_path / "bad.csv").write_bytes(making.csv_text(rows))
    run = digits("run", "--data", "bad.csv", home=tmp_path, server=prefect_server)
    assert (run.returncode, run.stdout) == (3, "")
    assert run.stderr.splitlines()[-1] == (
        "digits: bad.csv, row 17, column pixel5: not a whole number; expected a whole number from 0 to 255; "
        "received '3.5'; to go on, correct the 1 bad row of 100; up to 0.1 % may be left out (--max-bad-rows)"
    )
    assert "Traceback" not in run.stderr
    assert run.stderr.count("row 17") == 1


def test_recipes_are_listed_with_their_authors_figures_and_what_was_measured_here(chain: Chain) -> None:
    run = digits("recipes", home=chain.here.home)
    assert run.returncode == 0
    lines = {line.split()[0]: line for line in run.stdout.splitlines() if line.strip()}
    assert set(recipes.RECIPES) <= set(lines)
    assert re.search(r"20 epochs of batch 32; rmsprop .*97\.96 %; MNIST: 60,000", lines["mlp-sigmoid"])
    assert re.search(r"ours +–", lines["fast"])
    whole = digits("recipes", "lenet", home=chain.here.home)
    assert json.loads(whole.stdout) == recipes.find("lenet").as_parameters()


def test_artifacts_are_listed_with_what_they_are_made_from(chain: Chain) -> None:
    run = digits("artifacts", "package", home=chain.here.home)
    assert run.returncode == 0
    assert re.search(
        rf"package +{chain.package.id} +\w+ \w+ +\S+ .B +{chain.model.name}, {chain.prepared.name}", run.stdout
    )
    assert "dataset  " not in run.stdout
    listed = json.loads(digits("artifacts", "package", "--json", home=chain.here.home).stdout)
    entry = next(entry for entry in listed if entry["id"] == chain.package.id)
    assert entry["inputs"] == [chain.model.name, chain.prepared.name]
    names = digits("artifacts", "package", "--quiet", home=chain.here.home).stdout.split()
    assert chain.package.name in names
    assert digits("show", names[0], "--quiet", home=chain.here.home).stdout == f"{chain.store.root / names[0]}\n"


def test_scores_are_listed_with_the_name_of_what_was_scored(tmp_path: Path) -> None:
    store = Store(tmp_path / "artifacts")
    package = store.make("package", lambda draft: {}, code="tasks.data.digits", parameters={})
    for name in ("a.csv", "b.csv"):
        store.make(
            "scores",
            lambda draft: {},
            code="tasks.data.digits",
            parameters={"name": name},
            inputs=[package],
            source={"data": name, "files": []},
        )
    lines = digits("artifacts", "scores", home=tmp_path).stdout.splitlines()[1:]
    assert [line.split("  ")[-1].strip() for line in lines] == [f"a.csv, {package.name}", f"b.csv, {package.name}"]


def test_an_artifact_is_shown_with_its_lineage_up_to_the_source_file(chain: Chain) -> None:
    run = digits("show", chain.package.id, home=chain.here.home)
    assert run.returncode == 0
    outline = yaml.safe_load(run.stdout)
    assert outline["artifact"] == chain.package.name
    assert outline["metrics"]["cascade"] == chain.package.metrics["cascade"]
    points = len(chain.package.metrics["calibration"]["thresholds"])
    assert re.fullmatch(rf"{points} numbers from \S+ to \S+", outline["metrics"]["calibration"]["thresholds"])
    whole = digits("show", chain.package.id, "--json", home=chain.here.home)
    assert json.loads(whole.stdout)["metrics"] == chain.package.metrics
    assert outline["lineage"][chain.model.name] == f"from {chain.prepared.name}"
    assert re.fullmatch(r"from \S+mnist_5k.csv.gz sha256 [0-9a-f]{64}", outline["lineage"][chain.dataset.name])


def test_verify_names_what_is_damaged(tmp_path: Path) -> None:
    from tasks.ingest import ingest
    from tasks.settings import Settings

    config = Settings(home=tmp_path)
    path = making.write_csv(tmp_path / "a.csv", making.digits(20))
    dataset = ingest(Store(config.artifacts), str(path), config)
    run = digits("verify", home=tmp_path)
    assert (run.returncode, run.stdout) == (0, "1 artifact verified: nothing is damaged or missing\n")
    with (dataset.path / "train.parquet").open("r+b") as file:
        file.write(b"X")
    run = digits("verify", home=tmp_path)
    assert run.returncode == 5
    path, recorded = dataset.path / "train.parquet", dataset.manifest().files["train.parquet"].sha256
    assert run.stdout == f"{dataset.name}: {path}: damaged; a copy restores it whose sha256 is {recorded}\n"
    assert run.stderr.startswith(
        f"digits: {config.artifacts}: 1 fault found; to go on, put back from a copy what is named"
    )
    (config.artifacts / "champion.json").write_text("{")
    champion = digits("verify", home=tmp_path).stdout.splitlines()[-1]
    assert champion.startswith(f"{config.artifacts}/champion.json: the champion cannot be read; received Invalid JSON")
