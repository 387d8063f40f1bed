"""The list of runs: folded live, folded again, compared, queried; and what happens to a poison event."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from perdure_api.domain.run import Run, state_at
from perdure_api.errors import Refused
from perdure_api.followers.projector import Projector
from perdure_api.projections import inline, maintenance, projection, run_list
from perdure_api.projections.run_list import Filter, RunList
from perdure_api.store import state as states
from perdure_api.store.database import Database as OpenDatabase
from perdure_api.store.database import connect
from perdure_api.store.writer import Writer
from perdure_contract import facts
from perdure_runtime.clock import now
from tests.support.following import beside
from tests.support.histories import TROUBLE, append, request, running_writer, tell
from tests.support.stack import Database
from tests.support.waiting import becomes

pytestmark = pytest.mark.integration

TENANT = "default"


class House:
    """A writer, a projector, and a pool to ask."""

    def __init__(self, database: Database, opened: OpenDatabase, writer: Writer) -> None:
        self.database = database
        self.opened = opened
        self.writer = writer
        self.projector = Projector(database.url, [RunList()])
        writer.on_commit(lambda _commit: self.projector.wake())

    async def caught_up(self) -> None:
        """Wait until the list has folded all that was written."""
        assert await run_list.wait_for(self.opened, self.writer.position, seconds=30)

    async def found(self, **wanted: Any) -> list[Run]:  # noqa: ANN401 - fields of a Filter
        """Give all runs that pass a filter, page after page."""
        found: list[Run] = []
        after = None
        while True:
            page = await run_list.find(
                self.opened,
                TENANT,
                Filter(**wanted),
                after=after,
                limit=7,
            )
            found += page.runs
            after = page.next
            if after is None:
                return found

    async def all_runs(self) -> list[Run]:
        """Give all runs from their inline rows, latest first."""
        rows = await self.opened.pool.fetch(
            "SELECT state FROM perdure.runs ORDER BY first_position DESC"
        )
        return [states.decode_run(row[0]) for row in rows]


@asynccontextmanager
async def living(database: Database) -> AsyncIterator[House]:
    opened = await OpenDatabase.connect(database.url)
    async with running_writer(database.url) as writer:
        house = House(database, opened, writer)
        async with beside(house.projector.run()):
            yield house
    await opened.close()


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    async with living(database) as house:
        yield house


async def test_folding_again_gives_the_rows_that_were_folded_live(house: House) -> None:
    for seed in range(4):
        await tell(house.writer, 150, seed=seed)
    await house.caught_up()
    connection = await connect(house.database.url)
    compared = await maintenance.verify(connection, RunList())
    assert (compared.differing, compared.rows) == (0, 600)
    assert [build.status for build in await projection.builds(connection, "run_list")] == ["live"]
    await connection.close()


async def test_a_rebuild_takes_the_place_of_what_was_wrong(house: House) -> None:
    await tell(house.writer, 100)
    await house.caught_up()
    connection = await connect(house.database.url)
    table = (await projection.live(connection, "run_list")).table
    await connection.execute(f"UPDATE {table} SET state = 'failed', name = 'wrong'")
    assert (await maintenance.verify(connection, RunList())).differing == 200
    assert len(await house.found(q="wrong")) == 100

    compared = await maintenance.rebuild(connection, RunList())

    assert compared.differing == 200
    assert await house.found(q="wrong") == []
    assert (await maintenance.verify(connection, RunList())).differing == 0
    assert await connection.fetchval("SELECT to_regclass($1::text)", table) is None
    await request(house.writer, name="after the rebuild")
    await house.caught_up()
    assert len(await house.found(q="after the rebuild")) == 1
    await connection.close()


async def test_a_rebuild_keeps_every_index(house: House) -> None:
    connection = await connect(house.database.url)
    before = await _indexes(connection)
    await maintenance.rebuild(connection, RunList())
    assert await _indexes(connection) == before
    await connection.close()


async def test_an_interrupted_rebuild_is_cleared_away_by_the_next(house: House) -> None:
    await tell(house.writer, 20)
    await house.caught_up()
    connection = await connect(house.database.url)

    def break_off(_position: int, _end: int) -> None:
        message = "pulled the plug"
        raise RuntimeError(message)

    with pytest.raises(RuntimeError, match="plug"):
        await maintenance.rebuild(connection, RunList(), break_off)
    assert len(await maintenance.listed(connection)) == 2
    await maintenance.rebuild(connection, RunList())
    listed = await maintenance.listed(connection)
    assert [(build.status, build.behind) for build in listed] == [("live", 0)]
    await connection.close()


async def test_two_projectors_fold_every_event_once(house: House) -> None:
    second = Projector(house.database.url, [RunList()])
    async with beside(second.run()):
        await tell(house.writer, 200)
        await house.caught_up()
    connection = await connect(house.database.url)
    assert (await maintenance.verify(connection, RunList())).differing == 0
    await connection.close()


async def test_inline_rows_are_what_folding_their_streams_gives(house: House) -> None:
    await tell(house.writer, 200)
    connection = await connect(house.database.url)
    verdict = await inline.verify(connection)
    assert (verdict.checked, verdict.differing) == (200, 0)
    owner = await asyncpg.connect(house.database.owner_url)
    run = (await house.all_runs())[3]
    await owner.execute("UPDATE perdure.runs SET priority = 77 WHERE run_id = $1", run.id)
    await owner.close()
    verdict = await inline.verify(connection)
    assert verdict.differing == 1
    assert run.id in verdict.examples[0]
    assert "priority" in verdict.examples[0]
    await connection.close()


async def test_a_poison_event_stops_the_projection_and_is_never_skipped(database: Database) -> None:
    opened = await OpenDatabase.connect(database.url)
    owner = await asyncpg.connect(database.owner_url)
    async with running_writer(database.url) as writer:
        first = await request(writer, name="before")
        await request(writer, name="poison")
        await request(writer, name="after")
    await owner.execute("ALTER TABLE perdure.events DISABLE TRIGGER no_rewrite")
    good = await owner.fetchval("SELECT data FROM perdure.events WHERE position = 2")
    await owner.execute("UPDATE perdure.events SET data = '[]' WHERE position = 2")
    projector = Projector(database.url, [RunList()])
    async with beside(projector.run()):
        await becomes(lambda: _is_stuck(projector))
        page = await run_list.find(opened, TENANT, Filter())
        assert [run.id for run in page.runs] == [first]
        (build,) = await maintenance.listed(owner)
        assert (build.status, build.position) == ("stuck", 1)
        assert "position 2" in (build.error or "")
    await owner.execute("UPDATE perdure.events SET data = $1 WHERE position = 2", good)
    async with beside(Projector(database.url, [RunList()]).run()):
        assert await run_list.wait_for(opened, 3, seconds=30)
        assert len((await run_list.find(opened, TENANT, Filter())).runs) == 3
        (build,) = await maintenance.listed(owner)
        assert (build.status, build.error) == ("live", None)
    await owner.close()
    await opened.close()


async def test_every_filter_finds_exactly_what_it_says(house: House) -> None:
    await tell(house.writer, 300)
    await house.caught_up()
    moment = now()
    runs = await house.all_runs()
    assert [run.id for run in await house.found()] == [run.id for run in runs]
    for state in run_list.STATES:
        expected = [run.id for run in runs if state_at(run, moment) == state]
        assert [run.id for run in await house.found(state=(state,))] == expected, state
    expected = [run.id for run in runs if state_at(run, moment) in ("queued", "failed", "retrying")]
    found = await house.found(state=("queued", "failed", "retrying"))
    assert [run.id for run in found] == expected
    expected = [run.id for run in runs if run.attempt and run.attempt.executor == "left"]
    assert [run.id for run in await house.found(executor=("left",))] == expected
    expected = [run.id for run in runs if run.request.queue == "slow"]
    assert [run.id for run in await house.found(queue=("slow",))] == expected
    expected = [run.id for run in runs if {"nightly", "photos"} <= set(run.request.tags)]
    assert [run.id for run in await house.found(tag=("photos", "nightly"))] == expected
    assert await house.found(kind=("python",)) == []
    assert await house.found(job=("backup",)) == []


async def test_counts_are_those_of_the_list(house: House) -> None:
    await tell(house.writer, 200)
    await house.caught_up()
    counts = await run_list.counts(house.opened, TENANT, Filter(queue=("slow",)))
    for state, count in counts.items():
        assert count == len(await house.found(state=(state,), queue=("slow",)))


async def test_a_search_is_taken_letter_for_letter(house: House) -> None:
    names = ["100 % sure", "a_b", "axb", "O'Brien \\ sons", "Ärger", "plain"]
    ids = {name: await request(house.writer, name=name) for name in names}
    await house.caught_up()
    for q, expected in [
        ("%", ["100 % sure"]),
        ("a_b", ["a_b"]),
        ("o'brien \\", ["O'Brien \\ sons"]),
        ("ärger", ["Ärger"]),
        ("'; DROP TABLE x; --", []),
        (ids["plain"], ["plain"]),
        (ids["plain"][-8:], ["plain"]),
        (ids["plain"][-8:].upper(), ["plain"]),
    ]:
        assert [run.request.name for run in await house.found(q=q)] == expected, q


async def test_since_and_until_cut_by_the_time_of_the_request(house: House) -> None:
    await request(house.writer, name="first")
    second = await request(house.writer, name="second")
    await request(house.writer, name="third")
    await house.caught_up()
    moment = next(run.created_at for run in await house.all_runs() if run.id == second)
    later = moment + timedelta(microseconds=1)
    assert [run.request.name for run in await house.found(since=moment)] == ["third", "second"]
    assert [run.request.name for run in await house.found(until=moment)] == ["first"]
    assert [run.id for run in await house.found(since=moment, until=later)] == [second]


async def test_the_clock_moves_runs_between_states_without_an_event(house: House) -> None:
    run_id = await request(house.writer, run_at=now() + timedelta(seconds=1.5))
    await house.caught_up()
    assert [run.id for run in await house.found(state=("scheduled",))] == [run_id]
    await becomes(lambda: house.found(state=("queued",)))
    assert await house.found(state=("scheduled",)) == []


async def test_a_held_run_that_was_to_be_tried_again_waits_again_when_it_is_released(
    house: House,
) -> None:
    run = await request(house.writer)
    started = facts.AttemptStarted(run=run, attempt=1, executor="left")
    failed = facts.AttemptFailed(run=run, attempt=1, failure=TROUBLE)
    later = now() + timedelta(hours=1)
    again = facts.RetryScheduled(run=run, next_attempt_at=later, wait_seconds=3600)
    await append(house.writer, run, started, failed, again)
    await append(house.writer, run, facts.RunHeld(run=run))
    await house.caught_up()
    assert len(await house.found(state=("paused",))) == 1
    await append(house.writer, run, facts.RunReleased(run=run))
    await house.caught_up()
    assert len(await house.found(state=("retrying",))) == 1


async def test_pages_neither_skip_nor_repeat_while_runs_come_in(house: House) -> None:
    await tell(house.writer, 40)
    await house.caught_up()
    before = {run.id for run in await house.all_runs()}
    seen: list[str] = []
    after = None
    while True:
        page = await run_list.find(house.opened, TENANT, Filter(), after=after, limit=9)
        seen += [run.id for run in page.runs]
        await request(house.writer, name="came in meanwhile")
        await house.caught_up()
        if (after := page.next) is None:
            break
    assert len(seen) == len(set(seen))
    assert set(seen) == before


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "ä", "kqgtY3JlYXRlZA", "../..", "a" * 5000])
async def test_a_cursor_that_nobody_gave_is_refused(house: House, cursor: str) -> None:
    with pytest.raises(Refused):
        await run_list.find(house.opened, TENANT, Filter(), after=cursor)


async def test_a_cursor_of_another_order_is_refused(house: House) -> None:
    await tell(house.writer, 5)
    await house.caught_up()
    page = await run_list.find(house.opened, TENANT, Filter(), limit=2)
    with pytest.raises(Refused):
        await run_list.find(house.opened, TENANT, Filter(), sort="created", after=page.next)


async def _indexes(connection: asyncpg.Connection) -> list[str]:
    table = (await projection.live(connection, "run_list")).table
    rows = await connection.fetch(
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = $1::text::regclass",
        table,
    )
    return sorted(row[0].split(" USING ", 1)[1] for row in rows)


async def _is_stuck(projector: Projector) -> bool:
    return "run_list" in projector.stuck
