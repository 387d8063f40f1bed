"""The public form of an event: CloudEvents 1.0, structured JSON, and the chain over its bytes."""

import hashlib

import msgspec
from msgspec import Raw, Struct


class Event(Struct, frozen=True, kw_only=True):
    """An event as it is stored: `data` holds the exact bytes that were hashed."""

    position: int
    id: str
    stream: str
    version: int
    type: str
    time: str
    """Commit time by the database's clock, RFC 3339 UTC with microseconds."""
    tenant: str
    data: bytes
    actor: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    sha256: bytes = b""
    chain: bytes = b""


class CloudEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What subscribers and `/api/events` get. Extensions that do not apply are left out."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: str
    dataschema: str
    data: Raw
    streamversion: int
    position: int
    tenant: str
    actor: str | None = None
    correlationid: str | None = None
    causationid: str | None = None


_encoder = msgspec.json.Encoder()


def cloud_event(event: Event, store_id: str) -> CloudEvent:
    """Put a stored event into its public envelope."""
    return CloudEvent(
        specversion="1.0",
        id=event.id,
        source=f"/perdure/{store_id}",
        type=event.type,
        subject=event.stream,
        time=event.time,
        datacontenttype="application/json",
        dataschema=f"/api/schemas/{event.type}.json",
        data=Raw(event.data),
        streamversion=event.version,
        position=event.position,
        tenant=event.tenant,
        actor=event.actor,
        correlationid=event.correlation_id,
        causationid=event.causation_id,
    )


def encode(event: CloudEvent) -> bytes:
    """Give the JSON bytes of a CloudEvent."""
    return _encoder.encode(event)


def payload_sha256(data: bytes) -> bytes:
    """Hash the exact bytes of an event's data."""
    return hashlib.sha256(data).digest()


GENESIS = bytes(32)
"""The chain value before position 1."""


def chain_link(previous: bytes, event: Event, sha256: bytes) -> bytes:
    """Give the chain value of an event: SHA-256 over the previous value and everything public.

    The preimage is the 32 previous bytes followed by these fields, each ended by a newline, absent
    ones empty: position, id, type, subject, streamversion, time, tenant, actor, correlationid,
    causationid, SHA-256 of data in lower-case hex.
    """
    fields = (
        f"{event.position}\n{event.id}\n{event.type}\n{event.stream}\n{event.version}\n{event.time}\n"
        f"{event.tenant}\n{event.actor or ''}\n{event.correlation_id or ''}\n"
        f"{event.causation_id or ''}\n{sha256.hex()}\n"
    )
    return hashlib.sha256(previous + fields.encode()).digest()
