import os
from pathlib import Path

import pytest

from pdtrain.files import remove_leftovers, written_whole


def test_a_file_that_fails_half_way_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_text("old")

    with pytest.raises(OSError, match="full"), written_whole(path) as temporary:
        temporary.write_text("ne")
        raise OSError("full")

    assert [p.name for p in tmp_path.iterdir()] == ["rows.parquet"] and path.read_text() == "old"


def test_the_name_appears_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "rows.parquet"

    with written_whole(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()

    assert path.read_text() == "new"


def test_only_dead_processes_leave_leftovers(tmp_path: Path) -> None:
    dead, living, other = tmp_path / ".a.999999999.ckpt", tmp_path / f".a.{os.getpid()}.ckpt", tmp_path / ".hidden.txt"
    for path in (dead, living, other):
        path.write_text("")

    remove_leftovers(tmp_path)

    assert not dead.exists() and living.exists() and other.exists()


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    others = tmp_path / "others.txt"
    others.write_text("kept")
    (tmp_path / f".a.{os.getpid()}.txt").symlink_to(others)
    (tmp_path / "a.txt").symlink_to(others)

    with written_whole(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")

    assert others.read_text() == "kept" and (tmp_path / "a.txt").read_text() == "new"
