"""Reading output: forward, from the end, one stream, a search; across chunks and cuts."""

from collections.abc import AsyncIterator

import pytest

from perdure_api.store import logs
from perdure_api.store.database import Database as OpenDatabase
from perdure_api.store.logs import pack, read_lines, read_tail, read_text
from perdure_contract.objects import Omitted
from perdure_contract.wire import LogLine
from tests.support.stack import Database

pytestmark = pytest.mark.integration

RUN = "01920f7e-5c00-7000-8000-000000000001"
LINES = 5000
CHUNK = 70
CUT_AFTER = 3000
"""Lines 3001 to 3100 were left out."""


@pytest.fixture(scope="module")
def written(module_database: Database) -> Database:
    import asyncio  # noqa: PLC0415 - the one place that needs a loop of its own

    asyncio.run(_write(module_database))
    return module_database


@pytest.fixture
async def opened(written: Database) -> AsyncIterator[OpenDatabase]:
    database = await OpenDatabase.connect(written.url)
    yield database
    await database.close()


async def test_pages_forward_give_every_line_once(opened: OpenDatabase) -> None:
    numbers: list[int] = []
    after = 0
    while True:
        page = await read_lines(opened.pool, RUN, 1, after=after, limit=333)
        numbers += [entry.line for entry in page.items]
        if page.next == after:
            break
        after = page.next
    assert numbers == [*range(1, CUT_AFTER + 2), *range(CUT_AFTER + 101, LINES + 1)]


async def test_a_cut_is_an_entry_that_says_how_much_is_gone(opened: OpenDatabase) -> None:
    page = await read_lines(opened.pool, RUN, 1, after=CUT_AFTER, limit=2)
    cut, following = page.items
    assert (cut.line, cut.text, cut.omitted) == (CUT_AFTER + 1, "", Omitted(lines=100, bytes=1234))
    assert (following.line, following.omitted) == (CUT_AFTER + 101, None)


@pytest.mark.parametrize("count", [1, 69, 70, 71, 500, 2500])
async def test_the_tail_is_the_end_of_it_all(opened: OpenDatabase, count: int) -> None:
    everything = (await read_lines(opened.pool, RUN, 1, limit=10**6)).items
    tail = await read_tail(opened.pool, RUN, 1, count=count)
    assert tail.items == everything[-count:]
    assert tail.next == LINES


async def test_the_tail_of_little_is_all_of_it(opened: OpenDatabase) -> None:
    tail = await read_tail(opened.pool, RUN, 2, count=100)
    assert [entry.text for entry in tail.items] == ["only line"]
    assert tail.next == 1


async def test_one_stream_alone(opened: OpenDatabase) -> None:
    page = await read_lines(opened.pool, RUN, 1, stream="stderr", limit=10**6)
    assert {entry.stream for entry in page.items} == {"stderr"}
    assert [entry.line for entry in page.items] == [
        line for line in range(1, LINES + 1) if line % 10 == 0 and not 3001 <= line <= 3100
    ]
    tail = await read_tail(opened.pool, RUN, 1, count=3, stream="stderr")
    assert [entry.line for entry in tail.items] == [LINES - 20, LINES - 10, LINES]


@pytest.mark.parametrize(
    ("q", "lines"),
    [
        ("LINE 4321 ", [4321]),
        ("größe 4000.", [4000]),
        ("GRÖSSE 4000.", []),
        ("%", []),
        ("nothing", []),
    ],
)
async def test_a_search_is_letter_for_letter_but_for_case(
    opened: OpenDatabase, q: str, lines: list[int]
) -> None:
    page = await read_lines(opened.pool, RUN, 1, q=q)
    assert [entry.line for entry in page.items] == lines
    if not lines:
        assert page.next == LINES
    tail = await read_tail(opened.pool, RUN, 1, count=5, q=q)
    assert [entry.line for entry in tail.items] == lines


async def test_a_search_says_how_far_it_looked(
    opened: OpenDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "SEARCHED_CHUNKS", 8)
    pages = 0
    after = 0
    while not (page := await read_lines(opened.pool, RUN, 1, after=after, q="line 4999 ")).items:
        assert page.next > after
        after = page.next
        pages += 1
    assert page.items[0].line == 4999
    assert pages > 1


async def test_text_is_every_line_in_order(opened: OpenDatabase) -> None:
    parts = [part async for part in read_text(opened.pool, RUN, 1)]
    text = b"".join(parts).decode().splitlines()
    assert len(text) == LINES - 99
    assert text[0] == "line 1 of größe 1."
    assert text[CUT_AFTER] == "[100 lines, 1234 bytes left out here]"


async def test_what_is_not_there_is_empty(opened: OpenDatabase) -> None:
    assert await read_lines(opened.pool, RUN, 9) == logs.Lines((), 0)
    assert await read_tail(opened.pool, RUN, 9, count=5) == logs.Lines((), 0)
    assert [part async for part in read_text(opened.pool, RUN, 9)] == []


async def _write(database: Database) -> None:
    opened = await OpenDatabase.connect(database.url)
    kept = [
        LogLine(
            line, "stderr" if line % 10 == 0 else "stdout", 1.7e9, f"line {line} of größe {line}."
        )
        for line in range(1, LINES + 1)
        if not CUT_AFTER < line <= CUT_AFTER + 100
    ]
    kept.insert(CUT_AFTER, LogLine(CUT_AFTER + 1, "stdout", 1.7e9, "", 100, 1234))
    chunks = [(1, kept[first : first + CHUNK]) for first in range(0, len(kept), CHUNK)]
    chunks.append((2, [LogLine(1, "stdout", 1.7e9, "only line")]))
    await opened.pool.executemany(
        "INSERT INTO perdure.log_chunks VALUES ($1::text::uuid, $2, $3, $4, $5, $6)",
        [
            (
                RUN,
                attempt,
                lines[0].line,
                max(line.line + max(line.omitted_lines - 1, 0) for line in lines),
                sum(len(line.text) for line in lines),
                pack(lines),
            )
            for attempt, lines in chunks
        ],
    )
    await opened.close()
