"""News: every event in order for those who keep up, a reset for those who do not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from perdure_api.messaging import hub as hub_module
from perdure_api.messaging.hub import RESET, Hub, Listener, Moved, News, Printed, Progressed
from perdure_api.store.database import Database as OpenDatabase
from perdure_api.store.writer import Writer
from perdure_contract import facts, subjects
from perdure_contract.envelope import Event
from perdure_runtime.nats_connection import NatsConnection
from tests.support.following import beside
from tests.support.histories import append, request, running_writer, tell
from tests.support.stack import Database, NatsUrls
from tests.support.waiting import becomes

pytestmark = pytest.mark.integration


@asynccontextmanager
async def living(database: Database, nats: NatsConnection) -> AsyncIterator[tuple[Hub, Writer]]:
    opened = await OpenDatabase.connect(database.url)
    hub = Hub(opened, nats)
    async with running_writer(database.url) as writer, beside(hub.run()):
        await becomes(lambda: _has_looked(hub))
        yield hub, writer
    await opened.close()


@pytest.fixture
def away() -> NatsConnection:
    """A NATS that was never reached."""
    return NatsConnection("nats://127.0.0.1:1", name="nobody")


async def test_every_event_comes_once_and_in_order_without_nats(
    database: Database, away: NatsConnection
) -> None:
    async with living(database, away) as (hub, writer):
        writer.on_commit(lambda _commit: hub.wake())
        with hub.listen_to_events() as listener:
            for seed in range(5):
                await tell(writer, 40, seed=seed)
            heard = [await _event(listener) for _ in range(writer.position)]
    assert [event.position for event in heard] == list(range(1, len(heard) + 1))


async def test_commits_that_nobody_told_of_are_found_anyway(
    database: Database, away: NatsConnection
) -> None:
    async with living(database, away) as (hub, writer):
        with hub.listen_to_events() as listener:
            await request(writer)
            assert (await _event(listener)).position == 1


async def test_a_run_is_heard_by_those_who_listen_to_it_alone(
    database: Database, away: NatsConnection
) -> None:
    async with living(database, away) as (hub, writer):
        mine = await request(writer, name="mine")
        with hub.listen_to_run(mine) as listener, hub.listen_to_moves() as moves:
            await tell(writer, 20)
            await append(writer, mine, facts.RunHeld(run=mine))
            hub.wake()
            assert (await _event(listener)).stream == f"run-{mine}"
            moved = await moves.next(seconds=10)
            assert isinstance(moved, Moved)
        assert hub.listeners == 0


async def test_who_does_not_keep_up_is_reset(
    database: Database, away: NatsConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "WAITING_ITEMS", 50)
    async with living(database, away) as (hub, writer):
        with hub.listen_to_events() as slow:
            await tell(writer, 60)
            hub.wake()
            await becomes(lambda: _reached(hub, writer.position))
            positions = []
            while (news := await slow.next(seconds=0.05)) is not None:
                positions.append(news.position if isinstance(news, Event) else news)
    assert RESET in positions
    tail = positions[positions.index(RESET) + 1 :]
    assert tail == list(range(writer.position - len(tail) + 1, writer.position + 1))


async def test_far_behind_it_jumps_to_the_end(
    database: Database, away: NatsConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "READ_THROUGH", 10)
    async with living(database, away) as (hub, writer):
        with hub.listen_to_events() as listener:
            await tell(writer, 50)
            hub.wake()
            assert await listener.next(seconds=10) == RESET


async def test_live_progress_and_output_come_over_nats(database: Database, nats: NatsUrls) -> None:
    connection = NatsConnection(nats.api, name="hub under test")
    executor = NatsConnection(nats.executor, name="an executor")
    await connection.connect(patience_seconds=5)
    await executor.connect(patience_seconds=5)
    async with living(database, connection) as (hub, writer):
        run = await request(writer)
        with hub.listen_to_run(run) as listener:
            await becomes(lambda: _hears(hub, run))
            await executor.client.publish(subjects.progress("default", run), b'{"done":1}')
            assert await _live(listener) == Progressed(run, b'{"done":1}')
            await executor.client.publish(subjects.live_log("default", run), b"lines")
            assert await _live(listener) == Printed(run, b"lines")
            await executor.client.publish(subjects.progress("default", "other"), b"{}")
        hub.wake()
        await becomes(lambda: _hears_nothing(hub))
    await executor.close()
    await connection.close()


async def _event(listener: Listener) -> Event:
    news = await listener.next(seconds=10)
    assert isinstance(news, Event), news
    return news


async def _live(listener: Listener) -> News | None:
    """Give the next piece of news that is no event."""
    while isinstance(news := await listener.next(seconds=10), Event):
        continue
    return news


async def _has_looked(hub: Hub) -> bool:
    return hub._position is not None  # noqa: SLF001 - nothing outside tells


async def _reached(hub: Hub, position: int) -> bool:
    return hub._position == position  # noqa: SLF001 - nothing outside tells


async def _hears(hub: Hub, run: str) -> bool:
    return run in hub._subscriptions  # noqa: SLF001 - nothing outside tells


async def _hears_nothing(hub: Hub) -> bool:
    return not hub._subscriptions  # noqa: SLF001 - nothing outside tells
