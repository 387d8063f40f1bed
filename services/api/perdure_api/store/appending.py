"""Decides works on what stands in the log, and appends what follows: one transaction, or nothing.

    load what the works need, and the head of the log
    perform each work on the batch, purely; a refused work leaves no trace
    store side rows, events and inline rows, if the head still stands where it was loaded

All that is decided follows from the log, and whoever appends to it moves the head: so a head that has
not moved says that nothing has changed since it was loaded, with several api replicas too. When it has,
all is done again under the head's lock, as are works that must read or lock more. Positions follow
commit order; readers may rely on `position > last` without gaps.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import asyncpg
from msgspec import Struct
from msgspec.structs import replace

from perdure_api.errors import ApiError
from perdure_api.store import database, rows
from perdure_api.store.batch import Batch, FactTooLargeError
from perdure_api.store.work import Work
from perdure_contract import envelope
from perdure_contract.envelope import Event
from perdure_runtime import logs
from perdure_runtime.clock import monotonic, new_id, rfc3339

log = logs.get(__name__)

READY_SECONDS: Final = 1.0
"""How long what was loaded ahead is used: executors say beside the log how much they take."""
LOADED_WITHIN_SECONDS: Final = 0.005
"""What took longer to load is not used: nobody knows how late it is by the database's clock."""
MOST_SEATED: Final = 256
"""Waiting runs of one lane that one transaction can start; a further look follows."""

T = TypeVar("T")
Lane = tuple[str, str]
"""A queue and a lane in it."""
Read = Callable[[], Any]
"""Reads a work's result once positions are known."""


_A_NEW_RUN: Final = Work[None](perform=lambda _: lambda: None, is_new=True)
"""Stands for those to come: none needs what others do not."""


class Appended(Struct):
    """What a transaction brought."""

    outcomes: list[Any]
    """Of each work in turn: its result, or why it was refused."""
    events: list[Event]
    batch: Batch


class Appender:
    """What the writer does on its connection."""

    def __init__(self, was_committed: Callable[[str], Awaitable[bool]]) -> None:
        """Prepare.

        Args:
            was_committed: finds out whether an event is stored, once the connection has broken.
        """
        self.joined_by: Callable[[asyncpg.Connection, Batch], Awaitable[None]] | None = None
        """Adds what follows from a group's works to their transaction."""
        self._was_committed = was_committed
        self._lanes: set[Lane] = set()
        self._now = datetime.min.replace(tzinfo=UTC)
        """The time of the newest events."""
        self._ready: Batch | None = None
        self._ready_at = 0.0

    def knows(self, lane: Lane) -> bool:
        """Tell whether a queue and lane were noted, so that each look sees their limits."""
        return lane in self._lanes

    def learn(self, lanes: Iterable[Lane]) -> None:
        """Take in lanes that are noted."""
        self._lanes.update(lanes)

    async def get_ready(self, connection: asyncpg.Connection) -> None:
        """Load what new runs need while there is nothing to do: it spares them a round trip."""
        asked_at = monotonic()
        ready = await self._load(connection, [_A_NEW_RUN])
        if monotonic() - asked_at <= LOADED_WITHIN_SECONDS:
            # Counted from the question, so that no run seems to be older than its request.
            self._ready, self._ready_at = ready, asked_at

    async def append(self, connection: asyncpg.Connection, works: Sequence[Work[Any]]) -> Appended:
        """Do works together; raises what PostgreSQL and they raise, and nothing is stored then."""
        appended = None
        ready = self._take_ready(works)
        if all(work.prepare is None for work in works):
            if ready is not None:
                appended = await self._write(connection, works, ready)
            if appended is None:
                appended = await self._write(connection, works, await self._load(connection, works))
        if appended is None:
            appended = await self._write(connection, works)
        if appended is None:
            message = "the head of the log moved under its lock"
            raise RuntimeError(message)
        return appended

    def _take_ready(self, works: Sequence[Work[Any]]) -> Batch | None:
        """Give what was loaded ahead, once, if it will do for these works."""
        ready, self._ready = self._ready, None
        age = monotonic() - self._ready_at
        if ready is None or age > READY_SECONDS or not all(work.is_new for work in works):
            return None
        ready.now += timedelta(seconds=age)
        return ready

    async def _write(
        self,
        connection: asyncpg.Connection,
        works: Sequence[Work[Any]],
        loaded: Batch | None = None,
    ) -> Appended | None:
        """Perform works and store what they bring; none when others wrote since it was loaded.

        What is not loaded yet is loaded under the head's lock.
        """
        locked = loaded is None
        try:
            if loaded is None:
                await connection.execute(rows.LOCK_HEAD)
                loaded = await self._load(connection, works)
            batch = loaded
            batch.now = self._now = following(batch.now, self._now)
            for work in works:
                if work.prepare is not None:
                    await work.prepare(connection, batch)
            performed = [_perform(work, batch) for work in works]
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
                stored = self._store_events(connection, batch, events)
                if not await self._committed(stored, events):
                    return None
                batch.settle()
                outcomes = [read() for read in performed]
        except BaseException:
            if not connection.is_closed() and connection.is_in_transaction():
                await connection.execute("ROLLBACK")
            raise
        self.learn(lanes)
        return Appended(outcomes, events, batch)

    async def _load(self, connection: asyncpg.Connection, works: Sequence[Work[Any]]) -> Batch:
        looks = self.joined_by is not None and any(work.looks for work in works)
        found = await connection.fetch(
            rows.LOAD,
            sorted({run for work in works for run in work.runs}),
            sorted({name for work in works for name in work.streams}),
            MOST_SEATED if looks else None,
            sum(len(work.runs) for work in works if work.looks),
        )
        return rows.loaded(found)

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

    async def _store(
        self,
        connection: asyncpg.Connection,
        batch: Batch,
        events: list[Event],
        lanes: set[Lane],
        performed: list[Read],
    ) -> list[Any] | None:
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
        if not await self._store_events(connection, batch, events):
            return None
        if batch.changed_streams:
            await connection.execute(rows.STORE_STREAMS, *rows.stream_arrays(batch))
        batch.settle()
        outcomes = [read() for read in performed]
        for make in batch.late:
            statement = make()
            await connection.execute(statement.sql, *statement.arguments)
        return outcomes

    async def _store_events(
        self, connection: asyncpg.Connection, batch: Batch, events: list[Event]
    ) -> bool:
        """Store events and runs after the head; tell whether it stood where it was loaded."""
        if not events:
            return True
        statement, stored = rows.storing(batch, events)
        last = events[-1].chain
        return bool(
            await connection.fetchval(statement, batch.base, batch.chain, batch.now, last, *stored)
        )

    async def _committed(self, doing: Awaitable[T], events: list[Event]) -> T | bool:
        """Do what commits; when the connection breaks meanwhile, find out whether it has."""
        try:
            return await doing
        except (*database.BROKEN, asyncpg.exceptions.OperatorInterventionError):
            if not events or not await self._was_committed(events[0].id):
                raise
            return True


def following(now: datetime, newest: datetime) -> datetime:
    """Give the time of events after the newest ones: what was loaded ahead may have been early.

    A clock that was put back is followed.
    """
    is_early = now < newest <= now + timedelta(seconds=LOADED_WITHIN_SECONDS)
    return newest if is_early else now


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
