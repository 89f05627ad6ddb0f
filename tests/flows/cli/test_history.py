"""What scoring did, as a person asks for it."""

import json
from pathlib import Path

from tasks.store import Store
from tests.command import digits
from tests.tasks.history import past


def test_the_history_is_a_table_a_page_and_json_and_outlives_gc(tmp_path: Path) -> None:
    store = Store(tmp_path / "artifacts")
    for day in range(40):
        past.scored(store, day, review=30 if day < 30 else 90)
    run = digits("history", "--html", "h.html", home=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    lines = run.stdout.splitlines()
    assert lines[0].split() == ["Day", "Files", "Rows", "To", "review", "Passed", "on", "Package"]
    assert lines[1].split() == ["2026-01-11", "1", "1,000", "3.00", "%", "5.00", "%", "0123456789ab"]
    assert len(lines) == 35
    assert lines[31:] == [
        "10 earlier lines; --since 2026-01-01 shows all",
        "A slow change: the share to review has risen from 3.04 % to 8.35 %, beyond chance since 2026-01-31.",
        "40,000 rows of 40 files were answered from 2026-01-01 to 2026-02-09.",
        "page: h.html",
    ]
    assert (tmp_path / "h.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    run = digits("gc", "--keep-days", "0", home=tmp_path)
    assert "removed 40 items" in run.stdout
    assert store.all() == []
    shown = json.loads(digits("history", "--since", "2026-02-01", "--json", home=tmp_path).stdout)
    assert [shown["days"][0]["date"], len(shown["days"])] == ["2026-02-01", 9]
    assert shown["changes"][0]["since"] == "2026-01-31"
    run = digits("history", "--html", "h.html", home=tmp_path)
    assert run.stderr.startswith("digits: h.html: there is such a file already; to go on, name another, or overwrite")
    run = digits("history", "--since", "2026-03-01", home=tmp_path)
    assert (run.returncode, run.stdout) == (2, "")
    assert (
        run.stderr
        == "digits: nothing was scored since then; expected --since 2026-02-09 or earlier; received 2026-03-01\n"
    )
