"""`digits score` as a person types it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from tasks import registry
from tasks.models.packaged import form_here
from tasks.store import Artifact, Store
from tests import making
from tests.command import PROGRAM, digits, environment
from tests.conftest import Chain

DIGITS = making.unlabelled(making.digits(700))


def scores_of(home: Path) -> list[Artifact]:
    return [artifact for artifact in Store(home / "artifacts").all() if artifact.kind == "scores"]


def test_a_table_becomes_a_submission_and_a_summary(home: Path) -> None:
    run = digits("score", "test.csv", "--output", "mine.csv", home=home)
    assert run.returncode == 0, run.stderr
    (scores,) = scores_of(home)
    assert (home / "mine.csv").read_bytes() == (scores.path / "submission.csv").read_bytes()
    summary = dict(re.split(" +", line, maxsplit=1) for line in run.stdout.splitlines())
    assert list(summary) == ["rows", "classes", "learned", "review", "drift", "submission", "scores"]
    assert re.fullmatch(r"700, [\d,]+ a second", summary["rows"])
    assert re.fullmatch(
        r"\d+ \([78]\d\.\d\d.%\) of the images, which the model has learned from: no accuracy is given of these",
        summary["learned"],
    )
    assert re.search(r"^\d+ \(\d+\.\d\d %\) to look at, in review.csv; among the others \d", summary["review"])
    assert (summary["drift"], summary["submission"], summary["scores"]) == ("none", "mine.csv", str(scores.path))
    again = digits("score", "test.csv", home=home)
    assert again.stdout.startswith("rows        700, found, nothing to do\n")
    quiet = digits("score", "test.csv", "--quiet", home=home)
    assert (quiet.stdout, quiet.stderr) == (f"{scores.path / 'submission.csv'}\n", "")
    answer = json.loads(digits("score", "test.csv", "--json", home=home).stdout)
    assert (answer["scores"], answer["reused"], answer["metrics"]) == (scores.name, True, scores.metrics)


def test_drifted_digits_end_with_a_code_of_their_own(home: Path) -> None:
    making.write_csv(home / "inverted.csv", replace(DIGITS, images=255 - DIGITS.images))
    run = digits("score", "inverted.csv", "--on-drift", "stop", home=home)
    assert (run.returncode, run.stdout) == (4, "")


def test_a_second_package_is_asked_as_well(home: Path, chain: Chain) -> None:
    shutil.copytree(chain.store.root / chain.cascade.name, home / "artifacts" / chain.cascade.name)
    run = digits("score", "test.csv", "--beside", chain.cascade.id, home=home)
    assert run.returncode == 0, run.stderr
    assert re.search(rf"^beside      {chain.cascade.name} answers \d+ \(\S+ %\) differently", run.stdout, re.MULTILINE)
    (scores,) = scores_of(home)
    assert scores.manifest().parameters["beside"] == chain.cascade.name


def test_it_can_stand_in_a_pipe(home: Path) -> None:
    run = digits("score", "-", "--output", "-", home=home, stdin=(home / "test.csv").read_bytes())
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert (lines[0], len(lines)) == ("ImageId,Label", 701)
    assert "\nsubmission" in run.stderr
    assert list((home / "artifacts" / ".drafts").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere.csv"], 3, "digits: nowhere.csv: there is no such file or folder; expected"),
        (["test.csv", "--output", "there.csv"], 2, "digits: there.csv: there is such a file already; to go on, name"),
        (["test.csv", "--output", "nowhere/x.csv"], 5, "digits: nowhere/x.csv: the folder of the output does"),
        (["test.csv", "--model", "abcd"], 5, "digits: there is no artifact 'abcd'; to go on, see `digits artifacts`"),
        (
            ["test.csv", "--model", "prepared/"],
            5,
            "digits: 'prepared/' is too short for an id; expected at least four letters of it",
        ),
        (["cut.csv.gz"], 3, "digits: cut.csv.gz: the file is damaged or incomplete; expected a whole file"),
        (["bad.csv"], 3, "digits: bad.csv, row 3, column pixel9: pixel outside 0-255; expected a whole number"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistake_is_one_line_and_leaves_nothing(home: Path, arguments: list[str], code: int, message: str) -> None:
    (home / "there.csv").write_text("precious")
    whole = making.write_csv(home / "cut.csv.gz", DIGITS)
    whole.write_bytes(whole.read_bytes()[:-5000])
    rows = making.csv_rows(DIGITS)
    rows[3][9] = "999"
    (home / "bad.csv").write_bytes(making.csv_text(rows))
    run = digits("score", *arguments, home=home)
    assert (run.returncode, run.stdout) == (code, "")
    assert run.stderr.startswith(message)
    assert run.stderr.count("\n") == 1
    assert (home / "there.csv").read_text() == "precious"
    assert {artifact.kind for artifact in Store(home / "artifacts").all()} == {"package", "prepared"}


def test_an_output_that_cannot_be_written_is_one_line_and_costs_no_scores(home: Path) -> None:
    run = digits("score", "test.csv", "--output", "/proc/there.csv", home=home)
    assert run.returncode == 5
    assert run.stderr.startswith("digits: /proc: the scores cannot be written; received ")
    assert run.stderr.count("\n") == 1
    again = digits("score", "test.csv", "--output", "there.csv", home=home)
    assert again.stdout.startswith("rows        700, found, nothing to do\n")
    assert len((home / "there.csv").read_text().splitlines()) == 701


def pictures(home: Path) -> Path:
    """A digit, blank paper, a text and a bomb."""
    folder = home / "forms"
    folder.mkdir()
    sheet = Image.new("RGB", (300, 200), "white")
    sheet.save(folder / "0_blank.png")
    ImageDraw.Draw(sheet).line([(60, 40), (130, 40), (80, 160)], "navy", 9, joint="curve")
    sheet.save(folder / "7_drawn.jpg")
    (folder / "1_text.png").write_text("ImageId,Label")
    Image.new("1", (12_000, 12_000)).save(folder / "2_huge.png")
    return folder


def test_pictures_are_answered_or_set_aside_with_a_reason(home: Path) -> None:
    pictures(home)
    stopped = digits("score", "forms", "--output", "o.csv", home=home)
    assert stopped.returncode == 3
    assert stopped.stderr.startswith("digits: 1_text.png: it is no picture; expected PNG, JPEG")
    assert not (home / "o.csv").exists()
    run = digits("score", "forms/*", "--output", "o.csv", "--show", "--on-bad-row", "quarantine", home=home)
    assert run.returncode == 0, run.stderr
    (scores,) = scores_of(home)
    assert [line.split(",")[0] for line in (home / "o.csv").read_text().splitlines()] == [
        "ImageId",
        "0_blank.png",
        "7_drawn.jpg",
    ]
    assert "0_blank.png,,,there is no ink" in (scores.path / "review.csv").read_text()
    aside = (scores.path / "quarantine.csv").read_text().splitlines()[1:]
    assert [line.split(",")[:3] for line in aside] == [
        ["1_text.png", "", "it is no picture"],
        ["2_huge.png", "", "the picture is too large"],
    ]
    assert f"seen        {scores.path / 'seen.png'}" in run.stdout
    assert "0_blank.png  –  there is no ink\n" in run.stdout
    with Image.open(scores.path / "seen.png") as sheet:
        assert sheet.width > 2 * 84


def test_without_a_champion_it_says_how_to_get_one(tmp_path: Path) -> None:
    making.write_csv(tmp_path / "test.csv", DIGITS)
    run = digits("score", "test.csv", home=tmp_path)
    assert (run.returncode, run.stderr) == (
        5,
        "digits: there is no champion yet; to go on, make one with `digits run`\n",
    )


def test_a_damaged_model_is_not_asked(home: Path) -> None:
    package = registry.champion_package(Store(home / "artifacts"))
    assert package
    form = package.path / form_here()
    form.write_bytes(form.read_bytes()[:-1] + b"x")
    run = digits("score", "test.csv", home=home)
    assert run.returncode == 5
    assert re.match(r"digits: .*tflite: the file is not what was written; expected sha256", run.stderr)


def test_neither_tensorflow_nor_prefect_is_loaded(home: Path) -> None:
    program = f"""
import atexit, sys
heavy = {{"tensorflow", "keras", "great_expectations", "matplotlib", "sklearn", "scipy", "pandas", "prefect", "cv2"}}
atexit.register(lambda: print(sorted(heavy & set(sys.modules)), file=sys.stderr))
{PROGRAM}"""
    run = digits("score", "test.csv", home=home, program=program)
    assert run.returncode == 0
    assert run.stderr.splitlines()[-1] == "[]"


# Dies when a file of a shard is whole, its Parquet or its manifest, as if by SIGKILL from outside.
KILLED = """
import contextlib, os, signal
from tasks.scoring import shards
writing = shards.writing

@contextlib.contextmanager
def dying(path):
    with writing(path) as file:
        yield file
    if path.name == "{name}":
        os.kill(os.getpid(), signal.SIGKILL)

shards.writing = dying
"""


@pytest.mark.parametrize(("file", "number"), [("parquet", 1), ("json", 3)])
def test_a_run_killed_at_a_shard_goes_on_and_ends_in_the_same_bytes(home: Path, file: str, number: int) -> None:
    call = ("score", "test.csv", "--shard-rows", "150", "--output")
    program = KILLED.format(name=f"part-000000-{number:09}.{file}") + PROGRAM
    killed = digits(*call, "resumed.csv", home=home, program=program)
    assert killed.returncode == -signal.SIGKILL
    assert not (home / "resumed.csv").exists()
    (folder,) = (home / "artifacts" / ".scratch").glob("shards-*[!k]")
    before = {path.with_suffix(".parquet").name for path in folder.glob("part-*.json")}
    before = {name: (folder / name).stat().st_mtime_ns for name in before}
    assert len(before) == number + (file == "json")
    resumed = digits(*call, "resumed.csv", home=home)
    assert resumed.returncode == 0, resumed.stderr
    (scores,) = scores_of(home)
    kept = {path.name: path.stat().st_mtime_ns for path in (scores.path / "scores.parquet").iterdir()}
    assert len(kept) == 5
    assert before.items() <= kept.items()
    digits("score", "test.csv", "--output", "undisturbed.csv", home=home)
    assert (home / "resumed.csv").read_bytes() == (home / "undisturbed.csv").read_bytes()


def test_a_pipe_that_closes_is_no_traceback(home: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, "score", "test.csv", "--output", "-"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=home, env=environment(home))
    assert run.stdout
    assert run.stderr
    run.stdout.close()
    message = run.stderr.read().decode()
    assert run.wait() == 5
    assert message == "digits: whoever reads the output has closed it; to go on, give --output a path\n"


@pytest.mark.parametrize(
    ("call", "redirected", "code", "message"),
    [
        ("score -", "<&-", 3, "digits: standard input is closed; expected a CSV from a pipe or a file; to go on, "),
        ("score test.csv -o -", ">&-", 5, "digits: standard output is closed; to go on, give --output a path\n"),
        ("score test.csv -o -", ">/dev/full", 5, "digits: standard output cannot be written; received No space left"),
        ("score test.csv", ">/dev/full", 5, "digits: standard output cannot be written; received No space left"),
        ("score test.csv", ">&-", 0, ""),
        ("score test.csv", "2>&-", 0, ""),
        ("score nowhere.csv", "2>/dev/full", 3, ""),
        ("score nowhere.csv", ">/dev/full", 3, "digits: nowhere.csv: there is no such file or folder; expected "),
        ("models", ">/dev/full", 5, "digits: standard output cannot be written; received No space left"),
        ("verify", ">/dev/full", 5, "digits: standard output cannot be written; received No space left"),
    ],
)
def test_a_stream_that_is_closed_or_full_is_no_traceback(
    home: Path, call: str, redirected: str, code: int, message: str
) -> None:
    command = ["sh", "-c", f'exec "$0" -c "$1" {call} {redirected}', sys.executable, PROGRAM]
    run = subprocess.run(command, capture_output=True, text=True, cwd=home, env=environment(home), timeout=300)
    assert run.returncode == code, run.stderr
    assert run.stderr.startswith(message)
    assert run.stderr.count("\n") == (1 if message else 0)


def test_few_answers_are_said_and_no_share_of_them(home: Path) -> None:
    three = making.digits(3)
    images = three.images.copy()
    images[:, 0, 0] = 1  # none that the model has learned from
    making.write_csv(home / "three.csv", replace(three, images=images))
    run = digits("score", "three.csv", home=home)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert [re.fullmatch(r"(\d)  \d  [<>]?\d+\.\d\d %", line)[1] for line in lines[:3]] == ["1", "2", "3"]  # type: ignore[index]
    assert lines[3] == "rows        3"
    assert re.search(r"^accuracy    \d of 3 with a label are right: too few for a share$", run.stdout, re.MULTILINE)


def test_the_flow_ends_in_the_same_scores(home: Path, prefect_server: str) -> None:
    plain = digits("score", "test.csv", "--shard-rows", "150", "--output", "plain.csv", home=home)
    assert plain.returncode == 0, plain.stderr
    for scores in scores_of(home):
        shutil.rmtree(scores.path)
    call = ("score", "test.csv", "--shard-rows", "150", "--flow", "--workers", "2", "--output", "flow.csv")
    run = digits(*call, home=home, server=prefect_server)
    assert run.returncode == 0, run.stderr
    assert (home / "flow.csv").read_bytes() == (home / "plain.csv").read_bytes()
    assert run.stdout.splitlines()[1:] == plain.stdout.replace("plain.csv", "flow.csv").splitlines()[1:]


def test_names_that_are_no_text_are_scored_and_shown(home: Path) -> None:
    name = os.fsdecode(b"k\xfc.csv")  # Latin-1, as old archives unpack
    (home / "test.csv").rename(home / name)
    run = digits("score", name, home=home)
    assert run.returncode == 0, run.stderr
    (scores,) = (home / "artifacts" / "scores").iterdir()
    shown = digits("show", scores.name, home=home)
    assert "k\\udcfc.csv" in shown.stdout, shown.stderr
    assert "from package/" in shown.stdout
