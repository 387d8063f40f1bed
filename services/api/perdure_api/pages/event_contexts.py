"""What the pages of events are rendered from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """A type of events in the catalogue."""

    name: str
    """Its full name, like `perdure.run.requested.v1`."""
    kind: str
    """What its stream is of: a run, a queue, …."""
    about: str
    """What it tells, in a sentence."""
    href: str
    """Its page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """A way to follow events, to be copied."""

    key: str
    """Part of its id on the page."""
    label: str
    """With what."""
    text: str
    """What is copied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TailRow:
    """One of the latest events."""

    position: int
    """Its place in the log."""
    type: str
    """Its type."""
    href: str
    """Page of its type."""
    stream: str
    """Its stream."""
    stream_href: str | None
    """Where what it is about is shown."""
    by: str
    """Who did it."""
    time: str
    """When."""
    json: str
    """Its data over several lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsPage:
    """The end of the log, how to follow it, and every type of events."""

    tail: tuple[TailRow, ...]
    """The latest events, newest first."""
    position: str
    """Where the log ends now, in words."""
    consumers: tuple[Consumer, ...]
    """Ways to follow all events."""
    types: tuple[EventType, ...]
    """The catalogue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTypePage:
    """One type of events."""

    type: EventType
    """The type."""
    subject: str
    """Where it is published on NATS; stars stand for any tenant and any key."""
    schema_href: str
    """Where programs read the schema."""
    sample: str
    """A whole event of this type."""
    schema: str
    """The JSON schema of its data."""
    consumers: tuple[Consumer, ...]
    """Ways to follow events of this type alone."""
