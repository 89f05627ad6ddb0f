"""The report is drawn from what the evaluation kept, with the decision at its top."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from markupsafe import escape

from tasks import registry
from tasks.conclude import conclude
from tasks.promote import promote
from tasks.store import provenance
from tests.conftest import Chain
from tests.tasks.reports.pages import assert_links_lead_somewhere, assert_loads_nothing, words


def test_the_report_tells_decision_accuracy_data_lineage_and_how_to_make_it_again(chain: Chain) -> None:
    decision = promote(chain.store, chain.package, chain.prepared)
    made = conclude(chain.store, chain.evaluation, chain.package, decision)
    page = (made.path / "report.html").read_text()
    text = words(page)
    assert "Promotion Champion" in text
    assert all(str(escape(reason)) in page for reason in registry.reasons(decision))
    assert chain.package.name in text
    assert f"{chain.prepared.metrics['validation']} held-out images" in text
    assert all(artifact.name in text for artifact in (chain.dataset, chain.validation, chain.prepared, chain.model))
    assert "digits run --data sample --recipe fast --set epochs=2 --set min_shown=0" in text
    assert "Test" in text
    docs = f"../../{chain.validation.name}/data_docs/index.html"
    assert (made.path / docs).exists()
    assert_loads_nothing(page, docs)
    assert_links_lead_somewhere(page)


def test_another_decision_is_another_report_and_the_same_is_found(chain: Chain) -> None:
    decision = promote(chain.store, chain.package, chain.prepared)
    refused = replace(decision, promoted=False, because="its sevens", reasons=["accuracy: <fine>", "7 is worse"])
    made = conclude(chain.store, chain.evaluation, chain.package, refused)
    page = (made.path / "report.html").read_text()
    assert "<strong>Not promoted</strong>" in page
    assert "<li>accuracy: &lt;fine&gt;</li>" in page
    assert made.name != conclude(chain.store, chain.evaluation, chain.package, decision).name
    assert conclude(chain.store, chain.evaluation, chain.package, refused).reused


@pytest.fixture
def copied_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `tasks`, which versions of code are now taken of."""
    shutil.copytree(provenance.ROOT / "tasks", tmp_path / "tasks")
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    return tmp_path / "tasks"


@pytest.mark.parametrize("file", ["templates/report.html", "report.py", "figures.py"])
def test_a_change_of_the_page_draws_it_anew_and_measures_nothing(copied_code: Path, file: str) -> None:
    drawn, measured = provenance._computed_version("tasks.conclude"), provenance._computed_version("tasks.evaluate")
    with (copied_code / "reports" / file).open("a") as page:
        page.write("CHANGED = True\n")
    assert provenance._computed_version("tasks.conclude") != drawn
    assert provenance._computed_version("tasks.evaluate") == measured
