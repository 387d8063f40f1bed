"""News for whoever looks at something now: one reader of the log for all open streams and pages.

The hub reads what was committed from PostgreSQL, in order, and hands it to its listeners; commits of
this process and of others only wake it, so nothing is missed when a hint is lost or NATS is away. Live
progress and output come over core NATS and may be lost. A listener that does not keep up gets `RESET`
instead of what it missed: it then reads again from where it was.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

from msgspec import Struct
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from perdure_api.store import event_log
from perdure_api.store.database import AWAY, Database
from perdure_contract import subjects
from perdure_contract.envelope import Event
from perdure_runtime import clock, logs
from perdure_runtime.nats_connection import NatsConnection

log = logs.get(__name__)

WAITING_ITEMS: Final = 1000
"""What a listener may leave unread before it is reset."""
READ_AT_ONCE: Final = 500
READ_THROUGH: Final = 5000
"""Further behind than this the hub jumps to the end and resets everyone, instead of reading on."""
LOOK_SECONDS: Final = 1.0
SETTLE_SECONDS: Final = 0.02
"""Pause between two looks: many small commits are then told as one."""


class Reset(Struct, frozen=True):
    """Some news is missing here: read again what you show, from where you are."""


class Progressed(Struct, frozen=True):
    """Live progress of a run: the JSON of `wire.LiveProgress`."""

    run: str
    data: bytes


class Printed(Struct, frozen=True):
    """A run has new output, as it was sent; the store will have it, in order and whole."""

    run: str
    data: bytes


class Moved(Struct, frozen=True):
    """The log ends here now; what lies between was not told."""

    position: int


RESET: Final = Reset()

News = Event | Progressed | Printed | Moved | Reset


class Listener:
    """A bounded queue of news; never makes the hub wait."""

    def __init__(self) -> None:
        self._items: asyncio.Queue[News] = asyncio.Queue()

    def tell(self, news: News) -> None:
        """Add news, or forget all of it for one `RESET` when there is too much."""
        if self._items.qsize() >= WAITING_ITEMS:
            while not self._items.empty():
                self._items.get_nowait()
            news = RESET
        self._items.put_nowait(news)

    async def next(self, *, seconds: float) -> News | None:
        """Give the next piece of news, or None after so many seconds without any."""
        try:
            async with asyncio.timeout(seconds):
                return await self._items.get()
        except TimeoutError:
            return None

    async def __aiter__(self) -> AsyncIterator[News]:
        """Give news for as long as one listens."""
        while True:
            yield await self._items.get()


class _MovesListener(Listener):
    """Keeps the last move only: what is behind it is of no interest."""

    def tell(self, news: News) -> None:
        """Replace what was not heard yet."""
        while not self._items.empty():
            self._items.get_nowait()
        self._items.put_nowait(news)


class Hub:
    """One a process. `run` must be running for news to come."""

    def __init__(self, database: Database, nats: NatsConnection) -> None:
        self._database = database
        self._nats = nats
        self._woken = asyncio.Event()
        self._position: int | None = None
        self._events: set[Listener] = set()
        self._moves: set[Listener] = set()
        self._runs: defaultdict[str, set[Listener]] = defaultdict(set)
        self._subscriptions: dict[str, list[Subscription]] = {}

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._events) + len(self._moves) + sum(map(len, self._runs.values()))

    def wake(self) -> None:
        """Something was committed, here or elsewhere: look now."""
        self._woken.set()

    @contextmanager
    def listen_to_events(self) -> Iterator[Listener]:
        """Hear every event from now on, in order of position."""
        with _listening(self._events, Listener()) as listener:
            yield listener

    @contextmanager
    def listen_to_moves(self) -> Iterator[Listener]:
        """Hear that the log moved on; several moves unheard are one."""
        with _listening(self._moves, _MovesListener()) as listener:
            yield listener

    @contextmanager
    def listen_to_run(self, run: str) -> Iterator[Listener]:
        """Hear the events, the live progress and the output of one run from now on."""
        try:
            with _listening(self._runs[run], Listener()) as listener:
                self._woken.set()
                yield listener
        finally:
            if not self._runs[run]:
                del self._runs[run]

    async def run(self) -> None:
        """Read and tell until cancelled."""
        try:
            while True:
                self._woken.clear()
                try:
                    await self._subscribe()
                    await self._look()
                except AWAY as error:
                    log.debug("hub cannot read the log", error=str(error))
                await clock.pause(SETTLE_SECONDS)
                try:
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._woken.wait()
                except TimeoutError:
                    pass
        finally:
            for listener in (*self._events, *self._moves, *self._of_runs()):
                listener.tell(RESET)

    async def _look(self) -> None:
        """Tell what was committed since the last look."""
        pool = self._database.pool
        end = int(await pool.fetchval("SELECT position FROM perdure.head"))
        if self._position is None or end < self._position:
            self._position = end  # first look, or PostgreSQL was put back to an older state
        if end == self._position:
            return
        if not self._events and not self._runs:
            self._position = end
        elif end - self._position > READ_THROUGH:
            self._position = end
            for listener in (*self._events, *self._of_runs()):
                listener.tell(RESET)
        while self._position < end:
            events = await event_log.read_all(pool, after=self._position, limit=READ_AT_ONCE)
            if not events:
                break
            for event in events:
                self._tell(event)
            self._position = events[-1].position
        for listener in self._moves:
            listener.tell(Moved(self._position))

    def _tell(self, event: Event) -> None:
        for listener in self._events:
            listener.tell(event)
        prefix, _, key = event.stream.partition("-")
        if prefix == "run" and key in self._runs:
            for listener in self._runs[key]:
                listener.tell(event)

    def _of_runs(self) -> list[Listener]:
        return [listener for listeners in self._runs.values() for listener in listeners]

    async def _subscribe(self) -> None:
        """Have the live subjects of exactly those runs that someone listens to."""
        if not self._nats.connected:
            return
        for run in [run for run in self._subscriptions if run not in self._runs]:
            for subscription in self._subscriptions.pop(run):
                await subscription.unsubscribe()
        for run in [run for run in self._runs if run not in self._subscriptions]:
            client = self._nats.client
            self._subscriptions[run] = [
                await client.subscribe(subjects.progress("*", run), cb=self._progressed),
                await client.subscribe(subjects.live_log("*", run), cb=self._printed),
            ]

    async def _progressed(self, message: Msg) -> None:
        run = message.subject.rsplit(".", 1)[1]
        for listener in self._runs.get(run, ()):
            listener.tell(Progressed(run, message.data))

    async def _printed(self, message: Msg) -> None:
        run = message.subject.rsplit(".", 1)[1]
        for listener in self._runs.get(run, ()):
            listener.tell(Printed(run, message.data))


@contextmanager
def _listening(listeners: set[Listener], listener: Listener) -> Iterator[Listener]:
    listeners.add(listener)
    try:
        yield listener
    finally:
        listeners.discard(listener)
