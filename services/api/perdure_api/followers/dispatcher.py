"""Starts runs that may start: picks them, has the claim decided under row locks, sends the grants.

The claim is the attempt-started event. A pass looks at what waits and who is free, both in PostgreSQL,
so a pause, a limit or a priority acts at once and no count can leak. The decision is made again inside
the writer's transaction: the session must still live, the queue must still have room.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta

import asyncpg
import msgspec

from perdure_api.domain.admission import Assignment, Candidate, Seat, admit
from perdure_api.domain.callers import SYSTEM
from perdure_api.domain.queue import Queue
from perdure_api.domain.run import Run
from perdure_api.domain.run_commands import Start, decide
from perdure_api.messaging.grants import Grants
from perdure_api.store.batch import Batch
from perdure_api.store.database import Database
from perdure_api.store.state import decode_stream_state
from perdure_api.store.writer import Work, Writer
from perdure_contract.identifiers import queue_stream
from perdure_runtime import logs

log = logs.get(__name__)

MAX_PAUSE_SECONDS = 1.0
"""Longest sleep: heals whatever wake-up was lost."""

SEATS = """
SELECT s.executor, s.session_id::text, s.slots + s.ahead, s.labels, s.queues,
       (SELECT count(*) FROM perdure.runs r
        WHERE r.executor = s.executor AND r.phase IN ('running', 'cancelling'))
FROM perdure.sessions s WHERE s.state = 'live' AND NOT s.draining"""

CANDIDATES = """
SELECT c.run_id::text, c.queue, c.lane, c.priority, c.first_position, q.state
FROM perdure.lanes l
CROSS JOIN LATERAL (
    SELECT run_id, queue, lane, priority, first_position FROM perdure.runs
    WHERE queue = l.queue AND lane = l.lane AND phase = 'pending' AND ready_at IS NULL
    ORDER BY priority DESC, first_position LIMIT $1) AS c
LEFT JOIN perdure.streams q ON q.stream = 'queue-' || l.queue"""

CANDIDATES_A_LANE = 64
"""More slots than this that come free at once are filled by further passes."""

COME_DUE = """
UPDATE perdure.runs SET ready_at = NULL
WHERE phase = 'pending' AND ready_at IS NOT NULL AND ready_at <= clock_timestamp()"""

NEXT_DUE = """
SELECT extract(epoch FROM min(ready_at) - clock_timestamp())::float8 FROM perdure.runs
WHERE phase = 'pending' AND ready_at IS NOT NULL"""

RUNNING = """
SELECT queue, count(*) FROM perdure.runs
WHERE phase IN ('running', 'cancelling') AND queue = ANY($1::text[]) GROUP BY queue"""

STARTS = """
SELECT queue, count(*) FROM perdure.queue_starts
WHERE queue = ANY($1::text[]) AND at > clock_timestamp() - interval '60 s' GROUP BY queue"""

RATE_WINDOW = timedelta(seconds=60)


class Dispatcher:
    """One replica's dispatcher; with several, one leads."""

    def __init__(self, database: Database, writer: Writer, grants: Grants) -> None:
        self._database = database
        self._writer = writer
        self._grants = grants

    async def tick(self) -> float:
        """Start what may start; give the seconds until something comes due by the clock."""
        while await self._pass():
            pass
        due_in: float | None = await self._database.pool.fetchval(NEXT_DUE)
        if due_in is None:
            return MAX_PAUSE_SECONDS
        if due_in <= 0:
            await self._database.pool.execute(COME_DUE)
            return 0
        return min(due_in, MAX_PAUSE_SECONDS)

    async def _pass(self) -> bool:
        """Fill the free slots once; tell whether more could be started."""
        pool = self._database.pool
        seat_rows, rows = await asyncio.gather(
            pool.fetch(SEATS), pool.fetch(CANDIDATES, CANDIDATES_A_LANE)
        )
        seats = [seat for seat in map(_seat, seat_rows) if seat.free > 0]
        if not seats or not rows:
            return False
        queues = {row[1]: _queue(row[1], row[5]) for row in rows}
        limited = {name: queue for name, queue in queues.items() if queue.is_limited}
        room = await _room(pool, limited)
        candidates = [Candidate(*row[:5]) for row in rows]
        assignments = admit(candidates, seats, room)
        if not assignments:
            return False
        started = await self._claim(assignments)
        return started == len(assignments) < len(candidates) and started < sum(
            s.free for s in seats
        )

    async def _claim(self, assignments: Sequence[Assignment]) -> int:
        """Have claims decided and committed in one transaction, then send the grants."""
        live: set[str] = set()
        room: dict[str, int | None] = {}
        limited: dict[str, Queue] = {}
        names = sorted({assignment.queue for assignment in assignments})

        async def look_again(connection: asyncpg.Connection, batch: Batch) -> None:
            rows = await connection.fetch(
                "SELECT session_id::text FROM perdure.sessions "
                "WHERE session_id = ANY($1::text[]::uuid[]) AND state = 'live' AND NOT draining FOR SHARE",
                sorted({assignment.session for assignment in assignments}),
            )
            live.clear()
            live.update(row[0] for row in rows)
            limited.clear()
            for name in names:
                state = batch.state(queue_stream(name))
                if isinstance(state, Queue) and state.is_limited:
                    limited[name] = state
            room.clear()
            room.update(await _room(connection, limited))

        def perform(batch: Batch) -> Callable[[], list[tuple[str, Run]]]:
            started: list[tuple[str, str]] = []
            for assignment in assignments:
                run = batch.run(assignment.run)
                left = room.get(assignment.queue)
                if (
                    run is None
                    or assignment.session not in live
                    or (left is not None and left <= 0)
                ):
                    continue
                decided = decide(run, Start(executor=assignment.executor), batch.now)
                if not isinstance(decided, tuple):
                    continue
                batch.append_run(run, decided, SYSTEM)
                if left is not None:
                    room[assignment.queue] = left - 1
                started.append((assignment.session, assignment.run))
            _note_starts(batch, limited, [batch.runs[run] for _, run in started])
            return lambda: [(session, batch.runs[run]) for session, run in started]

        work = Work(
            perform=perform,
            prepare=look_again,
            runs=tuple(assignment.run for assignment in assignments),
            streams=tuple(queue_stream(name) for name in names),
            weight=len(assignments),
        )
        granted = (await self._writer.submit(work)).result
        by_session: dict[str, list[Run]] = {}
        for session, run in granted:
            by_session.setdefault(session, []).append(run)
        for session, runs in by_session.items():
            await self._grants.send(session, runs)
        return len(granted)


def _seat(row: asyncpg.Record) -> Seat:
    return Seat(
        executor=row[0],
        session=row[1],
        free=row[2] - row[5],
        labels=msgspec.json.decode(row[3], type=dict[str, str]),
        queues=msgspec.json.decode(row[4], type=tuple[str, ...]),
    )


def _queue(name: str, state: bytes | None) -> Queue:
    if state is None:
        return Queue(name=name)
    decoded = decode_stream_state(queue_stream(name), state)
    return decoded if isinstance(decoded, Queue) else Queue(name=name)


async def _room(
    connection: asyncpg.Connection | asyncpg.Pool, queues: dict[str, Queue]
) -> dict[str, int | None]:
    """Give how many more each queue may start now; queues without limits are left out."""
    room: dict[str, int | None] = {name: 0 for name, queue in queues.items() if queue.paused}
    by_count = [n for n, q in queues.items() if n not in room and q.concurrency is not None]
    by_rate = [n for n, q in queues.items() if n not in room and q.rate_per_minute is not None]
    running: dict[str, int] = Counter()
    if by_count:
        running.update(dict(await connection.fetch(RUNNING, by_count)))
    starts: dict[str, int] = Counter()
    if by_rate:
        starts.update(dict(await connection.fetch(STARTS, by_rate)))
    for name in {*by_count, *by_rate}:
        queue = queues[name]
        left = []
        if queue.concurrency is not None:
            left.append(queue.concurrency - running[name])
        if queue.rate_per_minute is not None:
            left.append(queue.rate_per_minute - starts[name])
        room[name] = max(0, min(left))
    return room


def _note_starts(batch: Batch, limited: dict[str, Queue], started: list[Run]) -> None:
    """Write down starts of rate-limited queues, and forget those out of the window."""
    names = [
        run.request.queue
        for run in started
        if run.request.queue in limited and limited[run.request.queue].rate_per_minute is not None
    ]
    if names:
        batch.execute(
            "DELETE FROM perdure.queue_starts WHERE queue = ANY($1::text[]) AND at < $2",
            sorted(set(names)),
            batch.now - RATE_WINDOW,
        )
        batch.execute(
            "INSERT INTO perdure.queue_starts (queue, at) SELECT q, $2 FROM unnest($1::text[]) AS u(q)",
            names,
            batch.now,
        )
