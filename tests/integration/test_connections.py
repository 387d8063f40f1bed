"""Connections that are opened for someone who is cancelled meanwhile."""

import asyncio
import gc

import asyncpg
import pytest

from perdure_api.store.database import connect
from tests.support.stack import Database
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
