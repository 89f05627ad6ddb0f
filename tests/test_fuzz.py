"""No odd input crashes a reader, is read as another, or leaves anything behind; `python -m tests.fuzz` tries more."""

from tests.conftest import Chain
from tests.fuzz import run
from tests.odd_inputs import KINDS

SLOW = {"score": 40, "tiff": 100}  # cases; of other kinds 200


def test_odd_inputs_of_every_kind_are_read_as_what_they_are_or_refused(chain: Chain) -> None:
    plan = [(kind, 0, SLOW.get(kind, 200)) for kind in KINDS]
    counts, failures = run(0, plan, chain.package.path)
    assert failures == []
    assert counts.total() == sum(end for _, _, end in plan)
    assert min(counts["read"], counts["refused"]) > counts.total() / 5
