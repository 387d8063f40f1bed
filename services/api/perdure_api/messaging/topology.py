"""The one stream that Perdure keeps in JetStream: its shape, its owner, its end.

`PERDURE_EVENTS` is a copy of the end of the log: position N at stream sequence N. It may be deleted at
any time; `followers/relay.py` makes it again and fills it. What fills up is dropped from its old end.
"""

from datetime import datetime
from typing import Final

import nats.js.errors
from msgspec import Struct
from nats.aio.client import Client
from nats.js.api import (
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamInfo,
)

from perdure_contract.subjects import ALL_EVENTS, EVENT_STREAM, HEADER_CHAIN
from perdure_runtime import logs

log = logs.get(__name__)

MAX_AGE_SECONDS: Final = 30 * 86400
MAX_BYTES: Final = 4 << 30
"""Some four million events; NATS reserves it, so a smaller server is asked for less."""
LEAST_BYTES: Final = 64 << 20
DUPLICATE_WINDOW_SECONDS: Final = 5
"""The expected sequence already keeps duplicates out; a long window would only hold ids in memory."""
API_TIMEOUT_SECONDS: Final = 5

STORE: Final = "perdure.store"
FORKED: Final = "perdure.forked"

_NO_ROOM: Final = frozenset({10023, 10028, 10047})
"""JetStream's codes for: out of resources, memory or storage exceeded, storage not available."""


class StreamOfAnotherStore(Exception):
    """PERDURE_EVENTS on this NATS belongs to another Perdure store: give each its own NATS."""


class EventStream(Struct, frozen=True):
    """What is in the stream now."""

    first: int
    last: int
    """Sequence of the newest message that was ever stored; also when it is no longer held."""
    held: int
    created: datetime | None


async def look(client: Client, store_id: str) -> EventStream | None:
    """Tell what is in the event stream; None when there is none.

    Raises:
        StreamOfAnotherStore: when it was made for another store.
    """
    try:
        info = await client.jetstream(timeout=API_TIMEOUT_SECONDS).stream_info(EVENT_STREAM)
    except nats.js.errors.NotFoundError:
        return None
    owner = (info.config.metadata or {}).get(STORE)
    if owner != store_id:
        message = f"{StreamOfAnotherStore.__doc__} It was made for {owner}, this one is {store_id}."
        raise StreamOfAnotherStore(message)
    return _event_stream(info)


async def make(
    client: Client, store_id: str, *, first: int, forked_at: int | None = None
) -> EventStream:
    """Make the event stream so that its first message gets the sequence `first`.

    Args:
        client: A connection that may use JetStream's API.
        store_id: Written into the stream, so that no other store goes on with it.
        first: The position it starts from.
        forked_at: Set when the stream before it was ahead of the log; kept in its metadata.
    """
    metadata = {STORE: store_id}
    if forked_at is not None:
        metadata[FORKED] = str(forked_at)
    max_bytes = MAX_BYTES
    while True:
        config = StreamConfig(
            name=EVENT_STREAM,
            description="Perdure's events: position N at sequence N",
            subjects=[ALL_EVENTS],
            retention=RetentionPolicy.LIMITS,
            discard=DiscardPolicy.OLD,
            storage=StorageType.FILE,
            max_age=MAX_AGE_SECONDS,
            max_bytes=max_bytes,
            duplicate_window=DUPLICATE_WINDOW_SECONDS,
            first_seq=first,
            allow_direct=True,
            deny_delete=True,
            deny_purge=True,
            metadata=metadata,
        )
        try:
            info = await client.jetstream(timeout=API_TIMEOUT_SECONDS).add_stream(config)
        except nats.js.errors.APIError as error:
            if error.err_code not in _NO_ROOM or max_bytes // 2 < LEAST_BYTES:
                raise
            max_bytes //= 2
        else:
            log.info("event stream made", first=first, max_bytes=max_bytes, max_age_days=30)
            return _event_stream(info)


async def remove(client: Client) -> None:
    """Delete the event stream and its consumers; quietly when there is none."""
    try:
        await client.jetstream(timeout=API_TIMEOUT_SECONDS).delete_stream(EVENT_STREAM)
    except nats.js.errors.NotFoundError:
        return


async def chain_at(client: Client, sequence: int) -> bytes | None:
    """Give the chain value that a message carries; None when the stream no longer holds it."""
    try:
        message = await client.jetstream(timeout=API_TIMEOUT_SECONDS).get_msg(
            EVENT_STREAM, seq=sequence
        )
    except nats.js.errors.NotFoundError:
        return None
    return bytes.fromhex((message.headers or {}).get(HEADER_CHAIN, ""))


def _event_stream(info: StreamInfo) -> EventStream:
    return EventStream(
        first=info.state.first_seq,
        last=info.state.last_seq,
        held=info.state.messages,
        created=info.created,
    )
