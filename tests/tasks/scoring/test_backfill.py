"""What is done is answered again beside the old answers, and compared with them."""

import time
from pathlib import Path

import pytest

from tasks.scoring.backfill import Again, compared, done_since, markdown, result_of
from tasks.scoring.inbox import Claim, Inbox, make_folders
from tasks.store import Artifact

PACKAGE = Artifact.at(Path("package/0123456789ab"))


@pytest.fixture
def folders(tmp_path: Path) -> Inbox:
    (tmp_path / "inbox" / "urgent").mkdir(parents=True)
    own, others = Inbox(tmp_path), Inbox(tmp_path, "urgent")
    make_folders(own)
    make_folders(others)
    for file in (own.done / "a.csv", others.done / "b.png"):
        file.write_text("x")
    (own.done / "link.csv").symlink_to(own.done / "a.csv")
    return own


def test_files_of_all_folders_are_found_since_a_time(folders: Inbox) -> None:
    assert [claim.printable_name for claim in done_since(folders.root, 0)] == ["a.csv", "urgent/b.png"]
    assert done_since(folders.root, time.time() + 60) == []
    first, second = done_since(folders.root, 0)
    assert result_of(first, PACKAGE) == folders.outbox / "a.0123456789ab.csv"
    assert result_of(second, PACKAGE) == folders.outbox / "urgent" / "b.png.0123456789ab.csv"


def test_answers_are_compared_row_by_row(folders: Inbox) -> None:
    claim = Claim(folders, "a.csv")
    result_of(claim, PACKAGE).write_text("ImageId,Label\n1,4\n2,4\n3,7\n4,\n")
    assert compared(claim, PACKAGE) == Again(claim, 4, None)
    assert compared(claim, PACKAGE).says == "the answers before are gone from outbox/"
    claim.result.write_text("ImageId,Label\n1,9\n2,9\n3,7\n4,1\n")
    again = compared(claim, PACKAGE)
    assert again.changes == {"9 → 4": 2, "1 → none": 1}
    assert again.says == "3 (75.00\u00a0%) differ: 9 → 4 (2), 1 → none (1)"
    page = markdown([again, Again(Claim(folders, "b.csv"), reason="no digits")], PACKAGE).splitlines()
    assert page[0] == "2 files with 4 rows again by `package/0123456789ab`: 3 differ"
    assert page[-1] == "| b.csv | 0 | refused: no digits |"
    claim.result.write_bytes(result_of(claim, PACKAGE).read_bytes())
    assert compared(claim, PACKAGE).says == "all as before"
