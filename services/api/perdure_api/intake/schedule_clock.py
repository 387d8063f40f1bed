"""Time as a way in: looks for schedules that have come due, in any number of replicas.

Nobody leads. Whoever looks first fires; the others wait for the row's lock and find nothing due. What
counts is the database's clock.
"""

from collections.abc import Callable
from typing import Final

from perdure_api.firing import Firing
from perdure_api.messaging.controls import Controls
from perdure_api.store.batch import Batch
from perdure_api.store.database import Database
from perdure_api.store.work import Work
from perdure_api.store.writer import Writer
from perdure_contract.identifiers import job_stream, schedule_stream
from perdure_runtime import logs
from perdure_runtime.clock import monotonic

log = logs.get(__name__)

AT_ONCE: Final = 100
"""Schedules in one transaction; the rest follow in the next ones."""
MAX_PAUSE_SECONDS: Final = 0.5
MIN_PAUSE_SECONDS: Final = 0.01

LOOK = """
WITH due AS (
    SELECT schedule_id FROM perdure.schedules
    -- As a subquery the time is asked for once, and the index is read no further than to it.
    WHERE next_fire_at <= (SELECT clock_timestamp()) ORDER BY next_fire_at LIMIT $1
), stayed AS (
    SELECT DISTINCT schedule_id FROM perdure.schedule_fires WHERE outcome = 'waiting'
), free AS (
    -- What waits can go on when a run has ended since, or none is left.
    SELECT schedule_id FROM stayed w
    WHERE NOT EXISTS (SELECT FROM perdure.schedule_fires f
                      WHERE f.schedule_id = w.schedule_id AND f.open)
       OR EXISTS (SELECT FROM perdure.schedule_fires f JOIN perdure.runs r ON r.run_id = f.run_id
                  WHERE f.schedule_id = w.schedule_id AND f.open AND r.phase = 'final')
    LIMIT $1
)
SELECT s.schedule_id::text, s.job,
       ARRAY(SELECT f.run_id::text FROM perdure.schedule_fires f
             WHERE f.schedule_id = s.schedule_id AND f.open)
FROM perdure.schedules s
WHERE s.enabled
  AND s.schedule_id = ANY(ARRAY(SELECT schedule_id FROM due UNION SELECT schedule_id FROM free))"""

NEXT = """
SELECT extract(epoch FROM min(next_fire_at) - clock_timestamp())::float8 FROM perdure.schedules
WHERE next_fire_at IS NOT NULL"""


class ScheduleClock:
    """The clock of one replica."""

    def __init__(self, database: Database, writer: Writer, controls: Controls) -> None:
        self._database = database
        self._writer = writer
        self._controls = controls
        self._looked_at: float | None = None

    @property
    def seconds_since_look(self) -> float | None:
        """How long ago this replica last looked; none before the first time."""
        return None if self._looked_at is None else monotonic() - self._looked_at

    async def tick(self) -> float:
        """Fire what is due; give the seconds until the next fire time, half a second at most."""
        pool = self._database.pool
        while rows := await pool.fetch(LOOK, AT_ONCE):
            await self._fire(
                {row[0]: row[1] for row in rows}, [run for row in rows for run in row[2]]
            )
            if len(rows) < AT_ONCE:
                break
        self._looked_at = monotonic()
        due_in: float | None = await pool.fetchval(NEXT)
        if due_in is None:
            return MAX_PAUSE_SECONDS
        return min(max(due_in, MIN_PAUSE_SECONDS), MAX_PAUSE_SECONDS)

    async def _fire(self, jobs: dict[str, str], open_runs: list[str]) -> None:
        firing = Firing(tuple(jobs))

        def perform(batch: Batch) -> Callable[[], None]:
            firing.begin()
            for schedule_id in jobs:
                firing.settle(batch, schedule_id)
            firing.finish(batch)
            return lambda: None

        streams = {*map(schedule_stream, jobs), *map(job_stream, jobs.values())}
        work = Work(
            perform=perform,
            prepare=firing.prepare,
            runs=tuple(open_runs),
            streams=tuple(streams),
            weight=len(jobs),
        )
        await self._writer.submit(work)
        await self._controls.send(firing.told)
