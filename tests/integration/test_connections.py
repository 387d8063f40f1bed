"""Connections that are opened for someone who is cancelled meanwhile."""

import asyncio
import gc

import asyncpg
import pytest
from nats.aio.msg import Msg

from perdure_api.store.database import connect
from perdure_contract import subjects
from perdure_runtime.nats_connection import NatsConnection
from tests.support.stack import Database, NatsUrls
from tests.support.waiting import becomes

pytestmark = pytest.mark.integration


async def test_a_connection_that_nobody_waits_for_any_more_is_closed(database: Database) -> None:
    for steps in range(0, 60, 3):
        opening = asyncio.ensure_future(connect(database.url))
        for _ in range(steps):
            await asyncio.sleep(0.0005)
        if opening.cancel():
            with pytest.raises(asyncio.CancelledError):
                await opening
        else:
            await opening.result().close()
        del opening
        gc.collect()  # tells of every connection that was forgotten

    watching = await asyncpg.connect(database.superuser_url)

    async def alone() -> bool:
        count = await watching.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        )
        return bool(count == 1)

    await becomes(alone, what="no connection is left")
    await watching.close()


async def test_a_connection_to_nats_does_not_hear_itself(nats: NatsUrls) -> None:
    one = NatsConnection(nats.api, name="one")
    other = NatsConnection(nats.api, name="other")
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def hear(message: Msg) -> None:
        heard.put_nowait(message.data)

    await one.connect(patience_seconds=5)
    await other.connect(patience_seconds=5)
    await one.client.subscribe(subjects.WAKE, cb=hear)
    await one.client.publish(subjects.WAKE, b"mine")
    await one.client.flush()
    await other.client.publish(subjects.WAKE, b"another's")

    assert await asyncio.wait_for(heard.get(), 10) == b"another's"
    await one.close()
    await other.close()
