"""What new runs need is loaded ahead while there is nothing to do, and believed only if it still holds."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
import pytest_asyncio

from perdure_api.domain.callers import Caller
from perdure_api.duties import Core
from perdure_api.store import appending
from perdure_api.store.appending import Appended, Appender, following
from perdure_api.store.batch import Batch
from perdure_api.store.database import connect
from perdure_api.store.work import Work
from perdure_contract import facts
from perdure_contract.specs import CommandSpec
from perdure_runtime.clock import new_id
from tests.support.api_core import request_one
from tests.support.checker import checked
from tests.support.stack import Database

pytestmark = pytest.mark.integration


Prepare = Callable[[asyncpg.Connection, Batch], Awaitable[None]]


class Ahead:
    """An appender on a connection of its own, and on which positions of the log it has decided."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self.decided_on: list[int] = []
        self.appender = Appender(self._was_committed)
        self.appender.joined_by = self._look

    async def get_ready(self) -> None:
        await self.appender.get_ready(self.connection)

    async def request(self, *, is_new: bool = True, prepare: Prepare | None = None) -> Appended:
        run_id = new_id()

        def perform(batch: Batch) -> Callable[[], str]:
            spec = CommandSpec(argv=("/bin/true",))
            batch.begin_run(
                facts.RunRequested(run=run_id, name="new", spec=spec), Caller(actor="token:tests")
            )
            return lambda: run_id

        work = Work(perform=perform, is_new=is_new, prepare=prepare)
        return await self.appender.append(self.connection, [work])

    async def _look(self, _connection: asyncpg.Connection, batch: Batch) -> None:
        self.decided_on.append(batch.base)

    async def _was_committed(self, _event: str) -> bool:
        return False


@pytest_asyncio.fixture
async def ahead(
    core: Core, database: Database, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Ahead]:
    # However slow this machine is just now.
    monkeypatch.setattr(appending, "LOADED_WITHIN_SECONDS", 60.0)
    monkeypatch.setattr(appending, "READY_SECONDS", 60.0)
    await request_one(core)  # so that its lane is known
    connection = await connect(database.url)
    found = Ahead(connection)
    lanes = await connection.fetch("SELECT queue, lane FROM perdure.lanes")
    found.appender.learn((row[0], row[1]) for row in lanes)
    try:
        yield found
    finally:
        await connection.close()


async def test_a_new_run_is_decided_on_what_was_loaded_ahead(
    core: Core, ahead: Ahead, database: Database
) -> None:
    head = core.writer.position
    await ahead.get_ready()
    first = await ahead.request()
    second = await ahead.request()

    assert ahead.decided_on == [head, head + 1]
    assert [event.position for event in (*first.events, *second.events)] == [head + 1, head + 2]
    assert first.batch.now <= second.batch.now
    await checked(database.url)


async def test_what_was_loaded_ahead_is_not_believed_once_somebody_has_written(
    core: Core, ahead: Ahead, database: Database
) -> None:
    await ahead.get_ready()
    before = core.writer.position
    await request_one(core)
    appended = await ahead.request()

    assert ahead.decided_on == [before, core.writer.position]
    assert appended.events[0].position == core.writer.position + 1
    await checked(database.url)


async def test_only_new_runs_and_only_for_a_moment_use_what_was_loaded_ahead(
    core: Core, ahead: Ahead, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ahead.get_ready()
    before = await ahead.connection.fetchval("SELECT clock_timestamp()")
    other = await ahead.request(is_new=False)
    assert other.batch.now > before

    await ahead.get_ready()
    before = await ahead.connection.fetchval("SELECT clock_timestamp()")
    monkeypatch.setattr(appending, "READY_SECONDS", 0.0)
    late = await ahead.request()
    assert late.batch.now > before
    assert ahead.decided_on == [core.writer.position, core.writer.position + 1]


async def test_what_has_to_be_read_or_locked_beside_it_is_read_within_the_transaction(
    ahead: Ahead,
) -> None:
    within: list[bool] = []

    async def look_up(connection: asyncpg.Connection, _batch: Batch) -> None:
        within.append(connection.is_in_transaction())

    await ahead.get_ready()
    await ahead.request(prepare=look_up)

    assert within == [True]


async def test_a_writer_that_cannot_load_ahead_goes_on(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = asyncio.Event()

    async def fail(_connection: asyncpg.Connection) -> None:
        failed.set()
        raise ValueError("what stands there cannot be read")

    monkeypatch.setattr(core.writer.appender, "get_ready", fail)
    first = await request_one(core)
    async with asyncio.timeout(20):
        await failed.wait()
    second = await request_one(core)

    assert second.created > first.created


def test_times_follow_each_other_unless_the_clock_is_put_back() -> None:
    newest = datetime(2026, 3, 1, 12, tzinfo=UTC)

    assert following(newest - timedelta(milliseconds=3), newest) == newest
    assert following(newest + timedelta(milliseconds=3), newest) > newest
    assert following(newest - timedelta(hours=1), newest) < newest
