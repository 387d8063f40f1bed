"""The writer's statements, and batches turned into their column arrays.

One statement stores all events, new runs and changed runs of a transaction: every array is one
column. Text is cast on the server, which is cheaper than making UUID objects here.
"""

from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec
from msgspec import Struct
from msgspec.structs import replace

from perdure_api.domain.admission import Seat
from perdure_api.domain.queue import Queue
from perdure_api.domain.run import Run
from perdure_api.store.batch import Batch, Lookout
from perdure_api.store.state import (
    StreamRow,
    decode_run,
    decode_stream_state,
    encode_run,
    encode_state,
    run_columns,
)
from perdure_contract.envelope import Event

LOAD = """
WITH seats AS MATERIALIZED (
  SELECT s.executor, s.session_id::text AS session,
         json_build_object('labels', s.labels, 'queues', s.queues) AS takes,
         s.slots + s.ahead - (SELECT count(*) FROM perdure.runs r WHERE r.executor = s.executor
                              AND r.phase IN ('running', 'cancelling')) AS free
  FROM perdure.sessions s
  WHERE $3::int IS NOT NULL AND s.state = 'live' AND NOT s.draining
), queues AS MATERIALIZED (
  SELECT q.stream, q.state FROM (SELECT DISTINCT queue FROM perdure.lanes) l
  JOIN perdure.streams q ON q.stream = 'queue-' || l.queue
  WHERE $3::int IS NOT NULL
), waiting AS MATERIALIZED (
  SELECT c.* FROM perdure.lanes l
  LEFT JOIN queues q ON q.stream = 'queue-' || l.queue
  CROSS JOIN LATERAL (
    SELECT run_id, state FROM perdure.runs
    WHERE queue = l.queue AND lane = l.lane AND phase = 'pending' AND ready_at IS NULL
    ORDER BY priority DESC, first_position
    LIMIT (SELECT least(sum(greatest(free, 0)) + $4::int, $3) FROM seats)) AS c
  WHERE EXISTS (SELECT FROM seats) AND NOT coalesce((q.state ->> 'paused')::boolean, false)
)
SELECT 'run', run_id::text, NULL::text, NULL::bigint, NULL::bigint, NULL::bigint, state, NULL::timestamptz
FROM perdure.runs WHERE run_id = ANY($1::text[]::uuid[]) UNION ALL
SELECT 'stream', stream, tenant, version, first_position, last_position, state, NULL
FROM perdure.streams WHERE stream = ANY($2::text[]) UNION ALL
SELECT 'seat', executor, session, free, NULL, NULL, takes, NULL FROM seats UNION ALL
SELECT 'queue', stream, NULL, NULL, NULL, NULL, state, NULL FROM queues UNION ALL
SELECT 'waiting', run_id::text, NULL, NULL, NULL, NULL, state, NULL FROM waiting UNION ALL
SELECT 'head', NULL, encode(chain, 'hex'), position, NULL, NULL, NULL, clock_timestamp() FROM perdure.head"""
"""One round trip: what the works need; who is free and who waits, unless $3 is null; head and clock.

$4 is how many seats the works may free.
"""

LOCK_HEAD = "BEGIN; SELECT FROM perdure.head FOR UPDATE"
"""Nobody else writes to the log from then on, nor to what is decided by it."""

INSERT_LANES = """
INSERT INTO perdure.lanes (queue, lane) SELECT * FROM unnest($1::text[], $2::text[])
ON CONFLICT DO NOTHING"""

INSERT_BLOBS = """
INSERT INTO perdure.blobs (run_id, sha256, data)
SELECT a::uuid, b, c FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS u(a, b, c)
ON CONFLICT DO NOTHING"""

INSERT_LOGS = """
INSERT INTO perdure.log_chunks (run_id, attempt, first_line, last_line, bytes, lines)
SELECT a::uuid, b, c, d, e, f
FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[])
  AS u(a, b, c, d, e, f)
ON CONFLICT DO NOTHING"""

STORE_EVENTS_AND_RUNS = """
WITH head AS (
  UPDATE perdure.head SET position = $1 + cardinality($5::bigint[]), time = $3, chain = $4
  WHERE position = $1 AND chain = $2 RETURNING 1
), appended AS (
  INSERT INTO perdure.events (position, id, stream, version, type, tenant, time, actor,
                              correlation_id, causation_id, data, sha256, chain)
  SELECT a, b::uuid, c, d, e, f, $3, g, h::uuid, i::uuid, j, k, l
  FROM unnest($5::bigint[], $6::text[], $7::text[], $8::bigint[], $9::text[], $10::text[],
              $11::text[], $12::text[], $13::text[], $14::json[], $15::bytea[], $16::bytea[])
    AS u(a, b, c, d, e, f, g, h, i, j, k, l)
  WHERE EXISTS (SELECT FROM head)
), begun AS (
  INSERT INTO perdure.runs (run_id, tenant, version, first_position, last_position, phase, queue,
                            lane, priority, ready_at, executor, act_at, unique_key, state)
  SELECT a::uuid, b, c, d, e, f, g, h, i, j, k, l, m, n
  FROM unnest($17::text[], $18::text[], $19::bigint[], $20::bigint[], $21::bigint[], $22::text[],
              $23::text[], $24::text[], $25::smallint[], $26::timestamptz[], $27::text[],
              $28::timestamptz[], $29::text[], $30::json[])
    AS u(a, b, c, d, e, f, g, h, i, j, k, l, m, n)
  WHERE EXISTS (SELECT FROM head)
), changed AS (
  UPDATE perdure.runs AS r
  SET version = u.c, last_position = u.d, phase = u.e, priority = u.f, ready_at = u.g,
      executor = u.h, act_at = u.i, unique_key = u.j, state = u.k
  FROM unnest($31::text[], $32::bigint[], $33::bigint[], $34::text[], $35::smallint[],
              $36::timestamptz[], $37::text[], $38::timestamptz[], $39::text[], $40::json[])
    AS u(a, c, d, e, f, g, h, i, j, k)
  WHERE r.run_id = u.a::uuid AND EXISTS (SELECT FROM head)
)
SELECT count(*) FROM head"""
"""Nothing is stored when the head stands elsewhere than when it was loaded."""

STORE_STREAMS = """
INSERT INTO perdure.streams (stream, tenant, version, first_position, last_position, state)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::json[])
ON CONFLICT (stream) DO UPDATE
SET version = excluded.version, last_position = excluded.last_position, state = excluded.state"""


class _Takes(Struct, frozen=True):
    """Which runs an executor takes."""

    labels: dict[str, str]
    queues: tuple[str, ...]


_takes = msgspec.json.Decoder(_Takes)


def stream_row(row: Sequence[Any]) -> StreamRow:
    """Make the row of a stream that is not a run's: name, tenant, version, positions, state."""
    return StreamRow(
        stream=row[0],
        tenant=row[1],
        version=row[2],
        first_position=row[3],
        last_position=row[4],
        state=decode_stream_state(row[0], row[5]),
    )


def loaded(found: Sequence[asyncpg.Record]) -> Batch:
    """Make a batch of what `LOAD` gave."""
    runs, streams, queues, waiting = {}, {}, {}, {}
    seats: list[Seat] = []
    *others, head = found
    for what, key, text, number, first, last, data, _ in others:
        match what:
            case "run":
                runs[key] = decode_run(data)
            case "stream":
                streams[key] = stream_row((key, text, number, first, last, data))
            case "seat":
                takes = _takes.decode(data)
                seats.append(Seat(key, text, number, takes.labels, takes.queues))
            case "queue":
                state = decode_stream_state(key, data)
                if isinstance(state, Queue) and state.is_limited:
                    queues[state.name] = state
            case _:
                waiting[key] = data
    lookout = Lookout(seats=seats, queues=queues, waiting=waiting)
    return Batch(head[7], runs, streams, lookout, base=head[3], chain=bytes.fromhex(head[2]))


def lane_key(run: Run) -> tuple[str, str]:
    """Give the queue and lane of a run."""
    columns = run_columns(run, run.created_at)
    return columns.queue, columns.lane


def blob_columns(batch: Batch) -> tuple[list[Any], ...]:
    """Give the blobs of a batch as columns."""
    keys = list(batch.blobs)
    return [k[0] for k in keys], [k[1] for k in keys], [batch.blobs[k] for k in keys]


def log_columns(batch: Batch) -> tuple[list[Any], ...]:
    """Give the log chunks of a batch as columns."""
    chunks = list(batch.logs.values())
    return (
        [attempt.run for attempt, _ in chunks],
        [attempt.number for attempt, _ in chunks],
        [chunk.first for _, chunk in chunks],
        [chunk.last for _, chunk in chunks],
        [chunk.text_bytes for _, chunk in chunks],
        [chunk.lines for _, chunk in chunks],
    )


def run_arrays(batch: Batch) -> list[list[Any]]:
    """Give new and changed runs as columns; positions are shifted from the batch's to the log's."""
    begun: list[tuple[Any, ...]] = []
    changed: list[tuple[Any, ...]] = []
    for run_id in batch.new_runs | batch.changed_runs:
        run = batch.runs[run_id]
        is_new = run_id in batch.new_runs
        if not is_new and run_id not in batch.changed_runs:
            continue
        run = batch.placed(run)
        c = run_columns(run, batch.now)
        state = encode_run(run)
        if is_new:
            begun.append(
                (
                    run_id,
                    run.tenant,
                    run.version,
                    run.created,
                    run.position,
                    c.phase,
                    c.queue,
                    c.lane,
                    c.priority,
                    c.ready_at,
                    c.executor,
                    c.act_at,
                    c.unique_key,
                    state,
                )
            )
        else:
            changed.append(
                (
                    run_id,
                    run.version,
                    run.position,
                    c.phase,
                    c.priority,
                    c.ready_at,
                    c.executor,
                    c.act_at,
                    c.unique_key,
                    state,
                )
            )
    return [*_columns(begun, 14), *_columns(changed, 10)]


def event_arrays(events: Sequence[Event]) -> list[list[Any]]:
    """Give events as columns."""
    return [
        [event.position for event in events],
        [event.id for event in events],
        [event.stream for event in events],
        [event.version for event in events],
        [event.type for event in events],
        [event.tenant for event in events],
        [event.actor for event in events],
        [event.correlation_id for event in events],
        [event.causation_id for event in events],
        [event.data for event in events],
        [event.sha256 for event in events],
        [event.chain for event in events],
    ]


def stream_arrays(batch: Batch) -> list[list[Any]]:
    """Give changed streams as columns; positions are shifted from the batch's to the log's."""
    base = batch.base
    found: list[tuple[Any, ...]] = []
    for stream in sorted(batch.changed_streams):
        row = batch.streams[stream]
        first = row.first_position if row.first_position > 0 else -row.first_position + base
        row = replace(row, first_position=first, last_position=row.last_position + base + 1)
        found.append(
            (
                stream,
                row.tenant,
                row.version,
                first,
                row.last_position,
                encode_state(row.state),
            )
        )
    return _columns(found, 6)


def _columns(table: list[tuple[Any, ...]], width: int) -> list[list[Any]]:
    if not table:
        return [[] for _ in range(width)]
    return [list(column) for column in zip(*table, strict=True)]
