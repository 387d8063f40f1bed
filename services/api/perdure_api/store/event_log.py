"""Reading the log: one stream, or everything in order. Writing it is the writer's alone."""

from datetime import datetime

import asyncpg
from msgspec import Struct

from perdure_contract.envelope import Event
from perdure_runtime.clock import rfc3339

COLUMNS = (
    "position, id::text AS id, stream, version, type, tenant, time, actor, "
    "correlation_id::text AS correlation_id, causation_id::text AS causation_id, data, sha256, chain"
)


class Head(Struct, frozen=True):
    """The end of the log."""

    position: int
    chain: bytes
    store_id: str
    now: datetime
    """The database's clock."""


async def head(connection: asyncpg.Connection | asyncpg.Pool) -> Head:
    """Give the end of the log as it is committed now."""
    row = await connection.fetchrow(
        "SELECT position, chain, store_id::text, clock_timestamp() FROM perdure.head"
    )
    return Head(row[0], row[1], row[2], row[3])


def event_of(row: asyncpg.Record) -> Event:
    """Make an event of a row with `COLUMNS`."""
    return Event(
        position=row[0],
        id=row[1],
        stream=row[2],
        version=row[3],
        type=row[4],
        tenant=row[5],
        time=rfc3339(row[6]),
        actor=row[7],
        correlation_id=row[8],
        causation_id=row[9],
        data=row[10],
        sha256=row[11],
        chain=row[12],
    )


async def read_all(
    connection: asyncpg.Connection | asyncpg.Pool, *, after: int, limit: int
) -> list[Event]:
    """Give events from `after` (exclusive) on: ordered and without gaps, up to what is committed."""
    rows = await connection.fetch(
        f"SELECT {COLUMNS} FROM perdure.events WHERE position > $1 ORDER BY position LIMIT $2",
        after,
        limit,
    )
    return [event_of(row) for row in rows]


async def read_latest(pool: asyncpg.Pool, tenant: str, *, limit: int) -> list[Event]:
    """Give a tenant's latest events, newest first."""
    rows = await pool.fetch(
        f"SELECT {COLUMNS} FROM perdure.events WHERE tenant = $1 ORDER BY position DESC LIMIT $2",
        tenant,
        limit,
    )
    return [event_of(row) for row in rows]


async def read_stream(
    connection: asyncpg.Connection | asyncpg.Pool,
    stream: str,
    *,
    first_position: int,
    last_position: int,
    after_version: int = 0,
    upto_version: int | None = None,
    limit: int | None = None,
) -> list[Event]:
    """Give a stream's events in order; its first and last position say which partitions to look at."""
    rows = await connection.fetch(
        f"SELECT {COLUMNS} FROM perdure.events WHERE stream = $1 AND position BETWEEN $2 AND $3 "
        "AND version > $4 AND version <= $5 ORDER BY version LIMIT $6",
        stream,
        first_position,
        last_position,
        after_version,
        2**62 if upto_version is None else upto_version,
        limit,
    )
    return [event_of(row) for row in rows]
