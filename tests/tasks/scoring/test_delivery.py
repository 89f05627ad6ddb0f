"""An output is written where it can be, and nothing is overwritten unasked."""

from pathlib import Path

import pytest

from tasks.errors import StoreError, UsageError
from tasks.scoring.delivery import check_writable


def test_an_output_that_is_there_is_refused_unless_it_may_be_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "submission.csv"
    check_writable(str(path), force=False)
    path.write_text("precious")
    with pytest.raises(UsageError, match="there is such a file already; to go on, name another, or overwrite"):
        check_writable(str(path), force=False)
    check_writable(str(path), force=True)


def test_an_output_that_is_a_folder_a_device_or_a_link_is_refused_before_the_work(tmp_path: Path) -> None:
    link = tmp_path / "link.csv"
    for target in (tmp_path / "nowhere", tmp_path / "submission.csv"):
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        (tmp_path / "submission.csv").write_text("precious")
        with pytest.raises(UsageError, match=f"the output is no plain file; received a link to {target}; to go on, "):
            check_writable(str(link), force=True)  # as /dev/stdout is, which must stay one
    for output, force in [(str(tmp_path), False), (str(tmp_path), True), ("/dev/null", True)]:
        with pytest.raises(UsageError, match="no plain file; received a folder or a device; to go on, name a file, "):
            check_writable(output, force=force)


def test_an_output_whose_folder_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="the folder of the output does not exist"):
        check_writable(str(tmp_path / "nowhere" / "submission.csv"), force=False)
