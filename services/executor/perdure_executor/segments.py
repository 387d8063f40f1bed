"""Reads what keepers put on disk, and makes of it the chunks that are reported.

Chunks are made once and stay in the spool until confirmed, so their borders never change. What was
already made is skipped by line number after a restart; the hash is taken over everything again.
"""

import hashlib
import os
from binascii import a2b_base64
from collections.abc import Iterator
from contextlib import suppress
from itertools import repeat
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import zstandard

from perdure_contract.wire import LogChunk, LogLine
from perdure_executor.reported import Reported
from perdure_executor.warden.output import BLOCK, HEAD_LINES, STDOUT

CHUNK_BYTES = 196608
CHUNK_LINES = 20_000
READ_BYTES = 262144
CUT_MARK = " … [line cut at 64 KiB]"

_compressor = zstandard.ZstdCompressor(level=1)
_encoder = msgspec.msgpack.Encoder()


class Block(NamedTuple):
    """Lines of one stream that arrived together."""

    stream: Literal["stdout", "stderr"]
    cut: bool
    at: float
    first: int
    lines: int
    text: bytes


class Chunk(NamedTuple):
    """Lines for one report, with the same lines for those who watch."""

    rows: list[LogLine]
    report: LogChunk

    def cut_out(self) -> LogChunk:
        """Give a mark of the cut instead of the lines: for when the spool is full."""
        first, last = self.report.first, self.report.last
        row = LogLine(
            first, "stdout", self.rows[0].at, "", last - first + 1, self.report.text_bytes
        )
        return _chunk([row]).report


def blocks_of(data: bytes) -> tuple[list[Block], int]:
    """Give the whole blocks at the start of some bytes, and how many bytes they were."""
    found: list[Block] = []
    at = 0
    while len(data) - at >= BLOCK.size:
        stream, cut, moment, first, lines, size = BLOCK.unpack_from(data, at)
        end = at + BLOCK.size + size
        if end > len(data):
            break
        name: Literal["stdout", "stderr"] = "stdout" if stream == STDOUT else "stderr"
        found.append(Block(name, cut, moment, first, lines, data[at + BLOCK.size : end]))
        at = end
    return found, at


def rows_of(block: Block) -> list[LogLine]:
    """Give the lines of a block; bad UTF-8 becomes U+FFFD."""
    if block.cut:
        text = block.text.decode("utf-8", "replace").rstrip("\ufffd") + CUT_MARK
        return [LogLine(block.first, block.stream, block.at, text)]
    texts = block.text.decode("utf-8", "replace").split("\n")
    if not texts[-1]:
        texts.pop()
    numbers = range(block.first, block.first + len(texts))
    return list(map(LogLine, numbers, repeat(block.stream), repeat(block.at), texts))


class LogTaker:
    """Takes the output of one attempt off the disk, in order."""

    def __init__(self, path: str, log_bytes: int, next_line: int = 1) -> None:
        """Start.

        Args:
            path: what the attempt's files begin with.
            log_bytes: its limit.
            next_line: first line that is not in a chunk yet.
        """
        self.next_line = next_line
        self._path = path
        self._tail_bytes = log_bytes // 2
        self._offset = 0
        self._head_bytes = 0
        self._seen = 1
        self._hash = hashlib.sha256()
        self._hashed = False

    @property
    def sha256(self) -> str | None:
        """Hash over the kept text so far, lines joined by newlines; none without any line."""
        return self._hash.hexdigest() if self._hashed else None

    def take(self) -> Chunk | None:
        """Give the next chunk of the head, or none when nothing new is on disk."""
        while True:
            found = self._read_head()
            if not found:
                return None
            rows = self._rows(found)
            if rows:
                return _chunk(rows)

    def finish(self, inline: str | None, lines: int, size: int, at: float) -> Iterator[Chunk]:
        """Give what is left when the attempt is over: rest of the head, the cut, the tail.

        Args:
            inline: the whole output where it never went to disk.
            lines: how many lines were printed in all.
            size: how many bytes were printed in all.
            at: when it ended, for a cut at the very end.
        """
        if inline is not None:
            found, _ = blocks_of(a2b_base64(inline))
            yield from self._chunks(found)
        else:
            while found := self._read_head():
                yield from self._chunks(found)
            tail = self._tail()
            kept = sum(len(block.text) for block in tail)
            first = tail[0].first if tail else lines + 1
            if first > self._seen:
                yield from self._cut(
                    first, size - self._head_bytes - kept, tail[0].at if tail else at
                )
            yield from self._chunks(tail)
        if lines >= self._seen:  # the disk was full, or nothing may be kept
            yield from self._cut(lines + 1, 0, at)

    def add(self, text: str, at: float) -> Chunk:
        """Give a line of our own behind everything that was printed."""
        row = LogLine(self._seen, "stderr", at, text)
        self._digest([row])
        self._seen += 1
        self.next_line = self._seen
        return _chunk([row])

    def _read_head(self) -> list[Block]:
        try:
            with open(f"{self._path}.log", "rb") as file:
                file.seek(self._offset)
                data = file.read(READ_BYTES)
        except FileNotFoundError:
            return []
        found, used = blocks_of(data)
        self._offset += used
        self._head_bytes += sum(len(block.text) for block in found)
        return found

    def _tail(self) -> list[Block]:
        """Give the last lines within the limit; the pieces on disk may hold some more."""
        found: list[Block] = []
        for piece in _pieces(self._path, "tail"):
            found.extend(blocks_of(Path(f"{self._path}.tail.{piece}").read_bytes())[0])
        over = sum(len(block.text) for block in found) - self._tail_bytes
        lines = sum(block.lines for block in found)
        skipped = 0
        while skipped < len(found) and lines > HEAD_LINES:
            over -= len(found[skipped].text)
            lines -= found[skipped].lines
            skipped += 1
        del found[:skipped]
        while found and over > 0:
            first = found[0]
            cut = first.text.find(b"\n", over - 1) + 1
            if len(first.text) <= over or first.cut or cut in (0, len(first.text)):
                over -= len(first.text)
                del found[0]
                continue
            gone = first.text.count(b"\n", 0, cut)
            found[0] = first._replace(
                first=first.first + gone, lines=first.lines - gone, text=first.text[cut:]
            )
            break
        return found

    def _chunks(self, found: list[Block]) -> Iterator[Chunk]:
        """Give chunks of blocks, each of a size that travels well."""
        start = size = lines = 0
        for at, block in enumerate(found):
            size += len(block.text)
            lines += block.lines
            if size >= CHUNK_BYTES or lines >= CHUNK_LINES or at == len(found) - 1:
                rows = self._rows(found[start : at + 1])
                if rows:
                    yield _chunk(rows)
                start, size, lines = at + 1, 0, 0

    def _rows(self, found: list[Block]) -> list[LogLine]:
        rows: list[LogLine] = []
        for block in found:
            if block.first > self._seen:  # the keeper found no room on the disk for what is missing
                rows.append(
                    LogLine(self._seen, "stdout", block.at, "", block.first - self._seen, 0)
                )
            lines = rows_of(block)
            self._digest(lines)
            rows.extend(lines)
            self._seen = block.first + block.lines
        if rows and rows[0].line < self.next_line:
            rows = [row for row in rows if row.line >= self.next_line]
        self.next_line = max(self.next_line, self._seen)
        return rows

    def _cut(self, first: int, size: int, at: float) -> Iterator[Chunk]:
        row = LogLine(self._seen, "stdout", at, "", first - self._seen, max(size, 0))
        new = self._seen >= self.next_line
        self._seen = first
        self.next_line = max(self.next_line, first)
        if new:
            yield _chunk([row])

    def _digest(self, rows: list[LogLine]) -> None:
        text = "\n".join([row.text for row in rows])
        self._hash.update(("\n" + text if self._hashed else text).encode("utf-8", "replace"))
        self._hashed = True


def new_lines(path: str, reported: Reported) -> bytes:
    """Give what a program wrote to PERDURE_FD since the last time; moves the place in `reported` on."""
    found = bytearray()
    while len(found) < READ_BYTES:
        try:
            with open(f"{path}.fd.{reported.piece}", "rb") as file:
                file.seek(reported.offset)
                data = file.read(READ_BYTES)
        except FileNotFoundError:
            data = b""
        whole = data.rfind(b"\n") + 1
        found += data[:whole]
        reported.offset += whole
        if not whole:
            later = [piece for piece in _pieces(path, "fd") if piece > reported.piece]
            if not later:
                break
            reported.piece, reported.offset = later[0], 0
    return bytes(found)


def delete_files(path: str) -> None:
    """Delete everything of an attempt; a keeper that is about to end it may be first."""
    folder, name = os.path.split(f"{path}.")
    for file in os.listdir(folder):
        if file.startswith(name):
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, file))


def _pieces(path: str, kind: str) -> list[int]:
    folder, name = os.path.split(f"{path}.{kind}.")
    return sorted(int(file[len(name) :]) for file in os.listdir(folder) if file.startswith(name))


def _chunk(rows: list[LogLine]) -> Chunk:
    last = rows[-1]
    text = "".join([row.text for row in rows])
    report = LogChunk(
        first=rows[0].line,
        last=last.line + max(last.omitted_lines - 1, 0),
        text_bytes=len(text) if text.isascii() else len(text.encode("utf-8", "replace")),
        lines=_compressor.compress(_encoder.encode(rows)),
    )
    return Chunk(rows, report)
