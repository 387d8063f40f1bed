"""Makes the next partitions of the log long before they are needed."""

from typing import Final

import asyncpg

from perdure_runtime import logs

log = logs.get(__name__)

SIZE: Final = 10_000_000
"""Events a partition; the first ones are made by a migration."""
AHEAD: Final = 2
"""Partitions that lie empty beyond the one that is written."""
LOOK_SECONDS: Final = 600.0


class Partitions:
    """A duty for a loop: `tick` may run on every replica, what exists is left alone."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._made_up_to = 0

    async def tick(self) -> float:
        """Make what is missing; gives the seconds until the next look."""
        position = int(await self._pool.fetchval("SELECT position FROM perdure.head"))
        last = (position // SIZE + AHEAD) * SIZE
        for first in range(position // SIZE * SIZE, last + SIZE, SIZE):
            if first > self._made_up_to:
                await self._pool.execute("SELECT perdure.add_event_partition($1, $2)", first, SIZE)
                self._made_up_to = first
        return LOOK_SECONDS
