"""The events: the end of the log as it grows, how programs follow it, and what each type holds."""

import inspect
from importlib.resources import files
from typing import Final

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from perdure_api.errors import NotFoundError
from perdure_api.messaging.asyncapi import data_schema
from perdure_api.pages.consumers import consumers, subject_of
from perdure_api.pages.event_contexts import EventsPage, EventType, EventTypePage, TailRow
from perdure_api.pages.event_words import actor_words, event_json
from perdure_api.pages.rendering import html, pretty
from perdure_api.pages.visit import frame_of, wants_fragment
from perdure_api.pages.watching import watch_all
from perdure_api.pages.words import number
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import services_of
from perdure_api.store.event_log import head, read_latest
from perdure_contract.envelope import Event
from perdure_contract.facts import BY_TYPE, FACTS, Fact, type_name
from perdure_contract.identifiers import stream_key, stream_kind

TAIL: Final = 25
SAMPLES: Final = files("perdure_contract") / "samples"
PAGE_OF: Final = {"run": "/runs/{}", "bulk": "/bulk/{}", "job": "/jobs/{}"}
LIST_OF: Final = {"queue": "/queues", "executor": "/executors"}


@get("/events", opt={"permission": "view"}, name="events")
async def events_page(request: HttpRequest) -> ASGIApp:
    """Show the latest events, ways to follow them, and every type."""
    pool, tenant = services_of(request).database.pool, caller_of(request).tenant
    latest = await read_latest(pool, tenant, limit=TAIL)
    page = EventsPage(
        tail=tuple(_row(event) for event in latest),
        position=number((await head(pool)).position),
        consumers=consumers(_here(request)),
        types=tuple(_type(fact) for fact in FACTS),
    )
    live = await watch_all(services_of(request).database)
    template = "_events_tail.html" if wants_fragment(request) else "events.html"
    return html(template, {"frame": frame_of(request, "Events", "events", live=live), "page": page})


@get("/events/{name:str}", opt={"permission": "view"}, name="a type of events")
async def type_page(request: HttpRequest, name: str) -> ASGIApp:
    """Show a whole event of one type, its schema, and ways to follow this type alone."""
    fact = BY_TYPE.get(name)
    if fact is None:
        raise NotFoundError(name)
    sample = msgspec.json.decode((SAMPLES / f"{name}.json").read_bytes())
    page = EventTypePage(
        type=_type(fact),
        subject=subject_of(name),
        schema_href=f"/api/schemas/{name}.json",
        sample=pretty(sample),
        schema=pretty(data_schema(fact)),
        consumers=consumers(_here(request), type_name=name),
    )
    frame = frame_of(request, name, "events")
    return html("event_type.html", {"frame": frame, "page": page})


def _here(request: HttpRequest) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


def _type(fact: type[Fact]) -> EventType:
    name, told = type_name(fact), inspect.cleandoc(fact.__doc__ or "")
    return EventType(
        name=name,
        kind=fact.event.partition(".")[0],
        about=told.partition("\n\n")[0].replace("\n", " ").replace("`", ""),
        href=f"/events/{name}",
    )


def _row(event: Event) -> TailRow:
    kind, key = stream_kind(event.stream), stream_key(event.stream)
    return TailRow(
        position=event.position,
        type=event.type,
        href=f"/events/{event.type}",
        stream=event.stream,
        stream_href=PAGE_OF[kind].format(key) if kind in PAGE_OF else LIST_OF.get(kind),
        by=actor_words(event.actor),
        time=event.time,
        json=event_json(event),
    )


HANDLERS: Final[list[HTTPRouteHandler]] = [events_page, type_page]
