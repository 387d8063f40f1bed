"""The only writer of the log: group commit, positions without gaps, no decision on what has changed.

Callers submit *works*. Whatever waited while the last commit ran goes into the next one:

    load what the works need, and the head of the log
    perform each work on the batch, purely; a refused work leaves no trace
    store side rows, events and inline rows, if the head still stands where it was loaded
    commit; only then does any caller hear of it

All that is decided follows from the log, and whoever appends to it moves the head: so a head that has
not moved says that nothing has changed since it was loaded, with several api replicas too. When it has,
all is done again under the head's lock, as are works that must read or lock more. Positions follow
commit order; readers may rely on `position > last` without gaps.

A group that fails by anything but refusal is tried again work by work, so that one poisoned work cannot
fail the others. When the connection breaks during the commit, its outcome is looked up by the id of the
batch's first event.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import asyncpg
from msgspec import Struct
from msgspec.structs import replace

from perdure_api.errors import ApiError, Unavailable
from perdure_api.store import database, rows
from perdure_api.store.batch import Batch, FactTooLargeError
from perdure_api.store.tail import Tail
from perdure_contract import envelope
from perdure_contract.envelope import Event
from perdure_runtime import logs
from perdure_runtime.clock import monotonic, new_id, rfc3339

log = logs.get(__name__)

MAX_BATCH_WEIGHT = 1000
"""Runs or reports in one transaction; a heavier single work (a bulk request) goes alone."""
MOST_SEATED = 256
"""Waiting runs of one lane that one transaction can start; a further look follows."""
MAX_WAITING_WEIGHT = 60_000
"""More than this waiting is refused: a bounded queue answers quickly, an endless one dies slowly."""

PREPARE = """
SET application_name = 'perdure writer'"""

T = TypeVar("T")


class Work(Struct, Generic[T], kw_only=True):
    """Something to be done in one transaction, all or nothing.

    `perform` is pure over the batch; it may raise `errors.Rejected`. It gives a function that reads
    the result once positions are known. `prepare` may read and lock more inside the transaction,
    before any work is performed; it must not write to the log.
    """

    perform: Callable[[Batch], Callable[[], T]]
    runs: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    prepare: Callable[[asyncpg.Connection, Batch], Awaitable[None]] | None = None
    weight: int = 1
    looks: bool = True
    """Whether it may free a seat or bring a run that waits."""


class Commit(Struct, frozen=True):
    """What a transaction brought: handed to those who wait for news."""

    position: int
    """The last position of the log."""
    events: int


class Done(Struct, Generic[T], frozen=True):
    """A work's result and the log's last position at its commit."""

    result: T
    position: int


class _Waiting(Struct):
    work: Work[Any]
    future: asyncio.Future[Done[Any]]


class _Stored(Struct):
    """What a commit brought."""

    outcomes: list[tuple[_Waiting, Any]]
    events: list[Event]
    lanes: set[tuple[str, str]]
    batch: Batch


class Writer:
    """Takes works in, commits them in groups, tells who waits."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._queue: deque[_Waiting] = deque()
        self._underway: list[_Waiting] = []
        self._weight = 0
        self._arrived = asyncio.Event()
        self._connection: asyncpg.Connection | None = None
        self._listeners: list[Callable[[Commit], None]] = []
        self._lanes: set[tuple[str, str]] = set()
        self.position = 0
        self.tail = Tail()
        self.joined_by: Callable[[asyncpg.Connection, Batch], Awaitable[None]] | None = None
        """Adds what follows from a group's works to their transaction."""

    @property
    def connected(self) -> bool:
        """Whether PostgreSQL could be reached when last tried."""
        return self._connection is not None and not self._connection.is_closed()

    @property
    def waiting(self) -> int:
        """How many runs and reports wait to be stored."""
        return self._weight

    def knows(self, lane: tuple[str, str]) -> bool:
        """Tell whether a queue and lane were noted, so that each look sees their limits."""
        return lane in self._lanes

    def on_commit(self, listener: Callable[[Commit], None]) -> None:
        """Have `listener` called after each commit that appended events; it must not block."""
        self._listeners.append(listener)

    async def submit(self, work: Work[T]) -> Done[T]:
        """Have a work done and give its result once it is committed.

        Raises `Rejected` when it was refused, `Unavailable` when PostgreSQL is away or too much
        waits; then nothing of it was stored.
        """
        if self._weight + work.weight > MAX_WAITING_WEIGHT and self._queue:
            why = "Too many requests are waiting to be stored."
            raise Unavailable(why)
        future: asyncio.Future[Done[T]] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(work, future))
        self._weight += work.weight
        self._arrived.set()
        return await future

    async def run(self) -> None:
        """Commit until cancelled."""
        try:
            while True:
                await self._arrived.wait()
                self._underway = self._take()
                if not self._underway:
                    self._arrived.clear()
                    continue
                await self._commit_group(self._underway)
        finally:
            for waiting in (*self._underway, *self._queue):
                _fail(waiting, Unavailable("The server is stopping."))
            if self._connection is not None:
                with contextlib.suppress(Exception):
                    await self._connection.close(timeout=1)

    def _take(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        weight = 0
        while self._queue:
            waiting = self._queue[0]
            if group and weight + waiting.work.weight > MAX_BATCH_WEIGHT:
                break
            self._queue.popleft()
            self._weight -= waiting.work.weight
            if waiting.future.done():
                continue
            weight += waiting.work.weight
            group.append(waiting)
        return group

    async def _commit_group(self, group: list[_Waiting]) -> None:
        try:
            connection = await self._connect()
            await self._transact(connection, group)
        except database.BROKEN as error:
            await self._lost_connection(group, error)
        except asyncpg.PostgresError as error:
            if isinstance(error, asyncpg.exceptions.OperatorInterventionError):
                await self._lost_connection(group, error)
            elif len(group) > 1:
                await self._take_apart(group, error)
            elif isinstance(error, asyncpg.UniqueViolationError | asyncpg.DeadlockDetectedError):
                # Another replica was first; what it stored is visible to a second look.
                await self._retry_alone(group[0])
            else:
                _fail(group[0], _storage_failure(error))
        except Exception as error:
            if len(group) > 1:
                await self._take_apart(group, error)
            else:
                log.exception("work failed")
                _fail(group[0], error)

    async def _take_apart(self, group: list[_Waiting], error: Exception) -> None:
        log.warning("group was taken apart", error=type(error).__name__, works=len(group))
        for waiting in group:
            await self._commit_group([waiting])

    async def _retry_alone(self, waiting: _Waiting) -> None:
        try:
            await self._transact(await self._connect(), [waiting])
        except Exception as error:
            log.exception("work failed twice")
            _fail(waiting, _storage_failure(error))

    async def _lost_connection(self, group: list[_Waiting], error: Exception) -> None:
        log.warning("PostgreSQL is away", error=type(error).__name__)
        connection, self._connection = self._connection, None
        self.tail.forget()
        if connection is not None:
            connection.terminate()
        for waiting in group:
            if not waiting.future.done():
                _fail(
                    waiting, Unavailable("PostgreSQL cannot be reached now.", retry_after_seconds=2)
                )

    async def _connect(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            connection = await database.connect(self._url)
            try:
                await connection.execute(PREPARE)
                self.position = await connection.fetchval("SELECT position FROM perdure.head")
                lanes = await connection.fetch("SELECT queue, lane FROM perdure.lanes")
            except BaseException:
                connection.terminate()
                raise
            self._lanes.update((row[0], row[1]) for row in lanes)
            self._connection = connection
        return self._connection

    async def _transact(self, connection: asyncpg.Connection, group: list[_Waiting]) -> None:
        stored = None
        if all(waiting.work.prepare is None for waiting in group):
            stored = await self._write(connection, group, locked=False)
        if stored is None:
            stored = await self._write(connection, group, locked=True)
        if stored is None:
            message = "the head of the log moved under its lock"
            raise RuntimeError(message)
        self._tell(stored)

    async def _write(
        self, connection: asyncpg.Connection, group: list[_Waiting], *, locked: bool
    ) -> _Stored | None:
        """Perform works and store what they bring; none when others wrote since it was loaded."""
        try:
            if locked:
                await connection.execute(rows.LOCK_HEAD)
            batch = await self._load(connection, group)
            for waiting in group:
                if waiting.work.prepare is not None:
                    await waiting.work.prepare(connection, batch)
            performed = [(waiting, _perform(waiting.work, batch)) for waiting in group]
            await self._join(connection, batch)
            events = _events(batch)
            lanes = {rows.lane_key(batch.runs[run]) for run in batch.new_runs} - self._lanes
            if locked or lanes or not batch.is_one_statement:
                if not locked:
                    if not events:
                        return None  # nothing would look at the head
                    await connection.execute("BEGIN")
                outcomes = await self._store(connection, batch, events, lanes, performed)
                if outcomes is None:
                    await connection.execute("ROLLBACK")
                    return None
                await self._committed(connection.execute("COMMIT"), events)
            else:
                stored = self._append(connection, batch, events)
                if not await self._committed(stored, events):
                    return None
                batch.settle()
                outcomes = [(waiting, read()) for waiting, read in performed]
        except BaseException:
            if not connection.is_closed() and connection.is_in_transaction():
                await connection.execute("ROLLBACK")
            raise
        return _Stored(outcomes, events, lanes, batch)

    async def _committed(self, doing: Awaitable[T], events: list[Event]) -> T | bool:
        """Do what commits; when the connection breaks meanwhile, find out whether it has."""
        try:
            return await doing
        except (*database.BROKEN, asyncpg.exceptions.OperatorInterventionError):
            if not events or not await self._was_committed(events[0].id):
                raise
            return True

    async def _join(self, connection: asyncpg.Connection, batch: Batch) -> None:
        """Add what follows from the works; when that fails, they are stored without it."""
        if self.joined_by is None:
            return
        mark = batch.mark()
        try:
            await self.joined_by(connection, batch)
        except database.AWAY:
            raise
        except Exception:
            log.exception("nothing was added to a transaction")
            batch.back_to(mark)

    def _tell(self, stored: _Stored) -> None:
        self._lanes |= stored.lanes
        if stored.events:
            self.position = stored.events[-1].position
            self.tail.add(stored.events)
        for act in stored.batch.committed:
            act()
        # What was started goes out first: an answer takes longer to make.
        asyncio.get_running_loop().call_soon(_answer, stored, self.position)
        if stored.events:
            commit = Commit(self.position, len(stored.events))
            for listener in self._listeners:
                listener(commit)

    async def _was_committed(self, event_id: str) -> bool:
        """Look up whether the commit that broke went through; keeps trying for 20 seconds."""
        deadline = monotonic() + 20
        before = self.position
        while True:
            try:
                broken, self._connection = self._connection, None
                if broken is not None:
                    broken.terminate()
                connection = await self._connect()
                return bool(
                    await connection.fetchval(
                        "SELECT EXISTS (SELECT FROM perdure.events WHERE position > $1 AND id = $2)",
                        before,
                        event_id,
                    )
                )
            except database.AWAY:
                if monotonic() > deadline:
                    raise
                await asyncio.sleep(0.2)

    async def _load(self, connection: asyncpg.Connection, group: list[_Waiting]) -> Batch:
        run_ids = sorted({run for waiting in group for run in waiting.work.runs})
        names = sorted({name for waiting in group for name in waiting.work.streams})
        looks = self.joined_by is not None and any(waiting.work.looks for waiting in group)
        found = await connection.fetch(
            rows.LOAD,
            run_ids,
            names,
            MOST_SEATED if looks else None,
            sum(len(waiting.work.runs) for waiting in group if waiting.work.looks),
        )
        return rows.loaded(found)

    async def _store(
        self,
        connection: asyncpg.Connection,
        batch: Batch,
        events: list[Event],
        lanes: set[tuple[str, str]],
        performed: list[tuple[_Waiting, Callable[[], Any]]],
    ) -> list[tuple[_Waiting, Any]] | None:
        """Execute all statements and give the works' results; none when the head stands elsewhere."""
        if lanes:
            queues, names = zip(*sorted(lanes), strict=True)
            await connection.execute(rows.INSERT_LANES, list(queues), list(names))
        for statement in batch.statements:
            await connection.execute(statement.sql, *statement.arguments)
        if batch.blobs:
            await connection.execute(rows.INSERT_BLOBS, *rows.blob_columns(batch))
        if batch.logs:
            await connection.execute(rows.INSERT_LOGS, *rows.log_columns(batch))
        if not await self._append(connection, batch, events):
            return None
        if batch.changed_streams:
            await connection.execute(rows.STORE_STREAMS, *rows.stream_arrays(batch))
        batch.settle()
        outcomes = [(waiting, read()) for waiting, read in performed]
        for make in batch.late:
            statement = make()
            await connection.execute(statement.sql, *statement.arguments)
        return outcomes

    async def _append(
        self, connection: asyncpg.Connection, batch: Batch, events: list[Event]
    ) -> bool:
        """Store events and runs after the head; tell whether it stood where it was loaded."""
        if not events:
            return True
        return bool(
            await connection.fetchval(
                rows.STORE_EVENTS_AND_RUNS,
                batch.base,
                batch.chain,
                batch.now,
                events[-1].chain,
                *rows.event_arrays(events),
                *rows.run_arrays(batch),
            )
        )


def _answer(stored: _Stored, position: int) -> None:
    for waiting, outcome in stored.outcomes:
        if isinstance(outcome, ApiError | FactTooLargeError):
            _fail(waiting, outcome)
        elif not waiting.future.done():
            waiting.future.set_result(Done(outcome, position))


def _perform(work: Work[T], batch: Batch) -> Callable[[], T | ApiError | FactTooLargeError]:
    mark = batch.mark()
    try:
        return work.perform(batch)
    except (ApiError, FactTooLargeError) as error:
        batch.back_to(mark)
        refusal = error
        return lambda: refusal


def _events(batch: Batch) -> list[Event]:
    """Give what a batch appends to the log."""
    ids = [new_id() for _ in batch.events]
    time = rfc3339(batch.now)
    chain = batch.chain
    events: list[Event] = []
    for index, new in enumerate(batch.events):
        sha256 = envelope.payload_sha256(new.data)
        event = Event(
            position=batch.base + index + 1,
            id=ids[index],
            stream=new.stream,
            version=new.version,
            type=new.type,
            time=time,
            tenant=new.tenant,
            data=new.data,
            actor=new.actor,
            correlation_id=new.correlation,
            causation_id=None if new.cause is None else ids[new.cause],
            sha256=sha256,
        )
        chain = envelope.chain_link(chain, event, sha256)
        events.append(replace(event, chain=chain))
    return events


def _storage_failure(error: Exception) -> Exception:
    if isinstance(error, asyncpg.exceptions.InsufficientResourcesError):
        return Unavailable("PostgreSQL has no room left (disk or memory).", retry_after_seconds=5)
    if isinstance(error, database.BROKEN):
        return Unavailable("PostgreSQL cannot be reached now.", retry_after_seconds=2)
    return error


def _fail(waiting: _Waiting, error: BaseException) -> None:
    if not waiting.future.done():
        waiting.future.set_exception(error)
