"""What every asynchronous view has in common: a fold over the log, and a checkpoint beside its rows.

A projection of this program has a name, a version (of its fold and its table) and, in the database, one
or more *builds*: tables `perdure_views.<name>_<version>_<build>`. The live build is what the view
`perdure_views.<name>` shows. Rows and checkpoint change in one transaction, and the checkpoint by
compare-and-set, so every event is folded once, whoever else tries at the same time.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple, Protocol

import asyncpg

from perdure_runtime import logs

log = logs.get(__name__)

LIVE_BATCH: Final = 2000
REBUILD_BATCH: Final = 5000

SCHEMA: Final = "perdure_views"


class Recorded(NamedTuple):
    """An event as far as views need it; the order is that of the columns read."""

    position: int
    stream: str
    type: str
    tenant: str
    time: datetime
    data: bytes


class PoisonEvent(Exception):
    """An event that a projection cannot fold. It is never skipped: the projection stops before it."""

    def __init__(self, position: int, cause: Exception) -> None:
        super().__init__(f"position {position}: {type(cause).__name__}: {cause}")
        self.position = position


class Projection(Protocol):
    """A read model that is folded from the log, and can be folded again at any time."""

    name: str
    version: int

    async def apply(
        self, connection: asyncpg.Connection, table: str, events: Sequence[Recorded]
    ) -> None:
        """Fold events, which follow on what `table` holds, into its rows.

        Raises:
            PoisonEvent: when one cannot be folded; nothing of the batch may then stay.
        """
        ...


class Build(NamedTuple):
    """One build of a projection, as its checkpoint says; the order is that of the columns read."""

    name: str
    build: int
    version: int
    position: int
    status: str
    error: str | None
    updated_at: datetime

    @property
    def table(self) -> str:
        """The qualified name of its table; made of our own words and numbers only."""
        return f"{SCHEMA}.{self.name}_{self.version}_{self.build}"


_BUILDS: Final = """
SELECT name, build, version, position, status, error, updated_at FROM perdure.checkpoints"""


async def builds(connection: asyncpg.Connection | asyncpg.Pool, name: str) -> list[Build]:
    """Give the builds of a projection, oldest first."""
    rows = await connection.fetch(f"{_BUILDS} WHERE name = $1 ORDER BY build", name)
    return [Build(*row) for row in rows]


async def live(connection: asyncpg.Connection | asyncpg.Pool, name: str) -> Build:
    """Give the build that readers see."""
    row = await connection.fetchrow(f"{_BUILDS} WHERE name = $1 AND status <> 'building'", name)
    return Build(*row)


async def position(connection: asyncpg.Connection | asyncpg.Pool, name: str) -> int:
    """Tell up to which position readers of a projection see the log."""
    return (await live(connection, name)).position


async def advance(
    connection: asyncpg.Connection, projection: Projection, build: Build, *, limit: int
) -> Build:
    """Fold the next events into a build; gives it as it is then, unchanged when there were none.

    A poison event ends the batch before it; when it is the first, the build is marked stuck.
    """
    events = await _read(connection, build.position, limit)
    if not events:
        return build
    try:
        await _apply(connection, projection, build, events)
    except PoisonEvent as poison:
        events = [event for event in events if event.position < poison.position]
        if not events:
            return await _stuck(connection, build, poison)
        await _apply(connection, projection, build, events)
    return build._replace(position=events[-1].position, error=None)


class MovedElsewhere(Exception):
    """Another replica moved this checkpoint meanwhile: read it again."""


async def _read(connection: asyncpg.Connection, after: int, limit: int) -> list[Recorded]:
    rows = await connection.fetch(
        "SELECT position, stream, type, tenant, time, data FROM perdure.events "
        "WHERE position > $1 ORDER BY position LIMIT $2",
        after,
        limit,
    )
    return [Recorded(*row) for row in rows]


async def _apply(
    connection: asyncpg.Connection, projection: Projection, build: Build, events: list[Recorded]
) -> None:
    async with connection.transaction():
        # First, so that a second projector waits here and then finds that it has nothing to do.
        moved = await connection.fetchval(
            "UPDATE perdure.checkpoints SET position = $4, error = NULL, updated_at = clock_timestamp(), "
            "status = CASE status WHEN 'stuck' THEN 'live' ELSE status END "
            "WHERE name = $1 AND build = $2 AND position = $3 RETURNING true",
            build.name,
            build.build,
            build.position,
            events[-1].position,
        )
        if not moved:
            raise MovedElsewhere
        await projection.apply(connection, build.table, events)


async def _stuck(connection: asyncpg.Connection, build: Build, poison: PoisonEvent) -> Build:
    if build.error != str(poison):
        log.error("projection is stuck", projection=build.name, build=build.build, why=str(poison))
        await connection.execute(
            "UPDATE perdure.checkpoints SET error = $3, updated_at = clock_timestamp(), "
            "status = CASE status WHEN 'live' THEN 'stuck' ELSE status END "
            "WHERE name = $1 AND build = $2",
            build.name,
            build.build,
            str(poison),
        )
    return build._replace(error=str(poison))
