"""Bytes of two streams become numbered lines on disk, and chunks of a log again."""

import os
import resource
import tempfile
from binascii import a2b_base64
from pathlib import Path

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from perdure_contract.wire import LogLine
from perdure_executor.reported import Reported as Said
from perdure_executor.segments import Chunk, LogTaker, delete_files, new_lines
from perdure_executor.warden.output import STDERR, STDOUT, Lines, Output, Reported

BIG = 10_000_000


def rows(chunks: list[Chunk]) -> list[LogLine]:
    found: list[LogLine] = []
    for chunk in chunks:
        data = zstandard.ZstdDecompressor().decompress(chunk.report.lines)
        lines = msgspec.msgpack.decode(data, type=list[LogLine])
        assert (chunk.report.first, chunk.report.last) == (
            lines[0].line,
            lines[-1].line + max(lines[-1].omitted_lines - 1, 0),
        )
        found.extend(lines)
    return found


def through_the_disk(
    path: Path, pieces: list[tuple[int, bytes]], limit: int, every: int
) -> list[LogLine]:
    """Print pieces, flushing and taking after some of them, and give the log."""
    output, taker = Output(str(path), limit), LogTaker(str(path), limit)
    chunks: list[Chunk] = []
    for number, (stream, data) in enumerate(pieces):
        output.take(stream, data, 1.0)
        if every and number % every == 0:
            output.flush()
            while (chunk := taker.take()) is not None:
                chunks.append(chunk)
    inline = output.end(2.0)
    chunks.extend(taker.finish(inline, output.lines, output.bytes, 2.0))
    return rows(chunks)


@given(st.lists(st.binary(max_size=300), max_size=30), st.integers(0, 4))
def test_one_stream_comes_out_as_its_lines(pieces: list[bytes], every: int) -> None:
    whole = b"".join(pieces)
    expected = whole.decode("utf-8", "replace").split("\n")
    if expected[-1] == "":
        expected.pop()
    with tempfile.TemporaryDirectory() as folder:
        found = through_the_disk(
            Path(folder) / "x", [(STDOUT, piece) for piece in pieces], BIG, every
        )

    assert [row.text for row in found] == expected
    assert [row.line for row in found] == list(range(1, len(expected) + 1))


@given(st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), st.binary(max_size=80)), max_size=30))
def test_two_streams_keep_their_own_lines_under_one_numbering(
    pieces: list[tuple[int, bytes]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = through_the_disk(Path(folder) / "x", pieces, BIG, 3)

    assert [row.line for row in found] == list(range(1, len(found) + 1))
    for number, name in ((STDOUT, "stdout"), (STDERR, "stderr")):
        whole = b"".join(data for stream, data in pieces if stream == number)
        expected = whole.decode("utf-8", "replace").removesuffix("\n").split("\n") if whole else []
        assert [row.text for row in found if row.stream == name] == expected


@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=400),
    st.integers(0, 3000),
    st.integers(0, 50),
)
def test_a_limit_keeps_head_and_tail_and_accounts_for_the_rest(
    lengths: list[int], limit: int, every: int
) -> None:
    pieces = [(STDOUT, b"x" * length + b"\n") for length in lengths]
    with tempfile.TemporaryDirectory() as folder:
        found = through_the_disk(Path(folder) / "x", pieces, limit, every)

    kept = [row for row in found if not row.omitted_lines]
    cuts = [row for row in found if row.omitted_lines]
    total = sum(lengths) + len(lengths)
    size = sum(len(row.text) + 1 for row in kept)
    assert size <= limit
    assert len(cuts) <= 1
    assert len(kept) + sum(cut.omitted_lines for cut in cuts) == len(lengths)
    assert size + sum(cut.omitted_bytes for cut in cuts) == total
    assert [len(row.text) for row in kept] == [lengths[row.line - 1] for row in kept]
    if total <= limit // 2:
        assert not cuts


@pytest.mark.parametrize("size", [65_536, 65_537, 70_000, 200_000, 1_000_000])
def test_a_long_line_is_cut_and_what_follows_is_whole(tmp_path: Path, size: int) -> None:
    data = b"a\n" + b"x" * size + b"\nb\n"
    pieces = [(STDOUT, data[at : at + 65_536]) for at in range(0, len(data), 65_536)]
    first, long, last = through_the_disk(tmp_path / "x", pieces, BIG, 1)

    assert (first.text, last.text) == ("a", "b")
    assert long.text.startswith("x" * 65_536)
    assert ("line cut" in long.text) == (size > 65_536)


def test_a_cut_does_not_tear_a_character(tmp_path: Path) -> None:
    data = b"x" * 65_535 + "ä".encode() + b"yyy\n"
    pieces = [(STDOUT, data[:65_536]), (STDOUT, data[65_536:])]
    (row,) = through_the_disk(tmp_path / "x", pieces, BIG, 1)

    assert row.text.startswith("x" * 65_535 + " …")


def test_a_stream_without_newlines_takes_little_memory() -> None:
    lines = Lines()
    found = [part for _ in range(1000) for part in lines.feed(b"x" * 65_536)]

    assert len(found) == 1
    assert lines.end() == []


def test_a_new_agent_goes_on_with_the_next_line_and_the_same_hash(tmp_path: Path) -> None:
    path = tmp_path / "x"
    output, before = Output(str(path), BIG), LogTaker(str(path), BIG)
    output.take(STDOUT, b"1\n2\n3\n", 1.0)
    output.flush()
    first = before.take()
    assert first is not None
    output.take(STDOUT, b"4\n5\n", 1.0)
    inline = output.end(2.0)
    after = LogTaker(str(path), BIG, before.next_line)
    rest = list(after.finish(inline, output.lines, output.bytes, 2.0))
    whole = LogTaker(str(path), BIG)
    everything = list(whole.finish(inline, output.lines, output.bytes, 2.0))

    assert rows([first, *rest]) == rows(everything)
    assert after.sha256 == whole.sha256


def test_a_full_disk_shows_as_a_cut(tmp_path: Path) -> None:
    path = tmp_path / "x"
    output = Output(str(path), BIG)
    output.take(STDOUT, b"1\n", 1.0)
    output.flush()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (Path(f"{path}.log").stat().st_size + 10, hard))
    try:
        output.take(STDOUT, b"2\n3\n", 1.0)
        output.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    output.take(STDOUT, b"4\n", 1.0)
    inline = output.end(2.0)
    found = rows(list(LogTaker(str(path), BIG).finish(inline, output.lines, output.bytes, 2.0)))

    expected = [(1, "1", 0), (2, "", 2), (4, "4", 0)]
    assert [(row.line, row.text, row.omitted_lines) for row in found] == expected


def test_files_of_an_attempt_go_and_those_of_others_stay(tmp_path: Path) -> None:
    for name in ("a.1.log", "a.1.tail.0", "a.1.script", "a.10.log"):
        (tmp_path / name).touch()
    delete_files(f"{tmp_path}/a.1")

    assert [path.name for path in tmp_path.iterdir()] == ["a.10.log"]


def test_files_that_a_keeper_deletes_at_the_same_time_do_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.1.tail.1").touch()
    with monkeypatch.context() as slow:
        slow.setattr(os, "listdir", lambda _: ["a.1.tail.0", "a.1.tail.1"])
        delete_files(f"{tmp_path}/a.1")

    assert list(tmp_path.iterdir()) == []


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_reported_lines_come_through_whole(pieces: list[bytes]) -> None:
    said = Said()
    heard = b""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        reported = Reported(str(path))
        for piece in pieces:
            reported.take(piece)
            reported.flush()
            heard += new_lines(str(path), said)
        inline = reported.end()
        heard += new_lines(str(path), said)
    whole = b"".join(pieces)
    if whole and not whole.endswith(b"\n"):
        whole += b"\n"

    assert heard + a2b_base64(inline or "") == whole


def test_a_flood_of_reports_keeps_the_last_and_little_disk(tmp_path: Path) -> None:
    path = tmp_path / "x"
    reported = Reported(str(path))
    for number in range(40):
        reported.take(b"%d\n" % number * 100_000)
    reported.end()

    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 10_000_000
    heard, said = b"", Said()
    while new := new_lines(str(path), said):
        heard = new
    assert heard.endswith(b"39\n")


def test_a_report_that_is_too_long_leaves_a_mark_alone(tmp_path: Path) -> None:
    reported = Reported(str(tmp_path / "x"))
    reported.take(b"one\n" + b"x" * 60_000)
    reported.take(b"x" * 65_536)
    reported.take(b"x" * 60_000)
    reported.take(b"x\ntwo\n")
    reported.flush()
    reported.end()

    assert new_lines(f"{tmp_path}/x", Said()) == b"one\n" + Reported.DROPPED + b"two\n"
