"""What time does to runs: leases that ended, forced cancels that nobody answered.

A session silent for 9/8 of the lease is lost; so are the open attempts of every executor without a
live session. The api must itself have reached PostgreSQL and NATS for that long without a break
before it judges: while it was away, executors could not be heard.
"""

from collections.abc import Callable
from datetime import timedelta

import asyncpg

from perdure_api.domain.callers import SYSTEM
from perdure_api.domain.run_commands import CloseForced, Lose
from perdure_api.domain.run_decisions import decide
from perdure_api.messaging.controls import Controls
from perdure_api.store.batch import Batch
from perdure_api.store.database import Database
from perdure_api.store.work import Work
from perdure_api.store.writer import Writer
from perdure_contract.facts import Evidence, ExecutorLost
from perdure_contract.identifiers import executor_stream
from perdure_contract.wire import Attempt, Revoke
from perdure_runtime.clock import monotonic
from perdure_runtime.nats_connection import NatsConnection

REAP_AT = 9 / 8
"""Of the lease: later than the executor's own end at 5/6, so that the two never overlap."""

RUNS_AT_ONCE = 200

ORPHANS = """
SELECT r.run_id::text, r.executor,
       (SELECT max(s.last_seen) FROM perdure.sessions s WHERE s.executor = r.executor)
FROM perdure.runs r
WHERE r.phase IN ('running', 'cancelling')
  AND NOT EXISTS (
    SELECT FROM perdure.sessions s WHERE s.executor = r.executor
    AND (s.state = 'live' OR s.last_seen >= clock_timestamp() - $2::interval))
LIMIT $1"""


class Reaper:
    """Ends what nobody answers for. Two at once do no harm: each decision is made on what still holds."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        nats: NatsConnection,
        controls: Controls,
        *,
        lease_seconds: float,
    ) -> None:
        self._database = database
        self._writer = writer
        self._nats = nats
        self._controls = controls
        self._lease = timedelta(seconds=lease_seconds)
        self._listening_since: float | None = None

    async def tick(self) -> float:
        """Look once; give the seconds until the next look."""
        pause = min(max(self._lease.total_seconds() / 20, 0.25), 1.0)
        try:
            await self._close_forced()
            if self._has_listened_long_enough():
                await self._end_leases()
                await self._lose_orphans()
        except Exception:
            self._listening_since = None
            raise
        return pause

    def _has_listened_long_enough(self) -> bool:
        if not self._nats.connected:
            self._listening_since = None
            return False
        now = monotonic()
        if self._listening_since is None:
            self._listening_since = now
        return now - self._listening_since > self._lease.total_seconds() * REAP_AT

    async def _close_forced(self) -> None:
        rows = await self._database.pool.fetch(
            "SELECT run_id::text FROM perdure.runs "
            "WHERE act_at IS NOT NULL AND act_at <= clock_timestamp() LIMIT $1",
            RUNS_AT_ONCE,
        )
        for row in rows:
            await self._close(row[0])

    async def _close(self, run_id: str) -> None:
        def perform(batch: Batch) -> Callable[[], tuple[str, Attempt] | None]:
            run = batch.run(run_id)
            if run is None or run.attempt is None:
                return lambda: None
            fenced = Attempt(run=run.id, number=run.attempt.number, fence=run.attempt.fence)
            executor = run.attempt.executor
            decided = decide(run, CloseForced(), batch.now)
            if not isinstance(decided, tuple) or not decided:
                return lambda: None
            batch.append_run(run, decided, SYSTEM)
            return lambda: (executor, fenced)

        closed = (await self._writer.submit(Work(perform=perform, runs=(run_id,)))).result
        if closed is not None:
            await self._controls.send([(closed[0], Revoke(attempt=closed[1]))])

    async def _end_leases(self) -> None:
        rows = await self._database.pool.fetch(
            "SELECT session_id::text, executor FROM perdure.sessions "
            "WHERE state = 'live' AND last_seen < clock_timestamp() - $1::interval",
            self._lease * REAP_AT,
        )
        for row in rows:
            await self._end_lease(row[0], row[1])

    async def _end_lease(self, session: str, executor: str) -> None:
        found: list[asyncpg.Record] = []

        async def lock(connection: asyncpg.Connection, _batch: Batch) -> None:
            # The row of the heartbeat: of a beat and this, exactly one wins.
            found[:] = await connection.fetch(
                "UPDATE perdure.sessions SET state = 'lost' WHERE session_id = $1::text::uuid "
                "AND state = 'live' AND last_seen < clock_timestamp() - $2::interval "
                "RETURNING last_seen",
                session,
                self._lease * REAP_AT,
            )

        def perform(batch: Batch) -> Callable[[], None]:
            for row in found:
                silent = (batch.now - row[0]).total_seconds()
                fact = ExecutorLost(
                    executor=executor,
                    session=session,
                    last_seen_at=row[0],
                    silent_seconds=round(silent, 1),
                )
                batch.append(executor_stream(executor), (fact,), SYSTEM)
            return lambda: None

        work = Work(perform=perform, prepare=lock, streams=(executor_stream(executor),))
        await self._writer.submit(work)

    async def _lose_orphans(self) -> None:
        rows = await self._database.pool.fetch(ORPHANS, RUNS_AT_ONCE, self._lease * REAP_AT)
        if not rows:
            return
        last_seen = {row[0]: row[2] for row in rows}
        executors = sorted({row[1] for row in rows})
        alive: set[str] = set()

        async def look_again(connection: asyncpg.Connection, _batch: Batch) -> None:
            # An executor that came back meanwhile has said itself what it still holds.
            found = await connection.fetch(
                "SELECT executor FROM perdure.sessions "
                "WHERE executor = ANY($1::text[]) AND state = 'live' FOR SHARE",
                executors,
            )
            alive.clear()
            alive.update(row[0] for row in found)

        def perform(batch: Batch) -> Callable[[], None]:
            for run_id, seen in last_seen.items():
                run = batch.run(run_id)
                if run is None or run.attempt is None or run.attempt.executor in alive:
                    continue
                silent = None if seen is None else round((batch.now - seen).total_seconds(), 1)
                evidence = Evidence(
                    rule="lease-ended",
                    executor=run.attempt.executor,
                    last_seen_at=seen,
                    silent_seconds=silent,
                    allowed_seconds=self._lease.total_seconds(),
                )
                command = Lose(evidence=evidence, attempt=run.attempt.number)
                decided = decide(run, command, batch.now)
                if isinstance(decided, tuple):
                    batch.append_run(run, decided, SYSTEM)
            return lambda: None

        work = Work(
            perform=perform, prepare=look_again, runs=tuple(last_seen), weight=len(last_seen)
        )
        await self._writer.submit(work)
