"""Folds what was committed into the views, one replica at a time."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import asyncpg

from perdure_api.followers.leadership import leadership
from perdure_api.projections import maintenance
from perdure_api.projections.projection import (
    LIVE_BATCH,
    MovedElsewhere,
    Projection,
    advance,
    live,
)
from perdure_api.store.database import AWAY
from perdure_runtime import clock, logs

log = logs.get(__name__)

LOOK_SECONDS: Final = 0.5
"""How long to wait for a wake before looking at the log anyway."""
SETTLE_SECONDS: Final = 0.02
"""Pause before news is folded: many small commits are then folded as one."""
BUSY_EVENTS: Final = 200
"""A batch of so many events shows that much is going on."""
BUSY_SECONDS: Final = 0.25
"""Pause after such a batch: a run that starts and ends meanwhile has its row written once."""
STUCK_SECONDS: Final = 10.0
"""How long to wait before trying a poison event again: a newer program may know it."""
FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 5.0


class Projector:
    """Keeps the live build of every projection at the end of the log."""

    def __init__(
        self,
        url: str,
        projections: Sequence[Projection],
        *,
        moved: Callable[[str, int], None] | None = None,
    ) -> None:
        """Take what to keep up to date.

        Args:
            url: The database, as the application.
            projections: What to fold.
            moved: Called after each batch with the projection's name and position; must not block.
        """
        self._url = url
        self._projections = projections
        self._moved = moved
        self._woken = {projection.name: asyncio.Event() for projection in projections}
        self.stuck: dict[str, str] = {}
        """Projections that stand before a poison event, and why."""

    def wake(self) -> None:
        """Something was committed: look now."""
        for event in self._woken.values():
            event.set()

    async def run(self) -> None:
        """Project until cancelled."""
        async with asyncio.TaskGroup() as group:
            for projection in self._projections:
                group.create_task(self._keep(projection), name=f"projector {projection.name}")

    async def _keep(self, projection: Projection) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                async with leadership(self._url, f"project {projection.name}") as connection:
                    await maintenance.bring_in(connection, projection)
                    pause = FIRST_PAUSE_SECONDS
                    await self._follow(connection, projection)
            except AWAY as error:
                log.warning(
                    "projector looks again",
                    projection=projection.name,
                    why=f"{type(error).__name__}: {error}",
                    again_in_seconds=pause,
                )
            await clock.pause(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _follow(self, connection: asyncpg.Connection, projection: Projection) -> None:
        woken = self._woken[projection.name]
        build = await live(connection, projection.name)
        while True:
            woken.clear()
            try:
                after = await advance(connection, projection, build, limit=LIVE_BATCH)
            except MovedElsewhere:
                # Moved by a rebuild that took its place, or by the replica that led before.
                build = await live(connection, projection.name)
                continue
            folded, build = after.position - build.position, after
            if build.error is not None:
                self.stuck[projection.name] = build.error
            elif folded:
                self.stuck.pop(projection.name, None)
                if self._moved is not None:
                    self._moved(projection.name, build.position)
                if folded == LIVE_BATCH:
                    continue
            try:
                async with asyncio.timeout(STUCK_SECONDS if build.error else LOOK_SECONDS):
                    await woken.wait()
                await clock.pause(BUSY_SECONDS if folded >= BUSY_EVENTS else SETTLE_SECONDS)
            except TimeoutError:
                pass
