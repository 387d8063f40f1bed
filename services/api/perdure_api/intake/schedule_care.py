"""Care of schedules: fire times are reckoned anew when a zone's rules changed, old ones are removed."""

from collections.abc import Callable, Sequence
from typing import Final

from perdure_api.domain.schedule import FIRES_KEPT, Schedule
from perdure_api.store.batch import Batch
from perdure_api.store.database import Database
from perdure_api.store.work import Work
from perdure_api.store.writer import Writer
from perdure_contract.identifiers import schedule_stream
from perdure_runtime import logs
from perdure_runtime.zone_rules import zone_rules

log = logs.get(__name__)

EVERY_SECONDS: Final = 3600.0
AT_ONCE: Final = 100
"""Schedules in one transaction."""
REMOVED_AT_ONCE: Final = 10_000

ZONES: Final = """
SELECT DISTINCT zone FROM perdure.schedules WHERE next_fire_at IS NOT NULL AND zone IS NOT NULL"""

OTHER_RULES: Final = """
SELECT schedule_id::text FROM perdure.schedules
WHERE next_fire_at IS NOT NULL
  AND NOT coalesce(zone || ' ' || zone_rules = ANY($1::text[]), false)
ORDER BY schedule_id LIMIT $2"""

# What has come due already is left to the clock, which judges it by the schedule's own policies.
RECKON: Final = """
UPDATE perdure.schedules SET zone = $3, zone_rules = $4,
    next_fire_at = CASE WHEN next_fire_at > $5 THEN $2 ELSE next_fire_at END
WHERE schedule_id = $1::text::uuid"""

REMOVE: Final = """
DELETE FROM perdure.schedule_fires WHERE ctid IN (
    SELECT ctid FROM perdure.schedule_fires
    WHERE fire_at < clock_timestamp() - $1::interval AND NOT open AND outcome <> 'waiting'
    LIMIT $2)"""


class ScheduleCare:
    """What schedules need now and then, in any replica."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    async def tick(self) -> float:
        """Do what is to be done; give the seconds until it is worth looking again."""
        await self._reckon_anew()
        while await self._removed() == REMOVED_AT_ONCE:
            pass
        return EVERY_SECONDS

    async def _reckon_anew(self) -> None:
        pool, seen = self._database.pool, set[str]()
        while True:
            zones = [row[0] for row in await pool.fetch(ZONES)]
            rules = [f"{zone} {zone_rules(zone)}" for zone in zones]
            found = [row[0] for row in await pool.fetch(OTHER_RULES, rules, AT_ONCE)]
            left = [schedule_id for schedule_id in found if schedule_id not in seen]
            if not left:
                return
            await self._reckon(left)
            seen.update(left)
            log.info("fire times reckoned anew", schedules=len(left))

    async def _reckon(self, ids: Sequence[str]) -> None:
        def perform(batch: Batch) -> Callable[[], None]:
            for schedule_id in ids:
                state = batch.state(schedule_stream(schedule_id))
                if isinstance(state, Schedule):
                    zone = state.plan.timezone
                    following = state.next_fire(batch.now)
                    batch.execute(RECKON, schedule_id, following, zone, zone_rules(zone), batch.now)
            return lambda: None

        streams = tuple(map(schedule_stream, ids))
        await self._writer.submit(Work(perform=perform, streams=streams, weight=len(ids)))

    async def _removed(self) -> int:
        done = await self._database.pool.execute(REMOVE, FIRES_KEPT, REMOVED_AT_ONCE)
        return int(done.rpartition(" ")[2])
