"""Removes what was stored for a batch that never came: uploads nobody used, files that broke off."""

from typing import Final

import asyncpg

from perdure_runtime import logs

log = logs.get(__name__)

KEPT_HOURS: Final = 24
LOOK_SECONDS: Final = 3600.0
REMOVE_SECONDS: Final = 300


class UnusedInputs:
    """A duty for a loop: `tick` may run on every replica, what is gone is gone."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def tick(self) -> float:
        """Remove what is older than a day; gives the seconds until the next look."""
        removed = await self._pool.fetchval(
            "SELECT perdure.remove_unused_inputs(clock_timestamp() - make_interval(hours => $1))",
            KEPT_HOURS,
            timeout=REMOVE_SECONDS,
        )
        if removed:
            log.info("unused inputs removed", inputs=removed)
        return LOOK_SECONDS
