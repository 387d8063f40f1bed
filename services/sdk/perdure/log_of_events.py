"""Calls about the event log."""

from msgspec import Struct

from perdure.requests import Page, Request, get
from perdure_contract.facts import Json


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


def run_events(
    run: str, *, after: int | None = None, limit: int | None = None
) -> Request[Page[EventView]]:
    """Read the events of one run, in order of version."""
    return get(f"/api/runs/{run}/events", Page[EventView], after=after, limit=limit)
