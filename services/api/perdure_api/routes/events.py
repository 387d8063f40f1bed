"""The log for programs: page after page, or as it grows."""

from collections.abc import AsyncIterator
from typing import Annotated, Final

import asyncpg
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import Meta, Struct

from perdure_api.domain.rejections import FieldError
from perdure_api.errors import NotFoundError, Refused, Unavailable, invalid
from perdure_api.messaging.asyncapi import data_schema
from perdure_api.messaging.hub import Hub, Listener
from perdure_api.routes.operations import Call, operation
from perdure_api.routes.queries import NoQuery
from perdure_api.routes.replies import json_reply
from perdure_api.routes.streaming import PING_SECONDS, Streamed, frame, ping
from perdure_api.security.access import header
from perdure_api.store.codec import LIFTINGS
from perdure_api.store.event_log import COLUMNS, event_of, head, read_all
from perdure_contract.envelope import CloudEvent, Event, cloud_event
from perdure_contract.envelope import encode as encode_event
from perdure_contract.facts import BY_TYPE

LOOKED_AT: Final = 20_000
"""Positions that one page looks at when it filters by type, however few fit."""
READ_AT_ONCE: Final = 500
READERS: Final = 1000
"""Open streams of one process."""

MAX_DIGITS: Final = 18
"""What a position can have."""

Position = Annotated[int, Meta(ge=0, le=2**62, description="Events after this position.")]
Types = Annotated[
    tuple[str, ...], Meta(description="Full type names, like perdure.run.requested.v1.")
]
Stream = Annotated[
    str, Meta(max_length=200, description="One stream, like run-<id> or queue-<name>.")
]


class EventsQuery(Struct, frozen=True, kw_only=True):
    """Which events."""

    after: Position = 0
    type: Types = ()
    stream: Stream | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 50


class StreamQuery(Struct, frozen=True, kw_only=True):
    """Which events, from where on; the header Last-Event-ID wins over `after`."""

    after: Position = 0
    type: Types = ()
    stream: Stream | None = None


class EventsPage(Struct, frozen=True):
    """Some events in order of position."""

    items: list[CloudEvent]
    next: int
    """The last position that was looked at: `after` of the next page, also when nothing fitted."""


@operation(
    "GET",
    "/api/events",
    permission="view",
    summary="Read the log",
    query=EventsQuery,
    answer=EventsPage,
)
async def list_events(call: Call[EventsQuery]) -> ASGIApp:
    """Give events in order; always current."""
    query, services = call.query, call.services
    _check_types(query.type)
    pool = services.database.pool
    end = (await head(pool)).position
    if query.stream is None and query.type:
        end = min(end, query.after + LOOKED_AT)
    events = await _read(pool, call.caller.tenant, query, end)
    full = len(events) == query.limit
    return json_reply(
        EventsPage(
            [cloud_event(event, services.store_id) for event in events],
            events[-1].position if full else max(end, query.after),
        )
    )


@operation(
    "GET",
    "/api/events/stream",
    permission="view",
    summary="Follow the log (server-sent events)",
    query=StreamQuery,
    media_type="text/event-stream",
)
async def stream_events(call: Call[StreamQuery]) -> ASGIApp:
    """Give events in order as they are committed; each frame's id is its position."""
    query, services = call.query, call.services
    _check_types(query.type)
    if services.hub.listeners >= READERS:
        raise Unavailable("Too many streams are open.", retry_after_seconds=5, code="busy")
    came_back = header(call.request.scope, b"last-event-id")
    after = query.after if came_back is None else _position(came_back)
    follower = _Follower(
        services.database.pool, services.hub, services.store_id, call.caller.tenant, query
    )
    return Streamed(follower.follow(after))


@operation(
    "GET",
    "/api/schemas/{name}",
    permission="public",
    summary="Read the JSON schema of an event's data",
)
async def event_schema(call: Call[NoQuery]) -> ASGIApp:
    """Give what `dataschema` of an event points to."""
    fact = BY_TYPE.get(call.path("name").removesuffix(".json"))
    if fact is None:
        raise NotFoundError("There is no such event type; see /api/asyncapi.json.")
    return json_reply(data_schema(fact))


class _Follower:
    """One reader of the stream."""

    def __init__(
        self, pool: asyncpg.Pool, hub: Hub, store_id: str, tenant: str, query: StreamQuery
    ) -> None:
        self._pool = pool
        self._hub = hub
        self._store_id = store_id
        self._tenant = tenant
        self._query = query

    async def follow(self, position: int) -> AsyncIterator[bytes]:
        """Read up to the end, then listen; whatever is missing between is read."""
        with self._hub.listen_to_events() as heard:
            while True:
                while events := await read_all(self._pool, after=position, limit=READ_AT_ONCE):
                    for event in events:
                        if self._fits(event):
                            yield self._frame(event)
                    position = events[-1].position
                async for news in _next_ones(heard, position):
                    if news is None:
                        yield ping(identifier=position)
                        continue
                    position = news.position
                    if self._fits(news):
                        yield self._frame(news)

    def _fits(self, event: Event) -> bool:
        query = self._query
        return (
            event.tenant == self._tenant
            and (not query.type or event.type in query.type)
            and (query.stream is None or event.stream == query.stream)
        )

    def _frame(self, event: Event) -> bytes:
        data = encode_event(cloud_event(event, self._store_id))
        return frame(data, identifier=event.position)


async def _next_ones(heard: Listener, position: int) -> AsyncIterator[Event | None]:
    """Give what follows on `position` without a gap, None for silence; ends at the first gap."""
    while True:
        news = await heard.next(seconds=PING_SECONDS)
        if news is None:
            yield None
        elif not isinstance(news, Event) or news.position > position + 1:
            return
        elif news.position == position + 1:
            position = news.position
            yield news


async def _read(pool: asyncpg.Pool, tenant: str, query: EventsQuery, end: int) -> list[Event]:
    conditions = ["position > $1", "position <= $2", "tenant = $3"]
    arguments: list[object] = [query.after, end, tenant, query.limit]
    if query.type:
        arguments.append(list(query.type))
        conditions.append(f"type = ANY(${len(arguments)}::text[])")
    if query.stream is not None:
        arguments.append(query.stream)
        conditions.append(f"stream = ${len(arguments)}")
    # Within a stream both orders are one, and there is an index by version.
    order = "position" if query.stream is None else "version"
    rows = await pool.fetch(
        f"SELECT {COLUMNS} FROM perdure.events WHERE {' AND '.join(conditions)} "
        f"ORDER BY {order} LIMIT $4",
        *arguments,
    )
    return [event_of(row) for row in rows]


def _check_types(types: tuple[str, ...]) -> None:
    faults = tuple(
        FieldError("/type", "unknown-type", "There is no such event type; see /api/asyncapi.json.")
        for name in types
        if name not in BY_TYPE and name not in LIFTINGS
    )
    if faults:
        raise invalid(faults[:1])


def _position(text: bytes) -> int:
    if not text.isdigit() or len(text) > MAX_DIGITS:
        raise Refused("bad-cursor", "Last-Event-ID is the id of an event that this stream gave.")
    return int(text)


HANDLERS: Final[list[HTTPRouteHandler]] = [list_events, stream_events, event_schema]
