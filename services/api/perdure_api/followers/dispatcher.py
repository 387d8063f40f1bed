"""Starts runs that may start, inside the transaction that makes it possible; then sends the grants.

The claim is the attempt-started event. Whatever is committed (a request, the end of an attempt) may
free a seat or bring a run that waits, so each commit looks who is free and who waits, and decides
claims with all else that it stores: no commit of its own, no count that could leak. What comes due by
the clock, and what other replicas committed, is looked after by a tick.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

import asyncpg
import msgspec
from msgspec import Struct
from msgspec.structs import replace

from perdure_api.domain.admission import Assignment, Candidate, Seat, admit
from perdure_api.domain.callers import SYSTEM
from perdure_api.domain.queue import Queue
from perdure_api.domain.run import Run, state_at
from perdure_api.domain.run_commands import Start
from perdure_api.domain.run_decisions import decide
from perdure_api.messaging.grants import Grants
from perdure_api.store.appending import MOST_SEATED
from perdure_api.store.batch import Batch
from perdure_api.store.database import Database
from perdure_api.store.rows import lane_key
from perdure_api.store.state import decode_run
from perdure_api.store.work import Work
from perdure_api.store.writer import Writer
from perdure_contract.identifiers import stream_kind
from perdure_runtime import logs
from perdure_runtime.loop import Loop

log = logs.get(__name__)

MAX_PAUSE_SECONDS = 1.0
"""Longest sleep: heals whatever wake-up was lost."""

NEWEST = 1 << 62
"""Added to the age of what was requested in the same transaction, whose positions count from 0."""

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


class Granted(Struct, frozen=True):
    """A run that was claimed, and the session whose executor is to start it."""

    session: str
    run: Run


class Dispatcher:
    """One replica's dispatcher; with several, one leads."""

    def __init__(self, database: Database, writer: Writer, grants: Grants) -> None:
        self._database = database
        self._writer = writer
        self._grants = grants
        self._granted: deque[Granted] = deque()
        self._unreadable: set[str] = set()
        """Runs that were complained of."""
        self._asked = False
        """Whether the present transaction looks even when it appends nothing."""
        self._clock = Loop("dispatcher", self.tick)
        self._sender = Loop("grants", self._send)

    @property
    def leads(self) -> bool:
        """Whether it is this replica that starts runs."""
        return self._writer.appender.joined_by is not None

    def wake(self) -> None:
        """Look now: something changed elsewhere."""
        self._clock.wake()

    async def run(self) -> None:
        """Start what may start, with each commit and by the clock, until cancelled."""
        self._writer.appender.joined_by = self._join
        try:
            await self._clock.run()
        finally:
            self._writer.appender.joined_by = None

    async def send(self) -> None:
        """Send grants for ever, also of claims made just before this replica ceased to lead."""
        await self._sender.run()

    async def tick(self) -> float:
        """Start what may start; give the seconds until something comes due by the clock."""
        due_in: float | None = await self._database.pool.fetchval(NEXT_DUE)
        if due_in is not None and due_in <= 0:
            await self._database.pool.execute(COME_DUE)
        await self._writer.submit(Work(perform=self._ask))
        if due_in is None:
            return MAX_PAUSE_SECONDS
        return min(max(due_in, 0), MAX_PAUSE_SECONDS)

    def _ask(self, _: Batch) -> Callable[[], None]:
        self._asked = True
        return lambda: None

    async def _send(self) -> float:
        by_session: dict[str, list[Run]] = {}
        while self._granted:
            granted = self._granted.popleft()
            by_session.setdefault(granted.session, []).append(granted.run)
        for session, runs in by_session.items():
            await self._grants.send(session, runs)
        return MAX_PAUSE_SECONDS

    async def _join(self, connection: asyncpg.Connection, batch: Batch) -> None:
        """Claim what may start as part of a transaction whose works are done and not yet stored."""
        if not batch.events and not self._asked:
            return
        self._asked = False
        changed = {stream_kind(stream) for stream in batch.changed_streams}
        if changed & {"executor", "queue"}:  # as rows they change after this: look once they have
            batch.once_committed(self.wake)
            return
        lookout, freed = batch.lookout, batch.freed()
        here = [batch.runs[run_id] for run_id in batch.new_runs | batch.changed_runs]
        ready_here = {
            run.id: run
            for run in here
            if state_at(run, batch.now) == "queued" and self._writer.appender.knows(lane_key(run))
        }
        if any(run.phase == "pending" and run.id not in ready_here for run in here):
            batch.once_committed(self.wake)  # to learn when it comes due, or a new lane's limits
        found = {
            run_id: run
            for run_id, state in lookout.waiting.items()
            if run_id not in batch.runs and (run := self._read(run_id, state)) is not None
        }
        waiting = ready_here | found
        seats = _freed(lookout.seats, Counter(executor for executor, _ in freed))
        if not seats or not waiting:
            return
        names = {run.request.queue for run in waiting.values()}
        limited = {name: queue for name, queue in lookout.queues.items() if name in names}
        room = await _room(connection, limited, Counter(queue for _, queue in freed))
        assignments = admit([_candidate(run, batch) for run in waiting.values()], seats, room)
        started: list[Assignment] = []
        for assignment in assignments:
            run = batch.adopt(waiting[assignment.run])
            decided = decide(run, Start(executor=assignment.executor), batch.now)
            if isinstance(decided, tuple):
                batch.append_run(run, decided, SYSTEM)
                started.append(assignment)
        _note_starts(batch, limited, [batch.runs[assignment.run] for assignment in started])
        if started:
            batch.once_committed(partial(self._grant, batch, started))
        if started and len(found) >= MOST_SEATED:  # else the next ones cannot start either
            batch.once_committed(self.wake)

    def _read(self, run_id: str, state: bytes) -> Run | None:
        """Read a run that waits; one that cannot be read keeps nobody else from starting."""
        try:
            return decode_run(state)
        except msgspec.DecodeError as error:
            if run_id not in self._unreadable:
                self._unreadable.add(run_id)
                log.error("waiting run cannot be read", run=run_id, why=str(error))  # noqa: TRY400
            return None

    def _grant(self, batch: Batch, assignments: Sequence[Assignment]) -> None:
        self._granted.extend(Granted(each.session, batch.runs[each.run]) for each in assignments)
        self._sender.wake()


def _candidate(run: Run, batch: Batch) -> Candidate:
    queue, lane = lane_key(run)
    age = run.created + (NEWEST if run.id in batch.new_runs else 0)
    return Candidate(run.id, queue, lane, run.priority, age)


def _freed(seats: Sequence[Seat], freed: Counter[str]) -> list[Seat]:
    """Give the seats with room, once what ended in this transaction is counted."""
    now = [replace(seat, free=seat.free + freed[seat.executor]) for seat in seats]
    return [seat for seat in now if seat.free > 0]


async def _room(
    connection: asyncpg.Connection, queues: dict[str, Queue], freed: Counter[str]
) -> dict[str, int | None]:
    """Give how many more each queue may start; those without limits are left out.

    `freed`: how many of each have ended in this transaction and are still counted as running.
    """
    room: dict[str, int | None] = {name: 0 for name, queue in queues.items() if queue.paused}
    by_count = [n for n, q in queues.items() if n not in room and q.concurrency is not None]
    by_rate = [n for n, q in queues.items() if n not in room and q.rate_per_minute is not None]
    running: Counter[str] = Counter()
    if by_count:
        running.update(dict(await connection.fetch(RUNNING, by_count)))
        running.subtract(freed)
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
