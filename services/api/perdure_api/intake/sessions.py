"""Executors' sessions: opened, kept alive, superseded, left. The lease is the session, not the run.

A beat updates one row and is no event. What a beat finds different from the log is told again: a grant
that the executor does not hold, a cancel it may not have heard, an attempt that is not its any more.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import asyncpg
import msgspec
from msgspec import Struct

from perdure_api.domain.callers import SYSTEM, executor_caller
from perdure_api.domain.lanes import offered
from perdure_api.domain.run import Run
from perdure_api.domain.run_commands import Lose, TakeBack
from perdure_api.domain.run_decisions import decide
from perdure_api.messaging.grants import Grants
from perdure_api.store.batch import Batch
from perdure_api.store.database import Database
from perdure_api.store.state import decode_run
from perdure_api.store.work import Work
from perdure_api.store.writer import Writer
from perdure_contract import wire
from perdure_contract.facts import Evidence, ExecutorDraining, ExecutorJoined, ExecutorLeft
from perdure_contract.identifiers import executor_stream
from perdure_contract.wire import Attempt

OPEN_RUNS = """
SELECT run_id::text, state FROM perdure.runs
WHERE executor = $1 AND phase IN ('running', 'cancelling')"""

GRANT_AGAIN_AFTER = timedelta(seconds=2)
"""A grant younger than this may still be under way to its executor."""


class _LiveSession(Struct, frozen=True):
    session: str
    last_seen: datetime


class Sessions:
    """Answers executors about their sessions."""

    def __init__(
        self, database: Database, writer: Writer, grants: Grants, *, lease_seconds: float
    ) -> None:
        self._database = database
        self._writer = writer
        self._grants = grants
        self._lease_seconds = lease_seconds

    async def open(self, asked: wire.OpenSession) -> wire.SessionOpened | wire.SessionRefused:
        """Open a session: it takes the place of the one before of the same data directory.

        Attempts in `holding` go on, those that never arrived are granted again, the others are lost.
        """
        held = {attempt.run: attempt for attempt in asked.holding}
        rows = await self._database.pool.fetch(OPEN_RUNS, asked.executor)
        run_ids = sorted({row[0] for row in rows} | set(held))
        live: list[_LiveSession] = []
        never_arrived: list[Run] = []

        async def look_up(connection: asyncpg.Connection, _batch: Batch) -> None:
            live.clear()
            found = await connection.fetch(
                "SELECT session_id::text, last_seen FROM perdure.sessions "
                "WHERE executor = $1 AND state = 'live' FOR UPDATE",
                asked.executor,
            )
            live.extend(_LiveSession(row[0], row[1]) for row in found)

        def perform(
            batch: Batch,
        ) -> Callable[[], wire.SessionOpened | wire.SessionRefused]:
            refused = self._refusal(asked, live, batch.now)
            if refused is not None:
                return lambda: refused
            _supersede(batch, asked)
            never_arrived.clear()
            revoked, cancelling = _take_over(batch, asked, held, run_ids, never_arrived)
            opened = wire.SessionOpened(
                now=batch.now.timestamp(),
                lease_seconds=self._lease_seconds,
                revoked=tuple(revoked),
                cancelling=tuple(cancelling),
            )
            return lambda: opened

        work = Work(
            perform=perform,
            prepare=look_up,
            runs=tuple(run_ids),
            streams=(executor_stream(asked.executor),),
        )
        answer = (await self._writer.submit(work)).result
        await self._grants.send(asked.session, never_arrived)
        return answer

    def _refusal(
        self, asked: wire.OpenSession, live: list[_LiveSession], now: datetime
    ) -> wire.SessionRefused | None:
        for session in live:
            if session.session in (asked.previous, asked.session):
                continue
            if now - session.last_seen < timedelta(seconds=self._lease_seconds):
                return wire.SessionRefused(
                    why=f"Another executor named {asked.executor} is alive. "
                    "Give this one another name with PERDURE_EXECUTOR_NAME."
                )
        return None

    async def beat(self, beat: wire.Heartbeat) -> wire.Beat:
        """Prolong a session; tell what the executor may have missed."""
        row = await self._database.pool.fetchrow(
            "UPDATE perdure.sessions SET last_seen = clock_timestamp(), ahead = $2 "
            "WHERE session_id = $1::text::uuid AND state = 'live' "
            "RETURNING clock_timestamp(), draining",
            beat.session,
            beat.ahead,
        )
        if row is None:
            now = await self._database.pool.fetchval("SELECT clock_timestamp()")
            return wire.Beat(
                now=now.timestamp(),
                live=False,
                lease_seconds=self._lease_seconds,
                revoked=beat.holding,
            )
        now, draining = row
        if beat.draining and not draining:
            await self._drain(beat)
        held = {(attempt.run, attempt.number, attempt.fence) for attempt in beat.holding}
        rows = await self._database.pool.fetch(OPEN_RUNS, beat.executor)
        runs = [decode_run(data) for _, data in rows]
        open_attempts = {
            (run.id, run.attempt.number, run.attempt.fence) for run in runs if run.attempt
        }
        if beat.leaving:
            await self._leave(beat)
        else:
            await self._grants.send(beat.session, _missing(runs, held, now))
        return wire.Beat(
            now=now.timestamp(),
            live=True,
            lease_seconds=self._lease_seconds,
            cancelling=tuple(_cancelling(runs)),
            revoked=tuple(
                attempt
                for attempt in beat.holding
                if (attempt.run, attempt.number, attempt.fence) not in open_attempts
            ),
            drain=draining,
        )

    async def _drain(self, beat: wire.Heartbeat) -> None:
        fact = ExecutorDraining(executor=beat.executor, reason="the executor said so")

        def perform(batch: Batch) -> Callable[[], None]:
            batch.append(executor_stream(beat.executor), (fact,), executor_caller(beat.executor))
            batch.execute(
                "UPDATE perdure.sessions SET draining = true WHERE session_id = $1::text::uuid",
                beat.session,
            )
            return lambda: None

        await self._writer.submit(Work(perform=perform, streams=(executor_stream(beat.executor),)))

    async def _leave(self, beat: wire.Heartbeat) -> None:
        fact = ExecutorLeft(executor=beat.executor, session=beat.session)

        def perform(batch: Batch) -> Callable[[], None]:
            batch.append(executor_stream(beat.executor), (fact,), executor_caller(beat.executor))
            batch.execute(
                "UPDATE perdure.sessions SET state = 'left' "
                "WHERE session_id = $1::text::uuid AND state = 'live'",
                beat.session,
            )
            return lambda: None

        await self._writer.submit(Work(perform=perform, streams=(executor_stream(beat.executor),)))
        await self._take_back_what_never_arrived(beat)

    async def _take_back_what_never_arrived(self, beat: wire.Heartbeat) -> None:
        """Queue again what was granted on the last moment: read after the session took no more."""
        held = {(attempt.run, attempt.number) for attempt in beat.holding}
        rows = await self._database.pool.fetch(OPEN_RUNS, beat.executor)
        runs = [decode_run(data) for _, data in rows]
        missing = {
            run.id: run.attempt.number
            for run in runs
            if run.attempt is not None and (run.id, run.attempt.number) not in held
        }
        if not missing:
            return

        def perform(batch: Batch) -> Callable[[], None]:
            for run_id, number in missing.items():
                run = batch.run(run_id)
                if run is None or run.attempt is None or run.attempt.executor != beat.executor:
                    continue
                decided = decide(run, TakeBack(attempt=number), batch.now)
                if isinstance(decided, tuple):
                    batch.append_run(run, decided, SYSTEM)
            return lambda: None

        await self._writer.submit(Work(perform=perform, runs=tuple(missing), weight=len(missing)))


def _supersede(batch: Batch, asked: wire.OpenSession) -> None:
    batch.execute(
        "UPDATE perdure.sessions SET state = 'superseded' WHERE executor = $1 AND state = 'live'",
        asked.executor,
    )
    by = executor_caller(asked.executor)
    batch.execute(
        "INSERT INTO perdure.sessions (session_id, executor, tenant, state, slots, labels, queues, program) "
        "VALUES ($1::text::uuid, $2, $3, 'live', $4, $5, $6, $7) "
        "ON CONFLICT (session_id) DO UPDATE SET state = 'live', last_seen = clock_timestamp()",
        asked.session,
        asked.executor,
        by.tenant,
        asked.slots,
        msgspec.json.encode(offered(asked.labels, asked.programs)),
        msgspec.json.encode(asked.queues),
        asked.program,
    )
    joined = ExecutorJoined(
        executor=asked.executor,
        session=asked.session,
        slots=asked.slots,
        labels=asked.labels,
        queues=asked.queues,
        program=asked.program,
        programs=asked.programs,
    )
    batch.append(executor_stream(asked.executor), (joined,), by)


def _take_over(
    batch: Batch,
    asked: wire.OpenSession,
    held: dict[str, Attempt],
    run_ids: Iterable[str],
    never_arrived: list[Run],
) -> tuple[list[Attempt], list[wire.Cancel]]:
    """Let held attempts go on and lose the others; give what must be ended.

    What never arrived is not lost, nothing of it was begun: it is added to `never_arrived`.
    """
    revoked = dict(held)
    lost = {(attempt.run, attempt.number) for attempt in asked.lost}
    going_on: list[Run] = []
    for run_id in run_ids:
        run = batch.run(run_id)
        if run is None or not run.is_open or run.attempt is None:
            continue
        if run.attempt.executor != asked.executor:
            continue
        attempt = held.get(run_id)
        if attempt is not None and (attempt.number, attempt.fence) == (
            run.attempt.number,
            run.attempt.fence,
        ):
            del revoked[run_id]
            going_on.append(run)
            continue
        is_new_to_it = asked.remembers and (run_id, run.attempt.number) not in lost
        if is_new_to_it and attempt is None and run.phase == "running":
            never_arrived.append(run)
            continue
        evidence = Evidence(rule="executor-returned-without-it", executor=asked.executor)
        decided = decide(run, Lose(evidence=evidence, attempt=run.attempt.number), batch.now)
        if isinstance(decided, tuple):
            batch.append_run(run, decided, SYSTEM)
    return list(revoked.values()), list(_cancelling(going_on))


def _cancelling(runs: Iterable[Run]) -> Iterable[wire.Cancel]:
    for run in runs:
        if run.phase == "cancelling" and run.attempt is not None:
            attempt = Attempt(run=run.id, number=run.attempt.number, fence=run.attempt.fence)
            yield wire.Cancel(attempt=attempt, force=run.cancel_forced)


def _missing(runs: Iterable[Run], held: set[tuple[str, int, int]], now: datetime) -> list[Run]:
    """Give open runs whose grant was not seen and is old enough to have been lost."""
    return [
        run
        for run in runs
        if run.attempt is not None
        and (run.id, run.attempt.number, run.attempt.fence) not in held
        and now - run.attempt.started_at > GRANT_AGAIN_AFTER
    ]
