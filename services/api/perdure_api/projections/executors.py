"""Executors as the api last heard of them: their streams, their latest sessions, what they run."""

from typing import Final

import asyncpg

from perdure_api.domain.executor import Executor
from perdure_api.store.state import decode_stream_state
from perdure_contract.identifiers import executor_stream
from perdure_contract.objects import ExecutorView
from perdure_runtime.clock import rfc3339

_SELECT: Final = """
SELECT e.stream, e.state, s.last_seen, s.draining, (SELECT count(*) FROM perdure.runs r
    WHERE r.executor = s.executor AND r.phase IN ('running', 'cancelling')) AS running
FROM perdure.streams e
JOIN LATERAL (SELECT executor, last_seen, draining FROM perdure.sessions
    WHERE executor = substr(e.stream, 10) ORDER BY opened_at DESC LIMIT 1) AS s ON true"""

_ORDER: Final = {"live": 0, "draining": 1, "lost": 2, "left": 3}


async def list_executors(pool: asyncpg.Pool, tenant: str) -> tuple[ExecutorView, ...]:
    """Give every executor that ever joined: those at work first, then by name."""
    rows = await pool.fetch(f"{_SELECT} WHERE e.stream LIKE 'executor-%' AND e.tenant = $1", tenant)
    views = [_view(row) for row in rows]
    return tuple(sorted(views, key=lambda view: (_ORDER[view.state], view.name)))


async def get_executor(pool: asyncpg.Pool, tenant: str, name: str) -> ExecutorView | None:
    """Give one executor; None when none of this name ever joined."""
    row = await pool.fetchrow(
        f"{_SELECT} WHERE e.stream = $1 AND e.tenant = $2", executor_stream(name), tenant
    )
    return None if row is None else _view(row)


def _view(row: asyncpg.Record) -> ExecutorView:
    stream, state, last_seen, draining, running = row
    executor = decode_stream_state(stream, state)
    if not isinstance(executor, Executor):
        message = f"{stream} is not the stream of an executor"
        raise TypeError(message)
    return ExecutorView(
        name=executor.name,
        state="draining" if draining and executor.state == "live" else executor.state,
        labels=executor.labels,
        slots=executor.slots,
        running=running,
        queues=executor.queues,
        last_seen_at=rfc3339(last_seen),
        version=executor.program,
        programs=executor.programs,
    )
