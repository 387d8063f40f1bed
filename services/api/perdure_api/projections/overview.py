"""What people look for first: what needs attention, what runs now, how much is done."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg
from msgspec import Struct

from perdure_api.domain.lanes import offered, serves
from perdure_api.domain.run import Run
from perdure_api.projections import run_list
from perdure_api.projections.executors import list_executors
from perdure_api.projections.queues import list_queues
from perdure_api.projections.run_list import Filter
from perdure_api.store.database import Database
from perdure_api.store.state import decode_run
from perdure_contract.objects import ExecutorView, QueueView, State

SHOWN: Final = 10
"""Runs that are shown of each group."""
FAILED_COUNTED: Final = 1000
"""Failed runs are counted up to here; one more means: more than this."""

_FAILED: Final = """
FROM perdure_views.run_list f WHERE f.tenant = $1 AND f.state IN ('failed', 'partial')
AND f.ended_at > clock_timestamp() - interval '24 hours'
AND NOT EXISTS (SELECT FROM perdure_views.run_list r WHERE r.rerun_of = f.run_id)"""

# By state, because that is what the index on their ends begins with.
_ENDED: Final = f"""
SELECT e.run_id, e.ended_at
FROM unnest('{{completed,partial,failed,cancelled}}'::text[]) AS s(state) CROSS JOIN LATERAL (
    SELECT run_id, ended_at FROM perdure_views.run_list
    WHERE tenant = $1 AND state = s.state AND ended_at IS NOT NULL
    ORDER BY ended_at DESC LIMIT {SHOWN}) AS e"""

_LANES: Final = """
SELECT l.queue, l.lane, n.waiting FROM perdure.lanes l CROSS JOIN LATERAL (
    SELECT count(*) AS waiting FROM (
        SELECT FROM perdure.runs r WHERE r.queue = l.queue AND r.lane = l.lane AND r.tenant = $1
        AND r.phase = 'pending' AND (r.ready_at IS NULL OR r.ready_at <= clock_timestamp())
        LIMIT $2) AS few) AS n
WHERE l.lane <> '' AND n.waiting > 0 ORDER BY l.queue, l.lane"""

_HOURS: Final = """
SELECT date_bin('1 hour', ended_at, 'epoch') AS hour,
       count(*) FILTER (WHERE state = 'completed'),
       count(*) FILTER (WHERE state IN ('failed', 'partial')),
       count(*) FILTER (WHERE state = 'cancelled')
FROM perdure_views.run_list
WHERE tenant = $1 AND state IN ('completed', 'failed', 'partial', 'cancelled')
  AND ended_at >= date_bin('1 hour', clock_timestamp(), 'epoch') - make_interval(hours => $2 - 1)
GROUP BY hour ORDER BY hour"""


class Unfit(Struct, frozen=True, kw_only=True):
    """Runs that ask for labels or programs which no executor of their queue has."""

    queue: str
    lane: str
    """What they ask for, see `domain.lanes`."""
    waiting: int
    """How many runs wait, up to `FAILED_COUNTED` + 1."""


class Overview(Struct, frozen=True, kw_only=True):
    """The state of the house."""

    failed: tuple[Run, ...]
    """Failed within 24 hours, be it in part, and not run again since, latest first; at most `SHOWN`."""
    failed_count: int
    """How many there are of these, up to `FAILED_COUNTED` + 1."""
    lost_executors: tuple[ExecutorView, ...]
    unserved_queues: tuple[QueueView, ...]
    """Queues in which runs wait, and that no executor serves."""
    paused_queues: tuple[QueueView, ...]
    """Paused queues in which runs wait."""
    unfit: tuple[Unfit, ...]
    """What waits for something that nobody has, in queues that are served."""
    running: tuple[Run, ...]
    """What runs now, latest first; at most `SHOWN`."""
    ended: tuple[Run, ...]
    """What ended last, latest first; at most `SHOWN`."""
    counts: dict[State, int]
    """Runs in each state, up to `run_list.COUNTED` + 1."""
    executors: tuple[ExecutorView, ...]
    slots: int
    slots_used: int


class Hour(Struct, frozen=True, kw_only=True):
    """How many runs ended in an hour."""

    start: datetime
    completed: int
    failed: int
    """In whole or in part."""
    cancelled: int


async def overview(db: Database, tenant: str) -> Overview:
    """Give everything but the throughput, which may take longer."""
    executors = await list_executors(db.pool, tenant)
    queues = await list_queues(db.pool, tenant)
    at_work = [executor for executor in executors if executor.state in ("live", "draining")]
    everywhere = any(executor.state == "live" and not executor.queues for executor in at_work)
    served = {name for executor in at_work if executor.state == "live" for name in executor.queues}
    waiting = [queue for queue in queues if queue.queued > 0]
    running = Filter(state=("running", "cancelling"))
    return Overview(
        failed=await _runs(db.pool, f"SELECT f.run_id, f.ended_at {_FAILED}", tenant),
        failed_count=await db.pool.fetchval(
            f"SELECT count(*) FROM (SELECT 1 {_FAILED} LIMIT $2) AS few", tenant, FAILED_COUNTED + 1
        ),
        lost_executors=tuple(executor for executor in executors if executor.state == "lost"),
        unserved_queues=tuple(q for q in waiting if not everywhere and q.name not in served),
        paused_queues=tuple(queue for queue in waiting if queue.paused),
        unfit=await unfit(db.pool, tenant, at_work),
        running=(await run_list.find(db, tenant, running, limit=SHOWN)).runs,
        ended=await _runs(db.pool, _ENDED, tenant),
        counts=await run_list.counts(db, tenant, Filter()),
        executors=executors,
        slots=sum(executor.slots for executor in at_work),
        slots_used=sum(executor.running for executor in at_work),
    )


async def unfit(
    pool: asyncpg.Pool, tenant: str, at_work: Sequence[ExecutorView]
) -> tuple[Unfit, ...]:
    """Give what waits for labels or programs that none of the executors at work has."""
    found = []
    for queue, lane, waiting in await pool.fetch(_LANES, tenant, FAILED_COUNTED + 1):
        there = [e for e in at_work if not e.queues or queue in e.queues]
        if there and not any(serves(offered(e.labels, e.programs), lane) for e in there):
            found.append(Unfit(queue=queue, lane=lane, waiting=waiting))
    return tuple(found)


async def throughput(pool: asyncpg.Pool, tenant: str, *, hours: int = 24) -> tuple[Hour, ...]:
    """Give what ended in each of the last hours, oldest first; hours without any are left out."""
    rows = await pool.fetch(_HOURS, tenant, hours)
    return tuple(
        Hour(start=row[0], completed=row[1], failed=row[2], cancelled=row[3]) for row in rows
    )


async def _runs(pool: asyncpg.Pool, found: str, tenant: str) -> tuple[Run, ...]:
    """Give the runs of a query for `run_id` and `ended_at`, the latest end first."""
    rows = await pool.fetch(
        f"SELECT r.state FROM (SELECT run_id, ended_at FROM ({found}) AS found "
        "ORDER BY ended_at DESC LIMIT $2) AS latest "
        "JOIN perdure.runs r USING (run_id) ORDER BY latest.ended_at DESC",
        tenant,
        SHOWN,
    )
    return tuple(decode_run(row[0]) for row in rows)
