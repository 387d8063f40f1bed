"""Followers of the log, run by a test; and what a stranger sees who follows the stream."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager

import msgspec
import nats
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from perdure_api.followers.relay import Relay
from perdure_contract.envelope import GENESIS, Event, chain_link, payload_sha256
from perdure_contract.subjects import EVENT_STREAM
from perdure_runtime.nats_connection import NatsConnection
from tests.support.waiting import becomes


class Seen(msgspec.Struct, frozen=True):
    """A CloudEvent, read as a stranger reads it."""

    id: str
    source: str
    type: str
    subject: str
    time: str
    data: msgspec.Raw
    streamversion: int
    position: int
    tenant: str
    actor: str | None = None
    correlationid: str | None = None
    causationid: str | None = None


class Message(msgspec.Struct, frozen=True):
    """A message of the stream."""

    sequence: int
    subject: str
    headers: dict[str, str]
    event: Seen


@asynccontextmanager
async def beside(*duties: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Do duties until the block ends; one that fails makes the test fail."""
    tasks = [asyncio.ensure_future(duty) for duty in duties]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end


@asynccontextmanager
async def running_relay(database_url: str, nats_url: str) -> AsyncIterator[Relay]:
    """A relay that carries until the block ends."""
    connection = NatsConnection(nats_url, name="relay under test")
    await connection.connect(patience_seconds=10)
    relay = Relay(database_url, connection)
    async with beside(relay.run()):
        yield relay
    await connection.close()


async def stream_ends_at(nats_url: str, position: int) -> list[Message]:
    """Wait until the stream ends at a position, then give all that it holds."""

    async def holds() -> list[Message]:
        messages = await read_stream(nats_url)
        return messages if messages and messages[-1].sequence == position else []

    return await becomes(holds, 60, what=f"the stream ends at {position}")


async def read_stream(nats_url: str) -> list[Message]:
    """Give all messages of the stream, read by a consumer of its own."""
    client = await nats.connect(nats_url)
    try:
        jetstream = client.jetstream()
        info = await jetstream.stream_info(EVENT_STREAM)
        if not info.state.messages:
            return []
        subscription = await jetstream.pull_subscribe(
            "perdure.events.>",
            stream=EVENT_STREAM,
            config=ConsumerConfig(
                ack_policy=AckPolicy.NONE, deliver_policy=DeliverPolicy.ALL, mem_storage=True
            ),
        )
        found: list[Message] = []
        while len(found) < info.state.messages:
            found += [_seen(message) for message in await subscription.fetch(500, timeout=5)]
        await subscription.unsubscribe()
        return found
    finally:
        await client.close()


def _seen(message: Msg) -> Message:
    return Message(
        message.metadata.sequence.stream,
        message.subject,
        message.headers or {},
        msgspec.json.decode(message.data, type=Seen),
    )


def assert_copy_of_the_log(messages: list[Message], *, first: int = 1) -> None:
    """Check what subscribers are promised: every position once, in order, the chain unbroken."""
    chain = GENESIS if first == 1 else None
    for expected, message in enumerate(messages, first):
        assert (message.sequence, message.event.position) == (expected, expected)
        assert message.headers["Nats-Msg-Id"] == message.event.id
        data = bytes(message.event.data)
        sha256 = payload_sha256(data)
        assert message.headers["Perdure-Sha256"] == sha256.hex()
        if chain is not None:
            chain = chain_link(chain, as_stored(message.event), sha256)
            assert message.headers["Perdure-Chain"] == chain.hex(), expected
        else:
            chain = bytes.fromhex(message.headers["Perdure-Chain"])


def as_stored(event: Seen) -> Event:
    """Give the fields that the chain is made of."""
    return Event(
        position=event.position,
        id=event.id,
        stream=event.subject,
        version=event.streamversion,
        type=event.type,
        time=event.time,
        tenant=event.tenant,
        data=bytes(event.data),
        actor=event.actor,
        correlation_id=event.correlationid,
        causation_id=event.causationid,
    )
