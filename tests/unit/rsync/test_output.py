"""What rsync prints is read: progress that never goes back, changes, final figures."""

import random

import pytest

from perdure_contract.rsync.output import Change, Standing, change_in, figures_in, standing_after
from perdure_executor.rsync.differences import Differences
from perdure_executor.rsync.listener import Listener

OUTPUT = (
    b"created directory /d\ncd+++++++++ ./\n>f+++++++++ a b\n"
    b"\r              1   0%    0.00kB/s    0:00:00  "
    b"\r              1   0%    0.00kB/s    0:00:00 (xfr#1, to-chk=3/5)\n"
    b">f.st...... \xff\xfe new\\#012line\n"
    b"\r       10485760  33%    9.70MB/s    0:00:02  "
    b"\r       21331971  67%    9.73MB/s    0:00:01  "
    b"\r       31457283  99%    9.84MB/s    0:00:03 (xfr#2, to-chk=0/5)\n"
    b"*deleting   old/thing\n"
    b"\nNumber of files: 5 (reg: 4, dir: 1)\nNumber of created files: 2 (reg: 1, dir: 1)\n"
    b"Number of deleted files: 1 (reg: 1)\nNumber of regular files transferred: 2\n"
    b"Total file size: 31457292 bytes\nTotal transferred file size: 31457283 bytes\n"
    b"Literal data: 31457000 bytes\nMatched data: 283 bytes\nTotal bytes sent: 31,465,470\n"
    b"Total bytes received: 169\n\nsent 31465470 bytes  received 169 bytes  8.98 bytes/sec\n"
    b"total size is 31457292  speedup is 1.25 (DRY RUN)"
)
FIGURES = {
    "files": 5,
    "created": 2,
    "deleted": 1,
    "transferred": 2,
    "total_bytes": 31457292,
    "transferred_bytes": 31457283,
    "literal_bytes": 31457000,
    "matched_bytes": 283,
    "sent_bytes": 31465470,
    "received_bytes": 169,
    "speed_up": 1.25,
}


@pytest.mark.parametrize("seed", range(5))
def test_output_is_understood_in_whatever_pieces_it_comes(seed: int) -> None:
    dice, listener, logged, at = random.Random(seed), Listener(), b"", 0
    shares = []
    while at < len(OUTPUT):
        size = dice.choice((1, 2, 7, 60, 4000))
        logged += listener.take(OUTPUT[at : at + size])
        at += size
        shares.append(listener.standing.fraction)
    logged += listener.finish()
    assert listener.figures == FIGURES
    assert shares == sorted(shares)
    standing = listener.standing
    assert (standing.files, standing.checked, standing.total) == (2, 5, 5)
    assert listener.standing.bytes == 31457283
    assert b"\r" not in logged
    assert b"%" not in logged
    assert logged.splitlines()[1:3] == [b"cd+++++++++ ./", b">f+++++++++ a b"]
    result = listener.differences.result(listener.figures)
    assert result["new"] == {"count": 2, "first": ["./", "a b"]}
    assert result["changed"] == {"count": 1, "first": ["\ufffd\ufffd new\\#012line"]}
    assert result["deleted"] == {"count": 1, "first": ["old/thing"]}
    assert (result["unchanged"], result["bytes"]) == (2, 31457283)


def test_a_percentage_never_goes_back() -> None:
    dice, standing = random.Random(7), Standing()
    for _ in range(500):
        total = dice.randint(1, 50)
        line = (
            f"  {dice.randint(0, 10**9)}  {dice.randint(0, 100)}%  1.50MB/s  0:00:01 "
            f"(xfr#{dice.randint(0, 50)}, ir-chk={dice.randint(0, total)}/{total})"
        )
        after = standing_after(standing, line)
        assert after is not None
        for name in ("fraction", "bytes", "files", "checked", "total"):
            assert getattr(after, name) >= getattr(standing, name)
        assert after.fraction < 1
        standing = after


def test_a_copy_of_few_changes_moves_with_the_files_it_has_looked_at() -> None:
    standing = standing_after(Standing(), "  10  0%  1.00kB/s  0:00:00 (xfr#1, to-chk=500/1000)")
    assert standing is not None
    assert standing.fraction > 0.4
    unknown = standing_after(standing, "  20  1%  0.00kB/s  ??:??:??  ")
    assert unknown is not None
    assert (unknown.bytes, unknown.checked) == (20, 500)
    full = standing_after(Standing(), "  10  25%  1.00kB/s  0:00:00 (xfr#500, to-chk=500/1000)")
    assert full is not None
    assert full.fraction == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    ("line", "change"),
    [
        (">f+++++++++ a", Change("new", "a")),
        ("cL+++++++++ a -> b", Change("new", "a -> b")),
        ("hf+++++++++ a => b", Change("new", "a => b")),
        (">f.st...... a", Change("changed", "a")),
        ("<fcst.p.... a", Change("changed", "a")),
        (".f...p..... a", Change("attributes", "a")),
        (".d...p..... a/", Change("attributes", "a/")),
        (".d..t...... a/", None),
        ("*deleting   a b/", Change("deleted", "a b/")),
        (">f+++++++++ *deleting   x", Change("new", "*deleting   x")),
        ("sending incremental file list", None),
        ("Number of files: 5", None),
        ("", None),
    ],
)
def test_a_line_about_a_file_is_read_by_its_first_characters(
    line: str, change: Change | None
) -> None:
    assert change_in(line) == change


def test_a_file_with_a_telling_name_is_no_figure_and_no_progress() -> None:
    listener = Listener()
    listener.take(b">f+++++++++ Number of files: 7\n>f+++++++++ 1  99%  1.00kB/s  0:00:00\n")
    assert (listener.figures, listener.standing) == ({}, Standing())
    assert figures_in("Number of sheep: 7") == {}


def test_the_first_names_of_each_kind_are_kept_and_fit_a_result() -> None:
    differences = Differences()
    for number in range(5000):
        differences.add(Change("deleted", f"{'ü' * 200}{number}"))
        differences.add(Change("new", str(number)))
    result = differences.result({"files": 9000})
    new, deleted = result["new"], result["deleted"]
    assert isinstance(new, dict)
    assert isinstance(deleted, dict)
    assert (new["count"], len(new["first"]), deleted["count"]) == (5000, 200, 5000)
    assert sum(len(name.encode()) for name in deleted["first"]) < 15_000
