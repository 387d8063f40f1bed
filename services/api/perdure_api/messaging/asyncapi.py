"""The AsyncAPI document: what Perdure says on NATS to whoever listens, made from the contract's types."""

import inspect
from typing import Any, Final

import msgspec
from msgspec import Struct

from perdure_contract import subjects
from perdure_contract.envelope import CloudEvent
from perdure_contract.facts import FACTS, Fact, type_name
from perdure_contract.wire import LiveProgress

Json = dict[str, Any]
"""A piece of the document."""

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_COMPONENT: Final = "#/components/schemas/{name}"

_EVENTS: Final = """\
Every fact of the log, in order: the event at position N is at sequence N of the JetStream stream
PERDURE_EVENTS, as a CloudEvent 1.0 in structured JSON. The stream is a copy of the end of the log and may
be made again at any time (its data lost, or PostgreSQL put back to an older state): start from the
position after the last one you have, and read what the stream does not hold at GET /api/events. Delivery
is at least once; `id` and `position` tell a repetition. `Perdure-Chain` must follow from the event before
(see the decision record on the hash chain); when it does not, the log was put back to an older state."""

_PROGRESS: Final = """\
How far a running run is, at most four times a second, on core NATS: not an event, not kept, may be lost.
Milestones of it are events."""


def document(*, version: str) -> Json:
    """Give the AsyncAPI 3.0 document of this version of Perdure."""
    kinds: tuple[type[Struct], ...] = (CloudEvent, LiveProgress, *FACTS)
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_COMPONENT)
    named = dict(zip((kind.__name__ for kind in kinds), schemas, strict=True))
    messages = {type_name(fact): _message(fact, named[fact.__name__]) for fact in FACTS}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Perdure events",
            "version": version,
            "description": "What Perdure publishes on NATS. Types, subjects and fields only grow.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "events": _event_channel(messages),
            "progress": _progress_channel(),
        },
        "operations": {
            "publishEvents": {
                "action": "send",
                "channel": {"$ref": "#/channels/events"},
                "summary": "Publish every fact once it is committed.",
            },
            "publishProgress": {
                "action": "send",
                "channel": {"$ref": "#/channels/progress"},
                "summary": "Tell how far a run is.",
            },
        },
        "components": {
            "messages": messages | {"progress": _progress_message(named["LiveProgress"])},
            "schemas": components,
        },
    }


def data_schema(fact: type[Fact]) -> Json:
    """Give the JSON schema of one fact's `data`, whole in itself."""
    (schema,), components = msgspec.json.schema_components((fact,), ref_template="#/$defs/{name}")
    return {
        "$schema": DRAFT,
        "$id": f"/api/schemas/{type_name(fact)}.json",
        "title": type_name(fact),
        **schema,
        "$defs": components,
    }


def _event_channel(messages: dict[str, Json]) -> Json:
    return {
        "address": f"{subjects.EVENTS_ROOT}.{{tenant}}.{{kind}}.{{key}}.{{event}}",
        "title": "Events",
        "description": _EVENTS,
        "parameters": {
            "tenant": {"description": "Who it belongs to; `default` until there are several."},
            "kind": {
                "description": "What its stream is about.",
                "enum": sorted({fact.event.split(".", 1)[0] for fact in FACTS}),
            },
            "key": {"description": "Id or name of what its stream is about."},
            "event": {"description": "Name of the fact within its kind, like `attempt-started`."},
        },
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {"nats": {"bindingVersion": "0.1.0"}},
    }


def _progress_channel() -> Json:
    return {
        "address": subjects.progress("{tenant}", "{run}"),
        "title": "Live progress",
        "description": _PROGRESS,
        "parameters": {
            "tenant": {"description": "Who the run belongs to."},
            "run": {"description": "The run's id."},
        },
        "messages": {"progress": {"$ref": "#/components/messages/progress"}},
    }


def _message(fact: type[Fact], schema: Json) -> Json:
    return {
        "name": type_name(fact),
        "title": fact.__name__,
        "summary": inspect.cleandoc(fact.__doc__ or "").split("\n\n", 1)[0],
        "contentType": "application/cloudevents+json",
        "headers": _headers(),
        "payload": {
            "allOf": [
                {"$ref": _COMPONENT.format(name="CloudEvent")},
                {
                    "type": "object",
                    "properties": {"type": {"const": type_name(fact)}, "data": schema},
                },
            ]
        },
    }


def _progress_message(schema: Json) -> Json:
    return {"name": "progress", "title": "Live progress", "payload": schema}


def _headers() -> Json:
    hexadecimal = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
    return {
        "type": "object",
        "properties": {
            subjects.HEADER_ID: {"type": "string", "description": "The event's id."},
            subjects.HEADER_CHAIN: {**hexadecimal, "description": "Chain value up to this event."},
            subjects.HEADER_SHA256: {
                **hexadecimal,
                "description": "SHA-256 of the bytes of `data`.",
            },
        },
    }
