"""Looks for stuck runs now and then and ends them; or only says which it would end.

Looked at every tenth of the allowed time, the shortest of any run that is running, between a second and
an hour, for the first time one interval after start: what stood still while the api was away gets the
chance to be heard first.
"""

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from perdure_api.commands import messages_after
from perdure_api.domain.callers import SYSTEM
from perdure_api.domain.run import Run
from perdure_api.domain.run_commands import EndStuck
from perdure_api.domain.run_decisions import decide
from perdure_api.domain.stuck import Signs, silence_of
from perdure_api.messaging.controls import Controls
from perdure_api.store.batch import Batch
from perdure_api.store.database import Database
from perdure_api.store.state import decode_run
from perdure_api.store.work import Work
from perdure_api.store.writer import Writer
from perdure_contract.facts import Silence
from perdure_runtime import clock, logs

log = logs.get(__name__)

RUNNING = """
SELECT r.state, p.at, c.at, clock_timestamp()
FROM perdure.runs r
LEFT JOIN perdure.live_progress p
  ON p.run_id = r.run_id AND p.attempt = (r.state -> 'attempt' ->> 'number')::int
LEFT JOIN LATERAL (
  SELECT at FROM perdure.log_chunks l
  WHERE l.run_id = r.run_id AND l.attempt = (r.state -> 'attempt' ->> 'number')::int
  ORDER BY first_line DESC LIMIT 1) AS c ON true
WHERE r.phase = 'running'"""

SHORTEST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 3600.0
NOTICE_SECONDS = 5.0


class Stuck(Struct, frozen=True):
    """A run that would be ended, and why."""

    run: Run
    silence: Silence


class Sweep:
    """The sweep of one replica; two at once do no harm."""

    def __init__(
        self, database: Database, writer: Writer, controls: Controls, *, stuck_after_seconds: float
    ) -> None:
        self._database = database
        self._writer = writer
        self._controls = controls
        self._allowed = stuck_after_seconds
        self._looked_at = clock.monotonic()

    async def tick(self) -> float:
        """Look when an interval is over; give the seconds until it is worth asking again."""
        shortest = await self._shortest_allowed()
        interval = min(max(shortest / 10, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
        left = self._looked_at + interval - clock.monotonic()
        if left <= 0:
            for stuck in await find_stuck(self._database, allowed_seconds=self._allowed):
                await self._end(stuck)
            self._looked_at, left = clock.monotonic(), interval
        # A run that allows less than the others may start at any moment.
        return min(left, NOTICE_SECONDS)

    async def _shortest_allowed(self) -> float:
        own: float | None = await self._database.pool.fetchval(
            "SELECT min((state -> 'request' -> 'limits' ->> 'stuck_after_seconds')::float8) "
            "FROM perdure.runs WHERE phase = 'running'"
        )
        return self._allowed if own is None else min(own, self._allowed)

    async def _end(self, stuck: Stuck) -> None:
        attempt = stuck.run.attempt
        if attempt is None:
            return
        command = EndStuck(silence=stuck.silence, attempt=attempt.number)

        def perform(batch: Batch) -> Callable[[], Run | None]:
            run = batch.run(stuck.run.id)
            # Anything that happened to the run since it was looked at is a sign of life.
            if run is None or run.version != stuck.run.version:
                return lambda: None
            decided = decide(run, command, batch.now)
            if not isinstance(decided, tuple) or not decided:
                return lambda: None
            ended = batch.append_run(run, decided, SYSTEM)
            return lambda: batch.placed(ended)

        after = (await self._writer.submit(Work(perform=perform, runs=(stuck.run.id,)))).result
        if after is not None:
            log.info(
                "stuck run ended", run_id=after.id, silent_seconds=stuck.silence.silent_seconds
            )
            await self._controls.send(messages_after(stuck.run, after))


async def find_stuck(
    database: Database, *, allowed_seconds: float, tenant: str | None = None
) -> list[Stuck]:
    """Give the runs that a sweep would end now, the longest silent first, changing nothing."""
    found: list[Stuck] = []
    now: datetime
    for state, progress_at, output_at, now in await database.pool.fetch(RUNNING):
        run = decode_run(state)
        if tenant is not None and run.tenant != tenant:
            continue
        signs = Signs(output_at=output_at, progress_at=progress_at)
        silence = silence_of(run, signs, now, allowed_seconds=allowed_seconds)
        if silence is not None:
            found.append(Stuck(run, silence))
    return sorted(found, key=lambda stuck: -stuck.silence.silent_seconds)
