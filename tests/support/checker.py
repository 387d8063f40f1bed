"""Reads a whole store and tells every invariant that it breaks; the last step of each fault test.

| invariant | here |
|---|---|
| positions are 1..n, ids unique, hashes and chain as computed anew | `_the_log` |
| every stream's versions are 1..n, in order of position | `_the_log` |
| each run's history keeps the rules: one open attempt, one end, nothing after it | `_runs` |
| the fold of a stream's events is its inline row, and the row's columns fit | `_runs`, `_streams` |
| what was answered is there, and once | `_answered` |
| nothing that could start waits while a fitting executor is idle | `_idle` |
| the rows of a batch's items are what its events tell | `_runs` |
| `PERDURE_EVENTS` is an ordered copy of the end of the log, position N at sequence N | `_copy` |
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg
import msgspec
import nats
from nats.aio.msg import Msg

from perdure_api.domain.queue import Queue
from perdure_api.domain.run import Run, Stamp
from perdure_api.domain.run_folding import evolve
from perdure_api.store import codec, database, event_log
from perdure_api.store.state import (
    StreamState,
    decode_run,
    decode_stream_state,
    evolve_stream,
    run_columns,
)
from perdure_contract import envelope, subjects
from perdure_contract.envelope import Event
from perdure_contract.facts import AnyFact, RunFact
from tests.support.history_rules import broken_rules, items_told
from tests.support.waiting import becomes

HEALED_SECONDS = 60
"""How long the system may take to heal after a fault: to dispatch, and to carry the log on."""

OPEN_ATTEMPTS = """
SELECT executor, count(*) FROM perdure.runs WHERE phase IN ('running', 'cancelling') GROUP BY 1"""

STARTABLE = """
SELECT run_id::text, queue, lane FROM perdure.runs
WHERE phase = 'pending' AND (ready_at IS NULL OR ready_at <= clock_timestamp())"""


@dataclass
class Store:
    """All of a store at one moment."""

    position: int
    chain: bytes
    store_id: str
    events: list[Event]
    times: dict[int, datetime]
    runs: dict[str, asyncpg.Record]
    streams: dict[str, asyncpg.Record]
    facts: dict[str, list[tuple[Event, AnyFact]]] = field(default_factory=dict)
    items: dict[str, dict[int, str]] = field(default_factory=dict)
    """Of each batch: the outcomes of its items."""

    def short(self, stream: str) -> list[str]:
        """Give the names of a stream's events, like `run.requested`."""
        return [fact.event for _, fact in self.facts[stream]]


def check(url: str, **options: object) -> Store:
    """Do as `checked`, without an event loop."""
    return asyncio.run(checked(url, **options))  # type: ignore[arg-type]


async def checked(
    url: str,
    *,
    nats_url: str | None = None,
    answered: Collection[str] = (),
    once: Collection[str] = (),
) -> Store:
    """Fail with every invariant that a store breaks; give what was read.

    Args:
        url: the database.
        nats_url: where the copy of the log is; left out, it is not looked at.
        answered: ids of runs whose request was answered as stored.
        once: names that exactly one run each must have.
    """
    connection = await database.connect(url)
    try:
        await becomes(lambda: _nothing_idle(connection), HEALED_SECONDS, what="all is dispatched")
        store = await _read(connection)
        broken = [
            *_the_log(store),
            *_runs(store),
            *_streams(store),
            *_answered(store, answered, once),
        ]
        if nats_url is not None:
            broken += await _copy(connection, nats_url)
    finally:
        await connection.close()
    assert not broken, "\n".join(broken[:50])
    return store


async def _read(connection: asyncpg.Connection) -> Store:
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        head = await event_log.head(connection)
        events = await event_log.read_all(connection, after=0, limit=10_000_000)
        times = dict(await connection.fetch("SELECT position, time FROM perdure.events"))
        runs = await connection.fetch("SELECT *, run_id::text AS id FROM perdure.runs")
        streams = await connection.fetch("SELECT * FROM perdure.streams")
        items = await connection.fetch(
            "SELECT run_id::text, ordinal, outcome FROM perdure.items WHERE outcome IS NOT NULL"
        )
    store = Store(
        head.position,
        head.chain,
        head.store_id,
        events,
        times,
        {row["id"]: row for row in runs},
        {row["stream"]: row for row in streams},
    )
    for run_id, ordinal, outcome in items:
        store.items.setdefault(run_id, {})[ordinal] = outcome
    for event in events:
        fact = codec.decode(event.type, event.data)
        store.facts.setdefault(event.stream, []).append((event, fact))  # type: ignore[arg-type]
    return store


def _the_log(store: Store) -> Iterable[str]:
    positions = [event.position for event in store.events]
    if positions != list(range(1, store.position + 1)):
        yield f"positions are not 1..{store.position}: {positions[:5]} … {positions[-5:]}"
    for id_, times in Counter(event.id for event in store.events).items():
        if times > 1:
            yield f"{times} events have the id {id_}"
    chain = envelope.GENESIS
    for event in store.events:
        if envelope.payload_sha256(event.data) != event.sha256:
            yield f"position {event.position}: the hash is not that of the data"
        chain = envelope.chain_link(chain, event, event.sha256)
        if chain != event.chain:
            yield f"position {event.position}: the chain is broken"
            chain = event.chain
    if chain != store.chain:
        yield "the head's chain is not that of the last event"
    for stream, told in store.facts.items():
        versions = [event.version for event, _ in told]
        if versions != list(range(1, len(told) + 1)):
            yield f"{stream}: versions are {versions}"


def _runs(store: Store) -> Iterable[str]:
    told = {s.removeprefix("run-"): f for s, f in store.facts.items() if s.startswith("run-")}
    if told.keys() != store.runs.keys():
        yield f"runs without row or without events: {sorted(told.keys() ^ store.runs.keys())}"
    for run_id in told.keys() & store.runs.keys():
        history: list[RunFact] = [fact for _, fact in told[run_id]]  # type: ignore[misc]
        yield from (f"run {run_id}, {rule}" for rule in broken_rules(history))
        run: Run | None = None
        for event, fact in told[run_id]:
            time = store.times[event.position]
            stamp = Stamp(event.position, event.version, time, event.tenant)
            run = evolve(run, fact, stamp)  # type: ignore[arg-type]
        assert run is not None
        row = store.runs[run_id]
        if (stored := decode_run(row["state"])) != run:
            yield f"run {run_id}: the row is not the fold:\n  {stored}\n  {run}"
        yield from _columns(run, row, [event for event, _ in told[run_id]])
        items = {} if run.deleted else items_told(history)
        if (kept := store.items.get(run_id, {})) != items:
            parted = sorted(dict(items.items() ^ kept.items()))
            yield f"run {run_id}: items {parted[:20]} are not as its events tell"


def _columns(run: Run, row: asyncpg.Record, events: list[Event]) -> Iterable[str]:
    columns = run_columns(run, run.created_at)
    wanted = {
        "version": events[-1].version,
        "first_position": events[0].position,
        "last_position": events[-1].position,
        "tenant": run.tenant,
        **{
            name: getattr(columns, name)
            for name in ("phase", "queue", "lane", "priority", "executor", "unique_key", "act_at")
        },
    }
    for name, value in wanted.items():
        if row[name] != value:
            yield f"run {run.id}: column {name} is {row[name]!r}, the fold says {value!r}"
    # It is taken away when it comes due.
    if row["ready_at"] not in (None, run.available_at):
        yield f"run {run.id}: column ready_at is {row['ready_at']}"


def _streams(store: Store) -> Iterable[str]:
    told = {stream for stream in store.facts if not stream.startswith("run-")}
    if told != store.streams.keys():
        yield f"streams without row or without events: {sorted(told ^ store.streams.keys())}"
    for stream in told & store.streams.keys():
        state: StreamState | None = None
        for _, fact in store.facts[stream]:
            state = evolve_stream(state, fact)
        row, events = store.streams[stream], [event for event, _ in store.facts[stream]]
        if decode_stream_state(stream, row["state"]) != state:
            yield f"{stream}: the row is not the fold"
        marks = (row["version"], row["first_position"], row["last_position"])
        if marks != (events[-1].version, events[0].position, events[-1].position):
            yield f"{stream}: version, first or last position are {marks}"


def _answered(store: Store, answered: Collection[str], once: Collection[str]) -> Iterable[str]:
    gone = set(answered) - set(store.runs)
    yield from (f"run {run_id} was answered and is gone" for run_id in gone)
    names = Counter(decode_run(row["state"]).request.name for row in store.runs.values())
    yield from (f"{names[name]} runs are named {name}" for name in once if names[name] != 1)


async def _nothing_idle(connection: asyncpg.Connection) -> bool:
    return not await _idle(connection)


async def _idle(connection: asyncpg.Connection) -> list[str]:
    """Give the runs that could start now and somewhere, but wait. Limited queues are left out."""
    taken = dict(await connection.fetch(OPEN_ATTEMPTS))
    seats = [
        row
        for row in await connection.fetch(
            "SELECT * FROM perdure.sessions WHERE state = 'live' AND NOT draining"
        )
        if row["slots"] > taken.get(row["executor"], 0)
    ]
    limited = set()
    for row in await connection.fetch("SELECT * FROM perdure.streams WHERE stream LIKE 'queue-%'"):
        state = decode_stream_state(row["stream"], row["state"])
        if isinstance(state, Queue) and state.is_limited:
            limited.add(state.name)
    found = []
    for run_id, queue, lane in await connection.fetch(STARTABLE):
        for seat in seats:
            labels = msgspec.json.decode(seat["labels"], type=dict[str, str])
            queues = msgspec.json.decode(seat["queues"], type=list[str])
            has = {f"{key}={value}" for key, value in labels.items()}
            serves = not queues or queue in queues
            if queue not in limited and serves and set(filter(None, lane.split(","))) <= has:
                found.append(run_id)
                break
    return found


async def _copy(connection: asyncpg.Connection, url: str) -> list[str]:
    """Compare the stream with the log, once it has caught up."""
    client = await nats.connect(url)
    try:
        jetstream = client.jetstream()

        async def caught_up() -> bool:
            stream = await jetstream.stream_info(subjects.EVENT_STREAM)
            return stream.state.last_seq == (await event_log.head(connection)).position

        await becomes(caught_up, HEALED_SECONDS, what="the stream has the whole log")
        state = (await jetstream.stream_info(subjects.EVENT_STREAM)).state
        head = await event_log.head(connection)
        events = await event_log.read_all(
            connection, after=state.first_seq - 1, limit=state.last_seq - state.first_seq + 1
        )
        follow = await jetstream.subscribe(subjects.ALL_EVENTS, ordered_consumer=True)
        broken: list[str] = []
        for event in events:
            message = await follow.next_msg(timeout=10)
            broken += _differences(event, message, head.store_id)
        return broken
    finally:
        await client.close()


def _differences(event: Event, message: Msg, store_id: str) -> Iterable[str]:
    sequence = message.metadata.sequence.stream
    headers = message.headers or {}
    name = event.type.removeprefix("perdure.").removesuffix(".v1")
    compared = {
        "sequence": (sequence, event.position),
        "subject": (message.subject, subjects.event_subject(event.tenant, event.stream, name)),
        "body": (message.data, envelope.encode(envelope.cloud_event(event, store_id))),
        subjects.HEADER_ID: (headers.get(subjects.HEADER_ID), event.id),
        subjects.HEADER_CHAIN: (headers.get(subjects.HEADER_CHAIN), event.chain.hex()),
        subjects.HEADER_SHA256: (headers.get(subjects.HEADER_SHA256), event.sha256.hex()),
    }
    for what, (there, here) in compared.items():
        if there != here:
            yield f"position {event.position}: {what} is {there!r} in the stream, not {here!r}"
