"""One replica at a time: an advisory lock of PostgreSQL, held by the connection a duty works with.

It saves work, it does not keep the truth: every duty is also safe when two do it. Because the duty
reads through the very connection that holds the lock, losing the one is losing the other.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Final

import asyncpg

from perdure_api.store.database import AWAY, connect
from perdure_runtime import clock, logs

log = logs.get(__name__)

_LOCKS: Final = 0x7065_7264
"""First half of the key of all of Perdure's locks: "perd"."""

ASK_AGAIN_SECONDS: Final = 1.0


@asynccontextmanager
async def leadership(url: str, duty: str) -> AsyncIterator[asyncpg.Connection]:
    """Wait until no other replica does this duty, then give the connection to do it with.

    Raises:
        OSError, asyncpg.PostgresError: when PostgreSQL cannot be reached.
    """
    connection = await connect(url)
    try:
        while not await connection.fetchval(
            "SELECT pg_try_advisory_lock($1, $2)", _LOCKS, _key(duty)
        ):
            await clock.pause(ASK_AGAIN_SECONDS)
        log.info("duty taken", duty=duty)
        yield connection
    finally:
        # In good order, so that the next one gets the lock at once; by force when that takes long.
        with suppress(*AWAY):
            await connection.close(timeout=1)


def _key(duty: str) -> int:
    """Make a signed 32-bit number of a name."""
    return zlib.crc32(duty.encode()) - (1 << 31)


PROVE_SECONDS: Final = 2.0


async def lead(url: str, duty: str, work: Callable[[], Coroutine[None, None, None]]) -> None:
    """Do a duty whenever this process leads, for ever; step down when the lock's connection breaks."""
    while True:
        try:
            async with leadership(url, duty) as connection:
                task = asyncio.ensure_future(work())
                try:
                    await _until_broken(connection, task)
                finally:
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
        except AWAY as error:
            log.warning("duty laid down", duty=duty, error=type(error).__name__)
        await clock.pause(ASK_AGAIN_SECONDS)


async def _until_broken(connection: asyncpg.Connection, task: asyncio.Future[None]) -> None:
    while True:
        done, _ = await asyncio.wait({task}, timeout=PROVE_SECONDS)
        if done:
            task.result()
            return
        await connection.fetchval("SELECT 1")
