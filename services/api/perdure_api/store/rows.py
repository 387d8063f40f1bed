"""The writer's statements, and what is stored as their arguments.

One statement stores all events, new runs and changed runs of a transaction, each as an array of rows.
Where no run has changed it is without that part, which costs time with an empty array too. Side rows
come as an array for each column.
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

Row = tuple[Any, ...]

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

_STORE_NEW = """
WITH head AS (
  UPDATE perdure.head SET position = $1 + cardinality($5::perdure.event_to_store[]),
                          time = $3, chain = $4
  WHERE position = $1 AND chain = $2 RETURNING 1
), appended AS (
  INSERT INTO perdure.events (position, id, stream, version, type, tenant, time, actor,
                              correlation_id, causation_id, data, sha256, chain)
  SELECT position, id, stream, version, type, tenant, $3, actor,
         correlation_id, causation_id, data, sha256, chain
  FROM unnest($5::perdure.event_to_store[]) WHERE EXISTS (SELECT FROM head)
), begun AS (
  INSERT INTO perdure.runs (run_id, tenant, version, first_position, last_position, phase, queue,
                            lane, priority, ready_at, executor, act_at, unique_key, state)
  SELECT run_id, tenant, version, first_position, last_position, phase, queue,
         lane, priority, ready_at, executor, act_at, unique_key, state
  FROM unnest($6::perdure.run_to_store[]) WHERE EXISTS (SELECT FROM head)
"""

_STORE_CHANGED = """), changed AS (
  UPDATE perdure.runs AS r
  SET version = u.version, last_position = u.last_position, phase = u.phase,
      priority = u.priority, ready_at = u.ready_at, executor = u.executor, act_at = u.act_at,
      unique_key = u.unique_key, state = u.state
  FROM unnest($7::perdure.run_to_store[]) AS u
  WHERE r.run_id = u.run_id AND EXISTS (SELECT FROM head)
"""

_STORED = ")\nSELECT count(*) FROM head"
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


def storing(batch: Batch, events: Sequence[Event]) -> tuple[str, list[list[Row]]]:
    """Give the statement that stores events and runs, with its arguments after those of the head."""
    stored = [
        [_event_row(event) for event in events],
        [_run_row(batch, run_id) for run_id in batch.new_runs],
    ]
    changed = batch.changed_runs - batch.new_runs
    if not changed:
        return _STORE_NEW + _STORED, stored
    stored.append([_run_row(batch, run_id) for run_id in changed])
    return _STORE_NEW + _STORE_CHANGED + _STORED, stored


def _event_row(event: Event) -> Row:
    return (
        event.position,
        event.id,
        event.stream,
        event.version,
        event.type,
        event.tenant,
        event.actor,
        event.correlation_id,
        event.causation_id,
        event.data,
        event.sha256,
        event.chain,
    )


def _run_row(batch: Batch, run_id: str) -> Row:
    """Give the row of a run; positions are shifted from the batch's to the log's."""
    run = batch.placed(batch.runs[run_id])
    columns = run_columns(run, batch.now)
    return (
        run_id,
        run.tenant,
        run.version,
        run.created,
        run.position,
        columns.phase,
        columns.queue,
        columns.lane,
        columns.priority,
        columns.ready_at,
        columns.executor,
        columns.act_at,
        columns.unique_key,
        encode_run(run),
    )


def stream_arrays(batch: Batch) -> list[list[Any]]:
    """Give changed streams as columns; positions are shifted from the batch's to the log's."""
    base = batch.base
    found: list[Row] = []
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


def _columns(table: list[Row], width: int) -> list[list[Any]]:
    if not table:
        return [[] for _ in range(width)]
    return [list(column) for column in zip(*table, strict=True)]
