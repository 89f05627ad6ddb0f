"""A file is written whole, under a draft's name until it is on the disk."""

import os
from pathlib import Path

import pytest
from upath import UPath

from tasks.store import files


def test_a_file_has_its_name_only_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "champion.json"
    path.write_bytes(b"before")
    with files.written_whole(path) as file:
        file.write(b"after")
        assert path.read_bytes() == b"before"
    assert path.read_bytes() == b"after"
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_may_be_as_long_as_the_file_system_takes(tmp_path: Path) -> None:
    path = tmp_path / ("ä" * 127)
    with files.written_whole(path) as file:
        file.write(b"content")
    assert path.read_bytes() == b"content"


def test_where_writing_fails_the_file_stays_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "champion.json"
    path.write_bytes(b"before")

    def fill_the_disk() -> None:
        with files.written_whole(path) as file:
            file.write(b"half of it")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        fill_the_disk()
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_content_is_synced_before_the_rename_and_the_folder_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss of power must not keep the later without the earlier."""
    steps: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def noted_sync(handle: int) -> None:
        steps.append(f"sync {Path(f'/proc/self/fd/{handle}').readlink().name}")
        fsync(handle)

    def noted_rename(draft: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(draft, target)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(Path, "rename", noted_rename)
    with files.written_whole(tmp_path / "a") as file:
        file.write(b"1")
    draft, *rest = steps
    assert draft.startswith("sync .a.")
    assert rest == ["rename", f"sync {tmp_path.name}"]


def test_an_object_of_a_bucket_is_written_in_the_same_way() -> None:
    path = UPath("memory://bucket/a.csv")
    with files.written_whole(path) as file:
        file.write(b"1")
    assert path.read_bytes() == b"1"
    assert [other.name for other in path.parent.iterdir()] == ["a.csv"]


def test_lines_are_added_whole_and_after_the_rest_of_a_torn_one(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    files.append(log, [b"first", b"second"])
    with log.open("ab") as file:
        file.write(b"tor")
    files.append(log, [b"third"])
    assert log.read_bytes() == b"first\nsecond\ntor\nthird\n"


def test_of_lines_that_cannot_be_added_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log.jsonl"
    files.append(log, [b"first"])

    def full(handle: int) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        files.append(log, [b"second", b"third"])
    assert log.read_bytes() == b"first\n"
