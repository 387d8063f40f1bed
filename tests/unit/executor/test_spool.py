"""The spool's file: what is committed stays in its WAL until that is written back beside the commits."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from perdure_executor.spool import WRITE_BACK_COMMITS, Spool


def in_the_main_file(directory: Path) -> str | None:
    """Give the note that the main file holds without its WAL."""
    copy = directory / "copy"
    copy.mkdir(exist_ok=True)
    shutil.copy(directory / "spool.sqlite", copy)
    with closing(sqlite3.connect(copy / "spool.sqlite")) as db:
        try:
            row = db.execute("SELECT value FROM notes WHERE name = 'last'").fetchone()
        except sqlite3.OperationalError:  # not even the table
            return None
    return None if row is None else str(row[0])


def commit(spool: Spool, times: int) -> None:
    """Commit so often, each time another note."""
    for number in range(1, times + 1):
        with spool.together():
            spool.set_note("last", str(number))


def test_no_commit_waits_for_the_main_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    commit(spool, 20 * WRITE_BACK_COMMITS)  # thousands of pages

    assert in_the_main_file(tmp_path) is None
    spool.close()


def test_after_many_commits_the_wal_is_to_be_written_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    commit(spool, WRITE_BACK_COMMITS - 1)
    assert not spool.grown.is_set()
    commit(spool, 1)
    assert spool.grown.is_set()
    spool.close()


def test_what_is_written_back_is_in_the_main_file_though_a_commit_is_under_way(
    tmp_path: Path,
) -> None:
    spool = Spool(tmp_path)
    commit(spool, 5)
    with spool.together():
        spool.set_note("last", "under way")
        spool.write_back()
        assert in_the_main_file(tmp_path) == "5"
    spool.write_back()
    assert in_the_main_file(tmp_path) == "under way"
    spool.close()


def test_a_wal_that_was_written_back_does_not_grow(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    wal = tmp_path / "spool.sqlite-wal"
    commit(spool, WRITE_BACK_COMMITS)
    spool.write_back()
    size = wal.stat().st_size
    for _ in range(5):
        commit(spool, WRITE_BACK_COMMITS // 2)
        spool.write_back()
    assert wal.stat().st_size == size
    spool.close()
