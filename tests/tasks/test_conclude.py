"""The report says what was decided, whatever the evaluation before it knew."""

from dataclasses import replace

from markupsafe import escape

from tasks import registry
from tasks.conclude import PLACE, conclude
from tasks.promote import promote
from tests.conftest import Chain


def test_the_report_is_the_evaluations_page_with_the_decision_at_its_top(chain: Chain) -> None:
    decision = promote(chain.store, chain.package, chain.prepared)
    made = conclude(chain.store, chain.evaluation, chain.package, decision)
    page = (made.path / "report.html").read_text()
    before, after = (chain.evaluation.path / "report.html").read_text().split(PLACE)
    assert page.startswith(before)
    assert page.endswith(after)
    section = page[len(before) : len(page) - len(after)]
    assert "<strong>Champion</strong>" in section
    assert all(str(escape(reason)) in section for reason in registry.reasons(decision))
    assert chain.package.name in section


def test_a_refusal_stands_there_with_every_reason_and_is_another_report(chain: Chain) -> None:
    decision = promote(chain.store, chain.package, chain.prepared)
    refused = replace(
        decision, promoted=False, because="its sevens", reasons=["accuracy: <fine>", "classes: 7 is worse"]
    )
    made = conclude(chain.store, chain.evaluation, chain.package, refused)
    page = (made.path / "report.html").read_text()
    assert "<strong>Not promoted</strong>" in page
    assert "<li>accuracy: &lt;fine&gt;</li>" in page
    assert "<li>classes: 7 is worse</li>" in page
    assert made.name != conclude(chain.store, chain.evaluation, chain.package, decision).name
    assert conclude(chain.store, chain.evaluation, chain.package, refused).reused
