"""Carries the log to JetStream: position N at sequence N, in order, each once.

The stream itself is the checkpoint. Every message says after which sequence it belongs, so two relays
at once, a lost answer or a rolled-back stream cannot put anything in the wrong place: the server
refuses, and the relay looks again at what the stream holds.

    no stream (wiped)              made again from REPLAYED_EVENTS before the end of the log
    behind the log (rolled back)   continued from its last sequence
    broken (files deleted beneath a running server)   removed and made again
    ahead of the log, or different (PostgreSQL was restored from an older copy): removed and made
    again, said in its metadata; see the decision record on forked streams
"""

import asyncio
from typing import Final

import asyncpg
import nats.errors
from nats.aio.client import Client

from perdure_api.followers.leadership import leadership
from perdure_api.messaging import topology
from perdure_api.messaging.publisher import Message, Pipe, PublishRefused
from perdure_api.store import event_log
from perdure_api.store.database import AWAY
from perdure_api.store.tail import Tail
from perdure_contract.envelope import Event, cloud_event, encode
from perdure_contract.subjects import (
    HEADER_CHAIN,
    HEADER_EXPECTED_SEQUENCE,
    HEADER_ID,
    HEADER_SHA256,
    event_subject,
)
from perdure_runtime import clock, logs
from perdure_runtime.nats_connection import NatsConnection

log = logs.get(__name__)

WINDOW: Final = 500
"""Events in flight."""
REPLAYED_EVENTS: Final = 100_000
"""How much of the log a new stream starts with; what is older is at GET /api/events."""
LOOK_SECONDS: Final = 0.5
"""How long to wait for a wake before looking at the log anyway."""
SETTLE_SECONDS: Final = 0.01
"""Pause after a window that was not full: many small commits then travel as one."""
CHECK_SECONDS: Final = 5.0
"""How often an idle relay checks that the stream still ends where it left it."""
PUBLISH_SECONDS: Final = 5.0
STALLED_TIMES: Final = 4
"""Refusals in a row without any progress after which the stream itself must be broken."""
FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 5.0


class LogBroken(Exception):
    """The log in PostgreSQL has a gap, so nothing after it is published: run `perdure audit verify`."""


class Relay:
    """One replica's relay; only one of all replicas works at a time."""

    def __init__(self, url: str, nats_connection: NatsConnection, tail: Tail | None = None) -> None:
        """Prepare; the tail has what this process writes itself, the log has everything."""
        self._url = url
        self._tail = tail or Tail()
        self._nats = nats_connection
        self._woken = asyncio.Event()
        self.position = 0
        """Last position known to be in the stream; 0 before the first look."""
        self.problem: str | None = None
        """Why nothing is carried now, in a sentence; None while all is well."""
        self._refused_after: list[int] = []
        """Where the stream ended at the last refusals, as long as that stays the same."""

    def wake(self) -> None:
        """Something was committed: look now."""
        self._woken.set()

    async def run(self) -> None:
        """Carry the log until cancelled; every failure ends in another look at the stream."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                async with leadership(self._url, "relay") as connection:
                    pause = await self._lead(connection, pause)
            except AWAY as error:
                self.problem = f"PostgreSQL is away: {error}"
            await clock.pause(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _lead(self, connection: asyncpg.Connection, pause: float) -> float:
        """Carry until PostgreSQL fails; NATS may come and go meanwhile."""
        while True:
            try:
                await self._carry(connection, self._nats.client)
            except (PublishRefused, TimeoutError, nats.errors.Error) as error:
                pause = FIRST_PAUSE_SECONDS if self.problem is None else pause
                self.problem = f"NATS does not take events: {str(error) or type(error).__name__}"
                log.warning("relay looks again", why=self.problem, again_in_seconds=pause)
                if isinstance(error, PublishRefused):
                    self._note_refusal()
            except (topology.StreamOfAnotherStore, LogBroken) as error:
                pause = LONGEST_PAUSE_SECONDS
                if self.problem != str(error):
                    log.error("relay stands still", why=str(error))  # noqa: TRY400 - told in full
                self.problem = str(error)
            await clock.pause(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            # Also keeps PostgreSQL from being forgotten while NATS is away: raises when it is gone.
            await connection.fetchval("SELECT 1")

    async def _carry(self, connection: asyncpg.Connection, client: Client) -> None:
        if not self._nats.connected:
            message = "not connected"
            raise nats.errors.ConnectionClosedError(message)
        store_id = (await event_log.head(connection)).store_id
        if len(self._refused_after) >= STALLED_TIMES:
            log.error("event stream made again: it takes nothing", ended_at=self.position)
            self._refused_after.clear()
            await topology.remove(client)
        self.position = await self._sync(connection, client, store_id)
        pipe = Pipe(client)
        checked = clock.monotonic()
        while True:
            self._woken.clear()
            events = self._tail.after(self.position, WINDOW)
            if not events:
                events = await event_log.read_all(connection, after=self.position, limit=WINDOW)
            if events:
                self._assert_contiguous(events)
                await pipe.publish(
                    [_message(event, store_id) for event in events], timeout_seconds=PUBLISH_SECONDS
                )
                self.position = events[-1].position
                self.problem = None
                checked = clock.monotonic()
                if len(events) < WINDOW:
                    await clock.pause(SETTLE_SECONDS)
                continue
            if clock.monotonic() - checked >= CHECK_SECONDS:
                await self._check(client, store_id)
                checked = clock.monotonic()
            self.problem = None
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                pass

    async def _sync(self, connection: asyncpg.Connection, client: Client, store_id: str) -> int:
        """Find where the stream ends, making it where there is none; gives its last position."""
        stream = await topology.look(client, store_id)
        # Read after the stream: another relay may have carried on between.
        head = (await event_log.head(connection)).position
        if stream is None:
            first = max(1, head - REPLAYED_EVENTS + 1)
            return (await topology.make(client, store_id, first=first)).last
        if stream.last > head or await _differs(connection, client, stream.last):
            log.error(
                "event stream made again: it holds what the log does not",
                stream_ended_at=stream.last,
                log_ends_at=head,
                why="PostgreSQL was put back to an older state after these events were published",
            )
            await topology.remove(client)
            first = max(1, head - REPLAYED_EVENTS + 1)
            made = await topology.make(
                client, store_id, first=first, forked_at=min(head, stream.last)
            )
            return made.last
        if stream.last < head:
            log.info("relay goes on", after=stream.last, behind=head - stream.last)
        return stream.last

    async def _check(self, client: Client, store_id: str) -> None:
        """Make sure that the stream still ends where it was left, and still has its messages."""
        stream = await topology.look(client, store_id)
        if stream is None or stream.last != self.position:
            ends = "is gone" if stream is None else f"ends at {stream.last}"
            message = f"the stream {ends}, it was left at {self.position}"
            raise PublishRefused(message)
        if stream.held and await topology.chain_at(client, stream.first) is None:
            # Aged out between the two questions, or its files are gone.
            now = await topology.look(client, store_id)
            if now is not None and now.held and now.first == stream.first:
                self._refused_after = [self.position] * STALLED_TIMES
                message = f"the stream has lost message {stream.first}"
                raise PublishRefused(message)

    def _note_refusal(self) -> None:
        if self._refused_after and self._refused_after[-1] != self.position:
            self._refused_after.clear()
        self._refused_after.append(self.position)

    def _assert_contiguous(self, events: list[Event]) -> None:
        first, last = events[0].position, events[-1].position
        if first != self.position + 1 or last != self.position + len(events):
            message = f"{LogBroken.__doc__} After {self.position} comes {first}."
            raise LogBroken(message)


async def _differs(connection: asyncpg.Connection, client: Client, position: int) -> bool:
    """Tell whether the newest message is another event than the log's at that position."""
    chain = await topology.chain_at(client, position) if position > 0 else None
    if chain is None:
        return False  # aged out, or nothing was published yet
    ours = await connection.fetchval(
        "SELECT chain FROM perdure.events WHERE position = $1", position
    )
    return bool(ours != chain)


def _message(event: Event, store_id: str) -> Message:
    name = event.type.removeprefix("perdure.").rsplit(".", 1)[0]
    return Message(
        event.position,
        event_subject(event.tenant, event.stream, name),
        encode(cloud_event(event, store_id)),
        {
            HEADER_ID: event.id,
            HEADER_EXPECTED_SEQUENCE: str(event.position - 1),
            HEADER_CHAIN: event.chain.hex(),
            HEADER_SHA256: event.sha256.hex(),
        },
    )
