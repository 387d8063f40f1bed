"""A window on the output of an attempt: its end, a block before, around a line, or what contains a text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import asyncpg

from perdure_api.pages.link_contexts import Link
from perdure_api.pages.log_contexts import LogPane
from perdure_api.pages.visit import whole_number, with_query
from perdure_api.pages.words import counted, number
from perdure_api.store.logs import Stream, read_lines, read_tail
from perdure_contract.objects import AttemptView, LogEntry, RunView

BLOCK: Final = 500
SHORT: Final = 200
BEFORE_LINE: Final = 150
"""Lines shown above the one that an address points at."""
SHOWN_ATTEMPTS: Final = 8
MOST_TEXT: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """What an address asks of the output."""

    attempt: int
    stream: Stream | None
    q: str
    line: int | None
    before: int | None
    after: int | None
    wrap: bool
    times: bool


def log_query(query: Mapping[str, str], run: RunView) -> LogQuery:
    """Read an address; what makes no sense counts as not given. `:120` in the search leads to a line."""
    q = query.get("q", "").strip()[:MOST_TEXT]
    to_line = whole_number(q[1:]) if q.startswith(":") else None
    stream: Stream | None = "stdout" if query.get("stream") == "stdout" else None
    return LogQuery(
        attempt=whole_number(query.get("attempt")) or max(run.attempt, 1),
        stream="stderr" if query.get("stream") == "stderr" else stream,
        q="" if to_line else q,
        line=to_line or whole_number(query.get("line")),
        before=whole_number(query.get("before")),
        after=whole_number(query.get("after")),
        wrap=query.get("wrap") == "1",
        times=query.get("times") == "1",
    )


async def log_pane(
    pool: asyncpg.Pool,
    run: RunView,
    attempts: tuple[AttemptView, ...],
    asked: LogQuery,
    *,
    short: bool,
) -> LogPane:
    """Read what the window shows."""
    window = await _read(pool, run.id, asked, SHORT if short else BLOCK)
    lines = window.lines
    first, last = (lines[0].line, lines[-1].line) if lines else (1, 0)
    address = _Address(run.id, asked)
    attempt = next((a for a in attempts if a.number == asked.attempt), None)
    total = attempt.lines if attempt is not None and attempt.lines is not None else window.end
    return LogPane(
        attempt=asked.attempt,
        attempts=_attempt_links(run, attempts, asked, short=short),
        stream=asked.stream or "",
        streams=tuple(
            Link(label=label, href=address.to(stream=stream), chosen=(asked.stream or "") == stream)
            for label, stream in (("Both", ""), ("stdout", "stdout"), ("stderr", "stderr"))
        ),
        looks=(
            Link(label="Wrap", href=address.to(wrap="" if asked.wrap else "1"), chosen=asked.wrap),
            Link(
                label="Times", href=address.to(times="" if asked.times else "1"), chosen=asked.times
            ),
        ),
        lines=lines,
        short=short,
        still=attempt is not None and attempt.ended_at is not None,
        tail=window.tail,
        wrap=asked.wrap,
        times=asked.times,
        line=asked.line,
        last=window.end,
        q=asked.q,
        found_words=_found_words(asked, len(lines)),
        count_words=counted(total, "line") if attempt is not None and attempt.lines else "",
        line_href=address.to(line="") + "&line=",
        full_href=address.to(),
        first=first,
        beginning=bool(asked.q) or (asked.before is not None and not lines),
        earlier_href=address.to(before=str(first)),
        earlier_block=address.to(before=str(first)).replace("?", "/earlier?", 1),
        later_href=None if window.tail or asked.q else address.to(after=str(last)),
        download_href=f"/runs/{run.id}/log.txt?attempt={asked.attempt}",
        empty_words=_empty_words(attempt, asked),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    lines: tuple[LogEntry, ...]
    end: int
    """The last line that was looked at."""
    tail: bool


async def _read(pool: asyncpg.Pool, run: str, asked: LogQuery, size: int) -> _Window:
    if asked.q:
        found = await read_lines(
            pool, run, asked.attempt, limit=size, stream=asked.stream, q=asked.q
        )
        return _Window(lines=found.items, end=found.next, tail=False)
    if asked.before is not None or asked.line is not None or asked.after is not None:
        if asked.before is not None:
            start = max(0, asked.before - 1 - size)
        elif asked.line is not None:
            start = max(0, asked.line - BEFORE_LINE)
        else:
            start = asked.after or 0
        found = await read_lines(
            pool, run, asked.attempt, after=start, limit=size, stream=asked.stream
        )
        lines = found.items
        if asked.before is not None:
            lines = tuple(entry for entry in lines if entry.line < asked.before)
        return _Window(
            lines=lines, end=found.next, tail=asked.before is None and len(found.items) < size
        )
    found = await read_tail(pool, run, asked.attempt, count=size, stream=asked.stream)
    return _Window(lines=found.items, end=found.next, tail=True)


class _Address:
    """Addresses of the same window, changed in one respect."""

    def __init__(self, run: str, asked: LogQuery) -> None:
        self._run = run
        self._kept = {
            "tab": "log",
            "attempt": str(asked.attempt),
            "stream": asked.stream or "",
            "wrap": "1" if asked.wrap else "",
            "times": "1" if asked.times else "",
        }

    def to(self, **changed: str) -> str:
        return with_query(f"/runs/{self._run}", {**self._kept, **changed})


def _attempt_links(
    run: RunView, attempts: tuple[AttemptView, ...], asked: LogQuery, *, short: bool
) -> tuple[Link, ...]:
    tab = "summary" if short else "log"
    return tuple(
        Link(
            label=f"Attempt {attempt.number}" if place == 0 else str(attempt.number),
            href=with_query(f"/runs/{run.id}", {"tab": tab, "attempt": attempt.number}),
            chosen=attempt.number == asked.attempt,
        )
        for place, attempt in enumerate(attempts[-SHOWN_ATTEMPTS:])
    )


def _found_words(asked: LogQuery, found: int) -> str:
    if not asked.q:
        return ""
    if found >= BLOCK:
        return f"The first {number(BLOCK)} lines with “{asked.q}”."
    return f"{counted(found, 'line')} with “{asked.q}”."


def _empty_words(attempt: AttemptView | None, asked: LogQuery) -> str:
    if asked.q:
        return "No line contains that."
    if attempt is None:
        return "Output shows here as soon as it starts."
    if attempt.ended_at is None:
        return "It has not printed anything yet."
    if asked.stream is not None:
        return f"It printed nothing on {asked.stream}."
    return "It printed nothing."
