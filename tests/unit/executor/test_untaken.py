"""What the warden keeps until the agent has taken it, on a disk that is full for a while."""

import gc
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from perdure_executor.warden.untaken import JOURNAL_BYTES, Untaken

FILES = Path("/proc/self/fd")


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[int]:
    directory = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield directory
    os.close(directory)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Have the kernel cut every file of this process there, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_an_end_that_found_no_room_is_written_once_there_is_some(spool: int) -> None:
    untaken = Untaken(spool)
    untaken.over("a.1", b"first")
    with files_of_at_most(10):
        untaken.write()
        assert untaken.unwritten
    untaken.write()

    assert Untaken(spool).records == {"a.1": b"first"}


def test_a_long_journal_that_cannot_be_written_anew_is_tried_again_and_leaves_no_file_open(
    spool: int,
) -> None:
    untaken = Untaken(spool)
    for key in ("a.1", "b.1"):
        untaken.over(key, b"x" * (JOURNAL_BYTES * 2 // 3))
        untaken.write()
    untaken.taken("a.1")
    untaken.over("c.1", b"last")
    gc.collect()  # files that other tests have left open are closed now, not meanwhile
    files = len(list(FILES.iterdir()))
    with files_of_at_most(1000):
        for _ in range(3):
            untaken.write()
            assert untaken.unwritten
    assert len(list(FILES.iterdir())) == files
    untaken.write()

    assert list(Untaken(spool).records) == ["b.1", "c.1"]
