"""Backups over time: which jobs are backups, what became of them by day, the last that was good."""

from collections.abc import Sequence
from datetime import date
from typing import Final

import asyncpg
from msgspec import Struct

from perdure_api.domain.run import Run
from perdure_api.projections.jobs import COLUMNS, job_view
from perdure_api.projections.run_list import runs_of
from perdure_api.store.database import Database
from perdure_api.store.rows import stream_row
from perdure_contract.jobs import JobView

DAYS: Final = 30

# The text is looked at before it is read as JSON: of many jobs few are backups, and few others say the same.
_JOBS: Final = f"""
SELECT {COLUMNS} FROM perdure.streams
WHERE stream LIKE 'job-%' AND tenant = $1 AND state::text LIKE '%"kind":"rsync"%'
  AND state #>> '{{definition,spec,kind}}' = 'rsync'
  AND NOT coalesce((state ->> 'deleted')::bool, false)
ORDER BY stream LIMIT $2"""

_DAYS: Final = f"""
SELECT job, (created_at AT TIME ZONE 'UTC')::date, state, count(*)
FROM perdure_views.run_list
WHERE tenant = $1 AND job = ANY($2::text[]) AND kind = 'rsync'
  AND created > perdure.position_at(date_trunc('day', clock_timestamp(), 'UTC')
                                    - interval '{DAYS - 1} days')
GROUP BY 1, 2, 3"""

_LAST: Final = """
SELECT j.job, r.run_id::text
FROM unnest($2::text[]) AS j(job) CROSS JOIN LATERAL (
    SELECT run_id FROM perdure_views.run_list
    WHERE tenant = $1 AND job = j.job AND kind = 'rsync'
      AND ($3::text[] IS NULL OR state = ANY($3))
    ORDER BY created DESC LIMIT 1) r"""

GOOD: Final = ("completed", "partial")
"""A partial one is good: its spec says that files that could not be copied are accepted."""


class Day(Struct, frozen=True, kw_only=True):
    """How many runs of a backup began on a day and are in a state by now."""

    day: date
    """In UTC."""
    state: str
    count: int


async def backup_jobs(pool: asyncpg.Pool, tenant: str, *, limit: int) -> tuple[JobView, ...]:
    """Give the jobs that are backups, by name."""
    records = await pool.fetch(_JOBS, tenant, limit)
    return tuple(job_view(stream_row(record)) for record in records)


async def days_of(
    pool: asyncpg.Pool, tenant: str, jobs: Sequence[str]
) -> dict[str, tuple[Day, ...]]:
    """Give what became of backups by the day on which they were requested."""
    found: dict[str, list[Day]] = {job: [] for job in jobs}
    for job, day, state, count in await pool.fetch(_DAYS, tenant, list(jobs)):
        found[job].append(Day(day=day, state=state, count=count))
    return {job: tuple(days) for job, days in found.items()}


async def last_good(db: Database, tenant: str, jobs: Sequence[str]) -> dict[str, Run]:
    """Give the last good run of each backup that has one."""
    return await _last(db, tenant, jobs, GOOD)


async def last_run(db: Database, tenant: str, jobs: Sequence[str]) -> dict[str, Run]:
    """Give the last run of each backup that has one, whatever became of it."""
    return await _last(db, tenant, jobs, None)


async def _last(
    db: Database, tenant: str, jobs: Sequence[str], states: Sequence[str] | None
) -> dict[str, Run]:
    rows = await db.pool.fetch(_LAST, tenant, list(jobs), states)
    runs = {run.id: run for run in await runs_of(db, [row[1] for row in rows])}
    return {job: runs[run] for job, run in rows if run in runs}
