"""Reading the output of attempts: forward, from the end, one stream of it, or what contains a text.

Output lies in chunks of some thousand lines, compressed. A page reads only the chunks it needs; a search
looks at the bytes of a chunk before it takes its lines apart, and at a bounded number of chunks, so a
million lines answer as quickly as a thousand.
"""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Final, Literal

import asyncpg
import msgspec
import zstandard
from msgspec import Struct

from perdure_contract.objects import LogEntry, Omitted
from perdure_contract.wire import LogLine
from perdure_runtime.clock import rfc3339

CHUNKS_AT_ONCE: Final = 8
SEARCHED_CHUNKS: Final = 400
"""Chunks that one page looks at for what it filters by; some 100 MB of text."""
MAX_CHUNK_BYTES: Final = 64 << 20
"""What a chunk may unpack to; executors send some 256 KiB."""

Stream = Literal["stdout", "stderr"]

_lines = msgspec.msgpack.Decoder(list[LogLine])

_FORWARD: Final = """
SELECT first_line, last_line, lines FROM perdure.log_chunks
WHERE run_id = $1::text::uuid AND attempt = $2 AND last_line > $3 AND first_line >= coalesce((
    SELECT max(first_line) FROM perdure.log_chunks
    WHERE run_id = $1::text::uuid AND attempt = $2 AND first_line <= $3), 0)
ORDER BY first_line LIMIT $4"""

_BACKWARD: Final = """
SELECT first_line, last_line, lines FROM perdure.log_chunks
WHERE run_id = $1::text::uuid AND attempt = $2 AND first_line < $3
ORDER BY first_line DESC LIMIT $4"""


class Lines(Struct, frozen=True):
    """Some output in order of arrival."""

    items: tuple[LogEntry, ...]
    next: int
    """The last line that was looked at: `after` of the next page. More may come while an attempt runs."""


async def read_lines(
    pool: asyncpg.Pool,
    run: str,
    attempt: int,
    *,
    after: int = 0,
    limit: int = 500,
    stream: Stream | None = None,
    q: str | None = None,
) -> Lines:
    """Give lines after a line.

    Args:
        pool: Where to read.
        run: The run's id.
        attempt: Which of its attempts.
        after: Lines with a greater number; 0 from the beginning.
        limit: At most so many.
        stream: Only of this stream.
        q: Only lines that contain this text, whatever its case.
    """
    wanted = _wanted(stream, q)
    found: list[LogLine] = []
    seen = after
    chunks = 0
    while len(found) < limit and chunks < SEARCHED_CHUNKS:
        rows = await pool.fetch(_FORWARD, run, attempt, seen, CHUNKS_AT_ONCE)
        for _first, last, packed in rows:
            for line in _take_apart(packed, q):
                if line.line > seen and wanted(line):
                    found.append(line)
                    if len(found) == limit:
                        return Lines(_entries(found), found[-1].line)
            seen = max(seen, last)
            chunks += 1
        if len(rows) < CHUNKS_AT_ONCE:
            break
    return Lines(_entries(found), seen)


async def read_tail(
    pool: asyncpg.Pool,
    run: str,
    attempt: int,
    *,
    count: int,
    stream: Stream | None = None,
    q: str | None = None,
) -> Lines:
    """Give the last lines (of a stream, with a text), in order; `next` follows on the very last."""
    wanted = _wanted(stream, q)
    found: list[LogLine] = []
    before = 2**62
    end: int | None = None
    chunks = 0
    while len(found) < count and chunks < SEARCHED_CHUNKS:
        rows = await pool.fetch(_BACKWARD, run, attempt, before, CHUNKS_AT_ONCE)
        for first, last, packed in rows:
            end = last if end is None else end
            before = first
            chunks += 1
            for line in reversed(_take_apart(packed, q)):
                if wanted(line):
                    found.append(line)
                    if len(found) == count:
                        return Lines(_entries(found[::-1]), end)
        if len(rows) < CHUNKS_AT_ONCE:
            break
    return Lines(_entries(found[::-1]), end or 0)


async def read_text(
    pool: asyncpg.Pool, run: str, attempt: int, *, after: int = 0, stream: Stream | None = None
) -> AsyncIterator[bytes]:
    """Give all output as text, some chunks at a time; cuts are said in brackets."""
    wanted = _wanted(stream, None)
    seen = after
    while True:
        rows = await pool.fetch(_FORWARD, run, attempt, seen, CHUNKS_AT_ONCE)
        for _first, last, packed in rows:
            lines = [
                line for line in _take_apart(packed, None) if line.line > seen and wanted(line)
            ]
            yield "".join(f"{_said(line)}\n" for line in lines).encode()
            seen = max(seen, last)
        if len(rows) < CHUNKS_AT_ONCE:
            return


def pack(lines: list[LogLine]) -> bytes:
    """Give the bytes of a chunk, as executors send them."""
    return zstandard.ZstdCompressor(level=1).compress(msgspec.msgpack.encode(lines))


def _take_apart(packed: bytes, q: str | None) -> list[LogLine]:
    """Give the lines of a chunk; none at all when the text looked for is nowhere in its bytes."""
    data = zstandard.ZstdDecompressor().decompress(packed, max_output_size=MAX_CHUNK_BYTES)
    if q is not None and q.isascii() and q.lower().encode() not in data.lower():
        return []
    return _lines.decode(data)


def _wanted(stream: Stream | None, q: str | None) -> Callable[[LogLine], bool]:
    part = None if q is None else q.lower()

    def wanted(line: LogLine) -> bool:
        return (stream is None or line.stream == stream) and (
            part is None or part in line.text.lower()
        )

    return wanted


def _entries(lines: list[LogLine]) -> tuple[LogEntry, ...]:
    return tuple(
        LogEntry(
            line=line.line,
            stream=line.stream,
            at=rfc3339(datetime.fromtimestamp(line.at, UTC)),
            text=line.text,
            omitted=_omitted(line),
        )
        for line in lines
    )


def _omitted(line: LogLine) -> Omitted | None:
    if line.omitted_lines == 0 and line.omitted_bytes == 0:
        return None
    return Omitted(lines=line.omitted_lines, bytes=line.omitted_bytes)


def _said(line: LogLine) -> str:
    if line.omitted_lines == 0 and line.omitted_bytes == 0:
        return line.text
    return f"[{line.omitted_lines} lines, {line.omitted_bytes} bytes left out here]"
