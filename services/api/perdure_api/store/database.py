"""Connections to PostgreSQL: a pool for reads, an engine for composed queries, one for the writer."""

from typing import Final

import asyncpg
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from perdure_api.store.migrate import APPLICATION_ROLE, may_become_application

BROKEN: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
)
"""What is raised when a connection breaks; asyncpg may call it a fault of its own inside."""
AWAY: Final = (*BROKEN, asyncpg.PostgresError)
"""The same, or PostgreSQL refuses: what a follower tries again after."""

READ_CONNECTIONS = 10
COMMAND_TIMEOUT_SECONDS = 30


def _as_bytes(value: bytes) -> bytes:
    return bytes(value)


async def prepare(connection: asyncpg.Connection) -> None:
    """Let `json` columns go in and out as bytes, and go on with the application's rights alone.

    Where the login role may not become the application role, it keeps its own rights.
    """
    await connection.set_type_codec(
        "json", schema="pg_catalog", encoder=_as_bytes, decoder=_as_bytes, format="binary"
    )
    if await may_become_application(connection):
        await connection.execute(f"SET ROLE {APPLICATION_ROLE}")


async def _leave_as_it_is(_connection: asyncpg.Connection) -> None:
    """Spare a round trip at each return to the pool: nothing of a session's own is ever set there."""


async def connect(url: str) -> asyncpg.Connection:
    """Open one connection of its own: for the writer, for a leader, for a follower."""
    connection = await asyncpg.connect(url, timeout=5, command_timeout=COMMAND_TIMEOUT_SECONDS)
    try:
        await prepare(connection)
    except BaseException:
        # Whoever is cancelled here never gets the connection, so nobody else would close it.
        connection.terminate()
        raise
    return connection


class Database:
    """Where reads go. Decisions and writes go through the writer's own connection."""

    def __init__(self, url: str, pool: asyncpg.Pool, engine: AsyncEngine) -> None:
        self.url = url
        self.pool = pool
        self.engine = engine

    @classmethod
    async def connect(cls, url: str) -> "Database":
        """Open the pool; raises what asyncpg raises when the server cannot be reached."""
        pool = await asyncpg.create_pool(
            url,
            min_size=2,
            max_size=READ_CONNECTIONS,
            timeout=5,
            command_timeout=COMMAND_TIMEOUT_SECONDS,
            init=prepare,
            reset=_leave_as_it_is,
        )
        role = await pool.fetchval("SELECT current_user")
        engine = create_async_engine(
            make_url(url).set(drivername="postgresql+asyncpg"),
            connect_args={"server_settings": {"role": role}},
            pool_size=2,
            max_overflow=READ_CONNECTIONS,
            pool_pre_ping=True,
        )
        return cls(url, pool, engine)

    async def close(self) -> None:
        """Close every connection, those in use after at most 2 seconds by force."""
        await self.engine.dispose()
        await self.pool.close()
