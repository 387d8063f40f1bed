"""Queues as they are now: limits from their streams, what waits and runs from the runs' inline rows."""

from typing import Final

import asyncpg

from perdure_api.domain.queue import Queue
from perdure_api.store.state import decode_stream_state
from perdure_contract.identifiers import DEFAULT_QUEUE, queue_stream, stream_key
from perdure_contract.objects import QueueView

COUNTED: Final = 100_000
"""Counts are exact up to here; one more means: more than this."""

_NAMES: Final = """
SELECT queue FROM perdure.lanes UNION SELECT substr(stream, 7) FROM perdure.streams
WHERE stream LIKE 'queue-%' AND tenant = $1 ORDER BY 1"""

_COUNTS: Final = """
SELECT q.name, w.n, r.n
FROM unnest($1::text[]) AS q(name)
CROSS JOIN LATERAL (SELECT count(*) AS n FROM (
    SELECT 1 FROM perdure.runs WHERE phase = 'pending' AND ready_at IS NULL AND queue = q.name
    LIMIT $2) AS few) AS w
CROSS JOIN LATERAL (SELECT count(*) AS n FROM perdure.runs
    WHERE phase IN ('running', 'cancelling') AND queue = q.name) AS r"""

_DUE: Final = """
SELECT queue, count(*) FROM (SELECT queue FROM perdure.runs
WHERE phase = 'pending' AND ready_at <= clock_timestamp() LIMIT $1) AS due GROUP BY queue"""


async def list_queues(pool: asyncpg.Pool, tenant: str) -> tuple[QueueView, ...]:
    """Give every queue that was configured or ever asked for, by name; the default one always."""
    names = {row[0] for row in await pool.fetch(_NAMES, tenant)} | {DEFAULT_QUEUE}
    return await _views(pool, sorted(names))


async def get_queue(pool: asyncpg.Pool, name: str) -> QueueView:
    """Give one queue; one that nobody ever named is empty and without limits."""
    return (await _views(pool, [name]))[0]


async def _views(pool: asyncpg.Pool, names: list[str]) -> tuple[QueueView, ...]:
    rows = await pool.fetch(
        "SELECT stream, version, state FROM perdure.streams WHERE stream = ANY($1::text[])",
        [queue_stream(name) for name in names],
    )
    configured = {stream_key(row[0]): (row[1], decode_stream_state(row[0], row[2])) for row in rows}
    counted = {row[0]: (row[1], row[2]) for row in await pool.fetch(_COUNTS, names, COUNTED + 1)}
    due = dict(tuple(row) for row in await pool.fetch(_DUE, COUNTED + 1))
    views = []
    for name in names:
        version, state = configured.get(name, (0, None))
        queue = state if isinstance(state, Queue) else Queue(name=name)
        queued, running = counted[name]
        views.append(
            QueueView(
                name=name,
                concurrency=queue.concurrency,
                rate_per_minute=queue.rate_per_minute,
                paused=queue.paused,
                queued=min(queued + due.get(name, 0), COUNTED + 1),
                running=running,
                version=version,
            )
        )
    return tuple(views)
