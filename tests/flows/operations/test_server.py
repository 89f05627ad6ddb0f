"""`digits up`: a real server with a password, a work pool and a worker; what they do, survive and refuse.

One server for all of it. A run is killed early, and taken for dead while other tests run.
"""

import base64
import json
import re
import shutil
import socket
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import numpy as np
import pytest

from flows.operations import deployments
from flows.operations.automations import DEPLOYED, NOTICES, RUN_FAILURES, _learning
from flows.operations.daemons import alive
from tasks.promote import promote
from tasks.reviewing import drawn
from tasks.reviewing.answers import Log
from tasks.store import Store
from tests import making
from tests.conftest import Chain
from tests.flows.browsing import browser
from tests.flows.conftest import give_database
from tests.flows.operating import AUTH, LOST_AFTER, PATIENCE, Operated, eventually, free_port, webhook
from tests.tasks.reviewing.scored import scored

pytestmark = pytest.mark.operations

GOOD = [f"g{number}.csv" for number in (0, 1, 3, 4, 6, 7, 9)]
BAD = ["b2.csv", "b5.csv", "b8.csv"]


@pytest.fixture(scope="module")
def operated(chain: Chain, database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    """A home with a champion, where all is up; at the end all of it is down, and has left nothing that it must not."""
    home = give_database(tmp_path_factory.mktemp("operated"), database)
    promote(chain.store, chain.package, chain.prepared)
    for name in (chain.package.name, chain.prepared.name):
        shutil.copytree(chain.store.root / name, home / "artifacts" / name)
    shutil.copyfile(chain.store.root / "champion.json", home / "artifacts" / "champion.json")
    with webhook() as (address, messages):
        operated = Operated(home, free_port(), address, messages)
        try:
            run = operated.up("--webhook", address, "--lost-after", str(LOST_AFTER))
            assert run.returncode == 0, run.stderr
            check_summary(run.stdout, operated)
            yield operated
        finally:
            processes = [
                process for name in ("supervisor", "worker", "server") for process in operated.daemon(name).family()
            ]
            down = operated.command("down")
        assert (down.returncode, down.stdout) == (0, "ended       worker, server\n"), down.stderr
        assert len(processes) >= 2
        assert alive(processes) == []
        check_traces(operated)


def check_summary(summary: str, operated: Operated) -> None:
    """Check what `digits up` says of what holds."""
    lines = [(line[:12].strip(), line[12:]) for line in summary.splitlines()]
    nightly, inbox, weekly, corrections = [value for name, value in lines if name == "deployed"]
    assert re.fullmatch(r"train/nightly: next run \w{3} \d{4}-\d\d-\d\d 02:00 CES?T", nightly)
    assert re.fullmatch(r"score/inbox: next run \w{3} \d{4}-\d\d-\d\d \d\d:\d[05] UTC", inbox)
    assert weekly.startswith("compare/weekly: next run Sun ")
    assert corrections == "train/corrections: runs when asked to"
    data = operated.home / "data"
    assert [line for line in lines if line[0] not in ("deployed", "logs")] == [
        ("up", operated.address),
        ("webhook", "127.0.0.1; --webhook none removes it"),
        ("lost after", f"{LOST_AFTER} s without a sign of life"),
        ("inbox", f"{data / 'inbox'}: leave files there to be scored; the answers come to {data / 'outbox'}"),
        ("password", "asked for"),
        ("to stop", "digits down"),
    ]
    assert (data / "inbox").is_dir()


def check_traces(operated: Operated) -> None:
    """Check that nothing has left the machine, and that no secret is written down."""
    assert not operated.outgoing.exists(), operated.outgoing.read_text()
    secrets = AUTH.partition(":")[2].encode(), operated.webhook.encode()
    files = [path for path in operated.home.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if any(secret in path.read_bytes() for secret in secrets)] == []


def fill(home: Path, names: list[str], rows: int = 200) -> None:
    folder = home / "data" / "inbox"
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        if name in BAD:
            (folder / name).write_text("this is\nno digit\n")
        else:
            making.write_csv(folder / name, making.unlabelled(making.digits(rows, start=rows * number)))


@pytest.fixture(scope="module")
def finished(operated: Operated) -> str:
    """A run of the inbox that has come to its end, with a good file and a bad one."""
    fill(operated.home, ["first.csv", "b2.csv"])
    (operated.home / "data" / "inbox" / "link.csv").symlink_to("/etc/passwd")
    run = operated.score_inbox(quiet=0)
    state = operated.final_state(run)
    assert (state["type"], state["name"]) == ("COMPLETED", "Files refused"), (state["message"], operated.log_of(run))
    assert state["message"].startswith("Refused, and moved to failed/: 2 of 3 files: ")
    reason = (operated.home / "data" / "failed" / "link.csv.reason.txt").read_text()
    assert reason == "link.csv: this is not a file; expected a file; received a link\n"
    shutil.rmtree(operated.home / "data" / "failed")
    return run


@pytest.fixture(scope="module")
def lost(operated: Operated, finished: str) -> str:
    """A run of the inbox that was killed amid ten files, worker and all; a worker has been started again."""
    fill(operated.home, sorted(GOOD + BAD))
    run = operated.score_inbox(quiet=0)
    assert eventually(lambda: len(operated.files("outbox")) >= 3)
    operated.kill("worker")
    assert operated.files("inbox")
    said = "worker: it has died, its last words: "
    assert eventually(lambda: said in operated.daemon("supervisor").log.read_text())
    assert eventually(operated.daemon("worker").runs)
    # A deployment of ours from before, when it was another flow's.
    leftover = {"name": "nightly", "flow_id": operated.deployment("score/inbox")["flow_id"], "tags": [deployments.TAG]}
    operated.ask("POST", "/deployments/", json=leftover)
    up = operated.up()
    assert up.returncode == 0, up.stderr
    check_summary(up.stdout, operated)
    return run


def test_a_run_started_by_the_api_completes_and_its_artifact_is_read_back(operated: Operated, finished: str) -> None:
    by_key = {page["key"]: page for page in operated.read("artifacts", flow_runs={"id": {"any_": [finished]}})}
    artifact = by_key["scores"]
    assert set(by_key) == {"scores", "reviews", "history"}
    (scores,) = re.findall(r"`scores/(\w+)` \| `package/\w+` \| outbox/first.csv", artifact["data"])
    assert (operated.home / "artifacts" / "scores" / scores / "manifest.json").exists()
    assert len((operated.home / "data" / "outbox" / "first.csv").read_text().splitlines()) == 201


def test_every_deployment_has_its_schedule_its_limit_and_a_form(operated: Operated) -> None:
    nightly = operated.deployment("train/nightly")
    assert nightly["schedules"][0]["schedule"]["timezone"] == "Europe/Berlin"
    assert nightly["global_concurrency_limit"]["limit"] == 1
    queues = {operated.deployment(name)["work_queue_name"] for name in ("train/nightly", "compare/weekly")}
    assert queues == {"training"}
    fields = nightly["parameter_openapi_schema"]["properties"]
    assert fields["max_bad_rows"]["maximum"] == 1
    assert all(field.get("description") for field in fields.values())
    with operated.api() as api:
        (queue,) = api.post(
            "/work_pools/digits/queues/filter", json={"work_queues": {"name": {"any_": ["training"]}}}
        ).json()
        refused = api.post(f"/deployments/{nightly['id']}/create_flow_run", json={"parameters": {"max_bad_rows": 7}})
    assert queue["concurrency_limit"] == 1
    assert (refused.status_code, "7 is greater than the maximum of 1" in refused.text) == (409, True)


def test_status_logs_and_inbox_tell_how_it_is_and_a_refused_file_is_put_back(operated: Operated, finished: str) -> None:
    failed = operated.home / "data" / "failed"
    failed.mkdir(exist_ok=True)
    (failed / "mended.csv").write_bytes((operated.home / "data" / "outbox" / "first.csv").read_bytes())
    (failed / "mended.csv.reason.txt").write_text("mended.csv: it was bad\n")

    status = operated.command("status", "--json")
    assert status.returncode == 1, status.stderr
    findings = {finding["name"]: finding for finding in json.loads(status.stdout)["findings"]}
    assert findings["server"]["details"]["address"] == operated.address
    assert findings["worker"]["details"]["up"]
    assert findings["train/nightly"]["says"].startswith("no run yet; next run ")
    assert findings["score/inbox"]["details"]["last"]["state"]
    assert findings["webhook"]["details"] == {"host": "127.0.0.1"}
    assert findings["password"]["details"] == {"set": True}
    assert findings["inbox"]["details"]["failed"] >= 1
    assert findings["inbox"]["remedy"] == "`digits inbox` lists them with the reasons"

    assert "failed    mended.csv  mended.csv: it was bad\n" in operated.command("inbox").stdout
    retried = operated.command("inbox", "retry", "mended.csv")
    assert retried.stdout == f"mended.csv waits in {operated.home / 'data' / 'inbox'}\n", retried.stderr
    assert not list(failed.glob("mended*"))
    (operated.home / "data" / "inbox" / "mended.csv").unlink()

    first, *lines = operated.command("logs", finished[:8]).stdout.splitlines()
    assert first.endswith(f", {finished}: Files refused")
    assert any("  first.csv: 200 rows to outbox/, " in line for line in lines), lines
    unknown = operated.command("logs", "nobody")
    assert (unknown.returncode, unknown.stderr.count("\n")) == (2, 1)
    assert unknown.stderr.startswith("digits: there is no such run; received nobody")


def test_a_published_review_starts_the_training_that_is_switched_on(operated: Operated) -> None:
    digits = making.digits(20)
    scores = scored(Store(operated.home / "artifacts"), digits, digits.known_labels, np.full(20, 0.5))
    log = Log(operated.home / "data" / "reviews", scores)
    runs = {"deployments": {"id": {"any_": [operated.deployment("train/corrections")["id"]]}}}

    def publish(*command: str) -> str:
        published = operated.command(*command, "--publish")
        assert published.returncode == 0, published.stderr
        assert "has not heard of it" not in published.stdout
        (page, *_) = operated.read("artifacts", artifacts={"key": {"any_": ["reviews"]}}, sort="CREATED_DESC")
        return str(page["data"])

    log.add({0: ("1", "7")}, "ann")
    page = publish("review", scores.id)
    assert f"| `{scores.id}` | 19 | `digits review {scores.id}` |" in page
    assert "No model has learned yet from **1 correction**." in page
    assert operated.read("flow_runs", **runs) == []
    # As where somebody switches it on, but for the other deployments.
    deployment = operated.deployment("train/corrections")
    automation = _learning(UUID(deployment["id"])).model_dump(mode="json")
    operated.ask("POST", "/automations/", json=automation)
    drawn.add(log.path.parent, making.digits(21).images[20], 7, 0.9, "7", "ann")
    publish("draw")
    assert eventually(lambda: operated.read("flow_runs", **runs))
    state = operated.final_state(operated.read("flow_runs", **runs)[0]["id"])
    assert (state["name"], state["message"]) == (
        "Nothing new",
        "no model has learned yet from 2 corrections; 100 start a training",
    )
    up = operated.up()  # where it is paused, as in prefect.yaml, it is switched off
    assert up.returncode == 0, up.stderr
    assert not [found for found in operated.read("automations") if found["name"] == automation["name"]]


def test_a_deployment_of_another_flow_before_is_removed(operated: Operated, lost: str) -> None:
    named = operated.read("deployments", deployments={"name": {"any_": ["nightly"]}})
    assert [deployment["id"] for deployment in named] == [operated.deployment("train/nightly")["id"]]


def test_who_has_no_password_or_comes_from_another_page_is_refused(operated: Operated, lost: str) -> None:
    api = f"{operated.address}/api"
    filtering = f"{api}/flow_runs/filter"
    auth = ("somebody", "a-long-password")
    with httpx.Client(timeout=PATIENCE) as web:
        assert web.get(f"{api}/admin/version").status_code == 401
        assert web.get(f"{api}/admin/version", auth=("somebody", "guessed")).status_code == 401
        assert web.post(filtering, json={}).status_code == 403  # before the password is looked at
        assert web.get(f"{api}/admin/version", auth=auth).status_code == 200
        assert web.post(filtering, json={}, auth=auth).status_code == 403  # no token
        rebound = web.get(f"{api}/admin/version", auth=auth, headers={"Host": f"elsewhere.example:{operated.port}"})
        assert (rebound.status_code, rebound.text) == (400, "Invalid host header")
        asked = {"Access-Control-Request-Method": "POST"}
        foreign = web.options(filtering, headers=asked | {"Origin": "http://elsewhere.example"})
        ours = web.options(filtering, headers=asked | {"Origin": operated.address})
    assert "access-control-allow-origin" not in foreign.headers
    assert ours.headers["access-control-allow-origin"] == operated.address
    for family, *_, where in socket.getaddrinfo(socket.gethostname(), operated.port, type=socket.SOCK_STREAM):
        if not str(where[0]).startswith(("127.", "::1")):
            with socket.socket(family) as outside:
                assert outside.connect_ex(where) != 0


def test_up_refuses_another_password_than_that_of_the_server_that_is_up(operated: Operated, lost: str) -> None:
    run = operated.command("up", "--port", str(operated.port), "--auth", "somebody:else")
    assert (run.returncode, run.stdout) == (2, "")
    assert "the server asks for another password" in run.stderr


def test_the_webhook_is_called_on_a_bad_file(operated: Operated, finished: str) -> None:
    def refusals() -> list[str]:
        return [message["text"] for message in operated.messages if message["event"] == "digitflow.inbox"]

    assert eventually(refusals)
    text = refusals()[0]
    assert text.startswith("digitflow: inbox: Refused, and moved to failed/: 2 of 3 files: ")
    assert "b2.csv" in text
    assert "link.csv" in text


def test_a_run_that_is_cancelled_leaves_no_process(operated: Operated, lost: str) -> None:
    run = operated.start("train/nightly")
    assert eventually(lambda: operated.read("task_runs", flow_runs={"id": {"any_": [run]}}))  # it is at work
    second = operated.start("train/nightly")
    time.sleep(5)  # in which the worker asks for work, and more than once
    assert operated.state(second)["type"] in ("SCHEDULED", "PENDING")
    operated.ask("POST", f"/flow_runs/{second}/set_state", json={"state": {"type": "CANCELLED"}, "force": True})
    operated.ask("POST", f"/flow_runs/{run}/set_state", json={"state": {"type": "CANCELLING", "name": "Cancelling"}})
    assert operated.final_state(run)["type"] == "CANCELLED"
    assert eventually(lambda: len(operated.daemon("worker").family()) == 1)


def test_a_training_that_is_killed_goes_on_after_its_last_epoch_by_itself_and_is_told_once(
    operated: Operated, lost: str
) -> None:
    run = operated.start("train/nightly", recipe="mlp-relu", changes=["epochs=12"], cascade=False)
    assert eventually(lambda: "epoch 2 of 12" in operated.log_of(run)), operated.log_of(run)
    _worker, *processes = operated.daemon("worker").family()
    for process in processes:
        process.kill()
    assert eventually(lambda: operated.state(run)["type"] == "COMPLETED"), operated.state(run)
    assert operated.ask("GET", f"/flow_runs/{run}")["run_count"] == 2
    assert "the fit goes on after epoch " in operated.log_of(run)
    assert eventually(lambda: operated.texts("mlp-relu on sample"))
    (text,) = operated.texts("mlp-relu on sample")
    assert text.startswith("digitflow: train / mlp-relu on sample: Crashed. Process exited with status code: -9")
    assert text.endswith(" It is started again.")


@pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")),
    reason="no browser: install Debian's chromium and chromium-driver",
)
def test_the_pages_show_a_run_its_logs_and_its_artifacts(
    operated: Operated, finished: str, lost: str, tmp_path: Path
) -> None:
    with browser(tmp_path) as chromium:
        chromium.get(operated.address)
        password = base64.b64encode(AUTH.encode()).decode()
        chromium.execute_script(f"localStorage.setItem('prefect-password', '{password}')")
        chromium.get(f"{operated.address}/runs/flow-run/{finished}")
        shown = page(chromium, "inbox 20", "Finished in state Files refused")
        assert "b2.csv: to failed/" in shown
        tabs = chromium.find_elements("xpath", "//*[text()='Artifacts']")
        (tab,) = [tab for tab in tabs if tab.is_displayed()]
        tab.click()
        page(chromium, "What came of the files in the inbox")
        of_run = {"id": {"any_": [finished]}}
        (artifact,) = operated.read("artifacts", flow_runs=of_run, artifacts={"key": {"any_": ["scores"]}})
        chromium.get(f"{operated.address}/artifacts/artifact/{artifact['id']}")
        page(chromium, "first.csv", "outbox/first.csv", "failed: b2.csv")


def test_a_killed_run_is_taken_for_dead_and_a_scheduled_one_settles_its_files_once(
    operated: Operated, lost: str
) -> None:
    crashed = operated.final_state(lost)
    assert (crashed["type"], crashed["message"]) == ("CRASHED", "Its process is gone: no heartbeats any more.")
    assert eventually(lambda: [message for message in operated.messages if "Crashed" in message["text"]])
    deployment = operated.deployment("score/inbox")["id"]
    every = [{"schedule": {"interval": 10}, "active": True, "parameters": {"quiet": 0}}]
    (schedule,) = operated.ask("POST", f"/deployments/{deployment}/schedules", json=every)
    assert eventually(lambda: not operated.files("inbox") and not operated.files("working"))
    assert operated.files("outbox") == sorted([*GOOD, "first.csv"])
    assert operated.files("done") == sorted([*GOOD, "first.csv"])
    assert operated.files("failed") == sorted([*BAD, *(f"{name}.reason.txt" for name in BAD)])
    operated.ask("DELETE", f"/deployments/{deployment}/schedules/{schedule['id']}")
    # Nothing was to be ended that had ended by itself.
    failed = {"filter": {"event": {"name": ["prefect.automation.action.failed"]}}}
    assert operated.ask("POST", "/events/filter", json=failed)["events"] == []


def test_silence_is_told_once(operated: Operated, lost: str) -> None:
    operated.shorten("tell of no run of score/inbox", 10)
    operated.shorten("tell that the worker is gone", 10)
    time.sleep(3)  # in which the server takes note
    inbox = f"prefect.deployment.{operated.deployment('score/inbox')['id']}"
    deployed = {
        "event": DEPLOYED,
        "resource": {"prefect.resource.id": f"{DEPLOYED}.score/inbox"},
        "related": [{"prefect.resource.id": inbox, "prefect.resource.role": "deployment"}],
    }
    pool = {"prefect.resource.id": "prefect.work-pool.digits", "prefect.resource.name": "digits"}
    gone = {"event": "prefect.work-pool.not-ready", "resource": pool}
    for event in (deployed, gone):
        operated.ask(
            "POST", "/events", json=[{**event, "id": str(uuid.uuid4()), "occurred": datetime.now(UTC).isoformat()}]
        )
    assert eventually(lambda: operated.texts("no run of") and operated.texts("no worker"))
    time.sleep(15)
    assert operated.texts("no run of") == ["digitflow: no run of score/inbox for 15 minutes; see `digits status`"]
    assert operated.texts("no worker") == [
        "digitflow: no worker is there, and nothing runs; `digits up` starts one",
    ]


def test_a_test_message_is_sent_and_what_came_back_is_said(operated: Operated) -> None:
    run = operated.command("notify", "--test")
    assert run.stdout == "127.0.0.1 has answered 204: look whether the message is there\n", run.stderr
    assert operated.texts("a test message") == ["digitflow: a test message, sent by `digits notify --test`"]


def test_up_refuses_to_keep_runs_longer_than_the_server_that_is_up(operated: Operated) -> None:
    run = operated.command("up", "--port", str(operated.port), "--keep-runs", "30")
    assert (run.returncode, run.stdout) == (2, "")
    assert "the server that is up keeps runs for 90 days" in run.stderr


def test_a_webhook_that_is_removed_stays_away(operated: Operated) -> None:
    for more in (["--webhook", "none"], []):
        up = operated.command("up", "--port", str(operated.port), *more)
        assert "webhook     none" in up.stdout, up.stderr
        names = {automation["name"] for automation in operated.read("automations")}
        assert names.isdisjoint({NOTICES, RUN_FAILURES})


def page(chromium: Any, *words: str) -> str:
    """Wait until the page shows these words, and return its text."""

    def text() -> str:
        return str(chromium.execute_script("return document.body.innerText"))

    assert eventually(lambda: all(word in text() for word in words)), text()
    return text()
