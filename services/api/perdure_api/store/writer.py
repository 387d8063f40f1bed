"""The only writer of the log: takes works, commits them in groups, tells who waits.

Whatever waited while the last group was stored goes into the next one. A caller hears of its work only
after the commit. A group that fails by anything but refusal is tried again work by work, so that one
poisoned work cannot fail the others. When the connection breaks during the commit, its outcome is looked
up by the id of the group's first event.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

import asyncpg
from msgspec import Struct

from perdure_api.errors import ApiError, Unavailable
from perdure_api.store import database
from perdure_api.store.appending import Appended, Appender
from perdure_api.store.batch import FactTooLargeError
from perdure_api.store.tail import Tail
from perdure_api.store.work import Done, Work
from perdure_runtime import logs
from perdure_runtime.clock import monotonic

log = logs.get(__name__)

MAX_BATCH_WEIGHT = 1000
"""Runs or reports in one transaction; a heavier single work (a bulk request) goes alone."""
MAX_WAITING_WEIGHT = 60_000
"""More than this waiting is refused: a bounded queue answers quickly, an endless one dies slowly."""

QUIET_SECONDS = 0.015
"""After so long without works the next ones will rather be new runs than reports of those at work."""

PREPARE = """
SET application_name = 'perdure writer'"""

T = TypeVar("T")


class Commit(Struct, frozen=True):
    """What a transaction brought: handed to those who wait for news."""

    position: int
    """The last position of the log."""
    events: int


class _Waiting(Struct):
    work: Work[Any]
    future: asyncio.Future[Done[Any]]


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
        self.position = 0
        self.tail = Tail()
        self.appender = Appender(self._was_committed)

    @property
    def connected(self) -> bool:
        """Whether PostgreSQL could be reached when last tried."""
        return self._connection is not None and not self._connection.is_closed()

    @property
    def waiting(self) -> int:
        """How many runs and reports wait to be stored."""
        return self._weight

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
                await self._wait()
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

    async def _wait(self) -> None:
        """Wait for works, and get ready for new runs when none come for a moment."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(QUIET_SECONDS):
                await self._arrived.wait()
            return
        if self._connection is not None:
            try:
                await self.appender.get_ready(self._connection)
            except database.AWAY as error:
                log.debug("not ready for new runs", error=type(error).__name__)
            except Exception:  # whoever needs the same will be told
                log.exception("not ready for new runs")
        await self._arrived.wait()

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
            await self._commit(group)
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

    async def _commit(self, group: list[_Waiting]) -> None:
        connection = await self._connect()
        appended = await self.appender.append(connection, [waiting.work for waiting in group])
        self._tell(group, appended)

    async def _take_apart(self, group: list[_Waiting], error: Exception) -> None:
        log.warning("group was taken apart", error=type(error).__name__, works=len(group))
        for waiting in group:
            await self._commit_group([waiting])

    async def _retry_alone(self, waiting: _Waiting) -> None:
        try:
            await self._commit([waiting])
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
            self.appender.learn((row[0], row[1]) for row in lanes)
            self._connection = connection
        return self._connection

    def _tell(self, group: list[_Waiting], appended: Appended) -> None:
        if appended.events:
            self.position = appended.events[-1].position
            self.tail.add(appended.events)
        for act in appended.batch.committed:
            act()
        # What was started goes out first: an answer takes longer to make.
        asyncio.get_running_loop().call_soon(_answer, group, appended.outcomes, self.position)
        if appended.events:
            commit = Commit(self.position, len(appended.events))
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


def _answer(group: list[_Waiting], outcomes: list[Any], position: int) -> None:
    for waiting, outcome in zip(group, outcomes, strict=True):
        if isinstance(outcome, ApiError | FactTooLargeError):
            _fail(waiting, outcome)
        elif not waiting.future.done():
            waiting.future.set_result(Done(outcome, position))


def _storage_failure(error: Exception) -> Exception:
    if isinstance(error, asyncpg.exceptions.InsufficientResourcesError):
        return Unavailable("PostgreSQL has no room left (disk or memory).", retry_after_seconds=5)
    if isinstance(error, database.BROKEN):
        return Unavailable("PostgreSQL cannot be reached now.", retry_after_seconds=2)
    return error


def _fail(waiting: _Waiting, error: BaseException) -> None:
    if not waiting.future.done():
        waiting.future.set_exception(error)
