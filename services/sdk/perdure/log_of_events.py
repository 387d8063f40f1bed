"""Calls about the event log."""

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Struct

from perdure.errors import BadAnswer
from perdure.listening import Listening
from perdure.requests import Page, Parameter, Pause, Request, Steps, get
from perdure_contract.facts import Json

EVENTS_A_LOOK: Final = 500


class EventView(Struct, frozen=True, kw_only=True):
    """An event in its public envelope (CloudEvents 1.0)."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    data: Json
    streamversion: int
    position: int
    tenant: str
    dataschema: str | None = None
    actor: str | None = None
    correlationid: str | None = None
    causationid: str | None = None


class EventPage(Struct, frozen=True, kw_only=True):
    """Events in order; `next` is the last position looked at, so asking with it goes on."""

    items: tuple[EventView, ...]
    next: int


def events(
    *,
    after: int | None = None,
    type: str | None = None,  # noqa: A002 - the API's word
    stream: str | None = None,
    limit: int | None = None,
) -> Request[EventPage]:
    """Read events behind the position `after`, of some types (comma-separated) or one stream."""
    return get("/api/events", EventPage, after=after, type=type, stream=stream, limit=limit)


def last_position() -> Steps[int]:
    """Find where the log ends now: a look for a stream that cannot be goes through all of it."""
    page: EventPage = yield events(stream="none", limit=1)
    return page.next


def run_events(
    run: str, *, after: int | None = None, limit: int | None = None
) -> Request[Page[EventView]]:
    """Read the events of one run, in order of version."""
    return get(f"/api/runs/{run}/events", Page[EventView], after=after, limit=limit)


class Tailing(Listening[EventView]):
    """What one reader of the event log has read."""

    def __init__(
        self,
        *,
        after: int = 0,
        type: str | None = None,  # noqa: A002 - the API's word
        stream: str | None = None,
    ) -> None:
        super().__init__("/api/events/stream")
        self._position = after
        self._type = type
        self._stream = stream

    @property
    def params(self) -> dict[str, Parameter]:
        """The position to begin behind, and which events."""
        return {"after": self._position, "type": self._type, "stream": self._stream}

    def read(self, kind: str, data: str) -> Iterator[EventView]:
        """Read one event; whatever its kind is called, its data is a CloudEvent."""
        del kind
        try:
            event = msgspec.json.decode(data, type=EventView)
        except msgspec.DecodeError as error:
            raise BadAnswer(self.path, str(error)) from error
        self._position = event.position
        yield event

    def look(self) -> Steps[tuple[EventView, ...]]:
        """Ask for what is behind the last position."""
        page: EventPage = yield events(
            after=self._position, type=self._type, stream=self._stream, limit=EVENTS_A_LOOK
        )
        self._position = page.next
        if not page.items:
            yield Pause(1.0)
        return page.items
