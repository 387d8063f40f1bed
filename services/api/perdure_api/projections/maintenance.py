"""Care of the views: list them, fold one again beside the live one, compare, put it in place.

The steps of a rebuild: an empty table beside the live one → the whole log folded into it → indexes →
with the live build held still, the rest of the log → compare → the view shows the new table, the old one
goes. Readers never see a half-built view.
"""

from collections.abc import Callable
from typing import Final

import asyncpg
from msgspec import Struct

from perdure_api.projections.projection import (
    REBUILD_BATCH,
    SCHEMA,
    Build,
    PoisonEvent,
    Projection,
    advance,
    builds,
    live,
)
from perdure_runtime import logs

log = logs.get(__name__)

Told = Callable[[int, int], None]
"""Hears how far a rebuild is: position, end of the log."""

_SHOWN: Final = 20
"""How many differing rows are named."""


class Listed(Struct, frozen=True, kw_only=True):
    """A build of a projection as `perdure projections list` shows it."""

    name: str
    version: int
    build: int
    position: int
    behind: int
    status: str
    error: str | None
    rows: int
    """As the planner estimates."""


class Compared(Struct, frozen=True, kw_only=True):
    """How a freshly folded view compares with the live one at the same position."""

    name: str
    position: int
    rows: int
    differing: int
    """Rows that are only in one of the two; a changed row counts twice."""
    examples: tuple[str, ...]


async def listed(connection: asyncpg.Connection) -> list[Listed]:
    """Give every build of every projection with how far it has come."""
    rows = await connection.fetch(
        "SELECT c.name, c.version, c.build, c.position, h.position - c.position AS behind, c.status, "
        "c.error, greatest(t.reltuples, 0)::bigint AS rows FROM perdure.checkpoints c "
        "CROSS JOIN perdure.head h LEFT JOIN pg_class t ON t.oid = "
        "to_regclass(format('perdure_views.%I', c.name || '_' || c.version || '_' || c.build)) "
        "ORDER BY c.name, c.build"
    )
    return [Listed(**dict(row)) for row in rows]


async def rebuild(
    connection: asyncpg.Connection, projection: Projection, told: Told | None = None
) -> Compared:
    """Fold the whole log into a new build and put it in the place of the live one.

    The connection must be its own: it holds locks while it compares. What an interrupted rebuild
    left is removed first.

    Raises:
        PoisonEvent: when an event cannot be folded; the live build then stays.
    """
    await _clear(connection, projection)
    fresh = await _fold(connection, projection, told)
    async with connection.transaction():
        old = await _hold(connection, projection)
        fresh = await _reach(connection, projection, fresh, old.position)
        compared = await _compare(connection, old, fresh)
        await _put_in_place(connection, old, fresh)
    log.info("projection rebuilt", projection=projection.name, differing=compared.differing)
    return compared


async def verify(
    connection: asyncpg.Connection, projection: Projection, told: Told | None = None
) -> Compared:
    """Fold the whole log beside the live build, compare, and remove what was folded."""
    await _clear(connection, projection)
    fresh = await _fold(connection, projection, told)
    async with connection.transaction():
        old = await _hold(connection, projection)
        fresh = await _reach(connection, projection, fresh, old.position)
        compared = await _compare(connection, old, fresh)
        await _remove(connection, fresh)
    return compared


async def bring_in(connection: asyncpg.Connection, projection: Projection) -> None:
    """Put a newer version of a projection in the place of an older one; nothing when there is none.

    A migration made its empty table and its checkpoint (`building`); the older version is read until
    this one has folded the whole log.
    """
    old = await live(connection, projection.name)
    if old.version >= projection.version:
        return
    newer = [
        b for b in await builds(connection, projection.name) if b.version == projection.version
    ]
    fresh = newer[-1]
    while (after := await advance(connection, projection, fresh, limit=REBUILD_BATCH)) != fresh:
        fresh = after
    async with connection.transaction():
        old = await _hold(connection, projection)
        fresh = await _reach(connection, projection, fresh, await _end(connection))
        await _put_in_place(connection, old, fresh)
    log.info("newer projection put in place", projection=projection.name, version=fresh.version)


async def _fold(connection: asyncpg.Connection, projection: Projection, told: Told | None) -> Build:
    """Make an empty table beside the live one and fold the log into it, up to about its end."""
    old = await live(connection, projection.name)
    number = max(build.build for build in await builds(connection, projection.name)) + 1
    fresh = old._replace(build=number, position=0, status="building", error=None)
    async with connection.transaction():
        await connection.execute(
            "INSERT INTO perdure.checkpoints (name, build, version, position, status) "
            "VALUES ($1, $2, $3, 0, 'building')",
            fresh.name,
            fresh.build,
            fresh.version,
        )
        await connection.execute(
            f"CREATE TABLE {fresh.table} (LIKE {old.table} INCLUDING ALL EXCLUDING INDEXES)"
        )
        # The fold looks rows up by their key; the other indexes are made at the end, which is faster.
        for definition in await _indexes(connection, old, fresh, unique=True):
            await connection.execute(definition)
    end = await _end(connection)
    fresh = await _reach(connection, projection, fresh, end, told)
    for definition in await _indexes(connection, old, fresh, unique=False):
        await connection.execute(definition, timeout=3600)
    await connection.execute(f"ANALYZE {fresh.table}")
    return fresh


async def _reach(
    connection: asyncpg.Connection,
    projection: Projection,
    build: Build,
    position: int,
    told: Told | None = None,
) -> Build:
    """Fold up to exactly this position."""
    while build.position < position:
        limit = min(REBUILD_BATCH, position - build.position)
        build = await advance(connection, projection, build, limit=limit)
        if build.error is not None:
            raise PoisonEvent(build.position + 1, RuntimeError(build.error))
        if told is not None:
            told(build.position, position)
    return build


async def _hold(connection: asyncpg.Connection, projection: Projection) -> Build:
    """Keep the live build where it is until the end of the transaction."""
    await connection.execute(
        "SELECT FROM perdure.checkpoints WHERE name = $1 AND status <> 'building' FOR UPDATE",
        projection.name,
    )
    return await live(connection, projection.name)


async def _compare(connection: asyncpg.Connection, old: Build, fresh: Build) -> Compared:
    differing = await connection.fetch(
        f"(SELECT 'only live' AS side, to_jsonb(r)::text AS row FROM "
        f"(SELECT * FROM {old.table} EXCEPT ALL SELECT * FROM {fresh.table}) r) UNION ALL "
        f"(SELECT 'only folded again', to_jsonb(r)::text FROM "
        f"(SELECT * FROM {fresh.table} EXCEPT ALL SELECT * FROM {old.table}) r)",
        timeout=3600,
    )
    return Compared(
        name=old.name,
        position=fresh.position,
        rows=await connection.fetchval(f"SELECT count(*) FROM {fresh.table}", timeout=3600),
        differing=len(differing),
        examples=tuple(f"{row[0]}: {row[1]}" for row in differing[:_SHOWN]),
    )


async def _put_in_place(connection: asyncpg.Connection, old: Build, fresh: Build) -> None:
    # Not OR REPLACE: another version may have other columns.
    await connection.execute(f"DROP VIEW {SCHEMA}.{old.name}")
    await connection.execute(f"CREATE VIEW {SCHEMA}.{old.name} AS SELECT * FROM {fresh.table}")
    await _remove(connection, old)
    await connection.execute(
        "UPDATE perdure.checkpoints SET status = 'live', error = NULL WHERE name = $1 AND build = $2",
        fresh.name,
        fresh.build,
    )


async def _clear(connection: asyncpg.Connection, projection: Projection) -> None:
    """Remove builds of this version that were begun and never finished."""
    for build in await builds(connection, projection.name):
        if build.status == "building" and build.version == projection.version:
            async with connection.transaction():
                await _remove(connection, build)


async def _remove(connection: asyncpg.Connection, build: Build) -> None:
    await connection.execute(f"DROP TABLE IF EXISTS {build.table}")
    await connection.execute(
        "DELETE FROM perdure.checkpoints WHERE name = $1 AND build = $2", build.name, build.build
    )


async def _indexes(
    connection: asyncpg.Connection, old: Build, fresh: Build, *, unique: bool
) -> list[str]:
    """Give the statements that make the indexes of one table on another."""
    rows = await connection.fetch(
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index "
        "WHERE indrelid = $1::text::regclass AND indisunique = $2 ORDER BY indexrelid",
        old.table,
        unique,
    )
    made = []
    for (definition,) in rows:
        head, tail = definition.split(f" ON {old.table} ", 1)
        made.append(f"{head.rsplit(' ', 1)[0]} ON {fresh.table} {tail}")
    return made


async def _end(connection: asyncpg.Connection) -> int:
    return int(await connection.fetchval("SELECT position FROM perdure.head"))
