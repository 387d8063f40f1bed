"""Schedules as they are now, and what became of their fire times."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg

from perdure_api.domain.schedule import Schedule
from perdure_api.domain.trigger_words import words
from perdure_api.errors import NotFoundError
from perdure_api.store.rows import stream_row
from perdure_api.store.state import StreamRow
from perdure_contract.jobs import FireView, ScheduleView
from perdure_runtime.clock import rfc3339

SCHEDULES = """
SELECT t.stream, t.tenant, t.version, t.first_position, t.last_position, t.state,
       s.next_fire_at, s.last_fire_at
FROM perdure.schedules s JOIN perdure.streams t ON t.stream = 'schedule-' || s.schedule_id
WHERE s.tenant = $1 AND NOT s.deleted"""

ONE = f"{SCHEDULES} AND s.schedule_id = $2::text::uuid"

LIST = f"""{SCHEDULES} AND ($2::text IS NULL OR s.job = $2)
AND ($3::text IS NULL OR s.schedule_id > $3::text::uuid) ORDER BY s.schedule_id LIMIT $4"""

OF_JOBS = f"{SCHEDULES} AND s.job = ANY($2::text[]) ORDER BY s.schedule_id LIMIT $3"

STATE = """
CASE WHEN NOT s.enabled THEN 'paused' WHEN s.next_fire_at IS NULL THEN 'over' ELSE 'active' END"""

FOUND = f"""{SCHEDULES} AND strpos(s.job, $2) > 0 AND ($3 = '' OR {STATE} = $3)
AND ($4::text IS NULL OR (s.job, s.schedule_id) > ($4, $5::text::uuid))
ORDER BY s.job, s.schedule_id LIMIT $6"""

COUNTS = f"""
SELECT {STATE}, count(*) FROM perdure.schedules s
WHERE s.tenant = $1 AND NOT s.deleted AND strpos(s.job, $2) > 0 GROUP BY 1"""

OF_A_JOB = """
SELECT schedule_id::text FROM perdure.schedules WHERE tenant = $1 AND job = $2 AND NOT deleted"""

FIRES = """
SELECT f.fire_at, f.since, f.count, f.outcome, f.why, f.run_id::text
FROM perdure.schedule_fires f
WHERE f.schedule_id = $1::text::uuid AND ($2::timestamptz IS NULL OR f.fire_at < $2)
  AND ($4 = '' OR f.outcome = $4)
ORDER BY f.fire_at DESC LIMIT $3"""

LATEST = """
SELECT i.id, f.fire_at, f.since, f.count, f.outcome, f.why, f.run_id::text
FROM unnest($1::text[]) AS i(id) CROSS JOIN LATERAL (
    SELECT * FROM perdure.schedule_fires f WHERE f.schedule_id = i.id::uuid
    ORDER BY f.fire_at DESC LIMIT $2) f"""


FIRES_AT = """
SELECT f.fire_at, f.since, f.count, f.outcome, f.why, f.run_id::text
FROM perdure.schedule_fires f
WHERE f.schedule_id = $1::text::uuid AND f.fire_at = ANY($2::timestamptz[]) ORDER BY f.fire_at"""


async def get_schedule(pool: asyncpg.Pool, tenant: str, schedule_id: str) -> ScheduleView:
    """Give one schedule.

    Raises:
        NotFoundError: when there is none, or it was deleted.
    """
    record = await pool.fetchrow(ONE, tenant, schedule_id)
    if record is None:
        raise NotFoundError(schedule_id)
    return _read(record)


async def find_schedule(
    pool: asyncpg.Pool, tenant: str, schedule_id: str
) -> tuple[StreamRow, Schedule]:
    """Give a schedule's row and state; raises as `get_schedule` does."""
    record = await pool.fetchrow(ONE, tenant, schedule_id)
    row = None if record is None else stream_row(record)
    if row is None or not isinstance(row.state, Schedule):
        raise NotFoundError(schedule_id)
    return row, row.state


async def list_schedules(
    pool: asyncpg.Pool, tenant: str, *, job: str | None, after: str | None, limit: int
) -> list[ScheduleView]:
    """Give schedules in the order they were made, of one job or of all."""
    return [_read(record) for record in await pool.fetch(LIST, tenant, job, after, limit)]


async def schedules_of_jobs(
    pool: asyncpg.Pool, tenant: str, jobs: Sequence[str], *, limit: int
) -> dict[str, list[ScheduleView]]:
    """Give the schedules of some jobs, each in the order they were made."""
    found: dict[str, list[ScheduleView]] = {job: [] for job in jobs}
    for record in await pool.fetch(OF_JOBS, tenant, list(jobs), limit):
        schedule = _read(record)
        found[schedule.job].append(schedule)
    return found


async def find_schedules(
    pool: asyncpg.Pool,
    tenant: str,
    *,
    q: str,
    state: str,
    after: tuple[str, str] | None,
    limit: int,
) -> list[ScheduleView]:
    """Give schedules by the names of their jobs.

    Args:
        pool: where they are.
        tenant: whose they are.
        q: part of the job's name; empty for any.
        state: `active`, `paused` or `over`; empty for any.
        after: job and id of the last one seen.
        limit: how many at most.
    """
    job, schedule_id = after or (None, None)
    records = await pool.fetch(FOUND, tenant, q, state, job, schedule_id, limit)
    return [_read(record) for record in records]


async def counts(pool: asyncpg.Pool, tenant: str, q: str) -> dict[str, int]:
    """Count the schedules whose job's name holds a text, by state."""
    return {row[0]: row[1] for row in await pool.fetch(COUNTS, tenant, q)}


async def schedules_of(pool: asyncpg.Pool, tenant: str, job: str) -> list[str]:
    """Give the ids of a job's schedules."""
    return [row[0] for row in await pool.fetch(OF_A_JOB, tenant, job)]


async def fires_of(
    pool: asyncpg.Pool, schedule_id: str, *, before: datetime | None, limit: int, outcome: str = ""
) -> list[FireView]:
    """Give what became of a schedule's fire times, the latest first; of one outcome or of all."""
    return [fire_view(row) for row in await pool.fetch(FIRES, schedule_id, before, limit, outcome)]


async def latest_fires(
    pool: asyncpg.Pool, schedule_ids: Sequence[str], count: int
) -> dict[str, list[FireView]]:
    """Give what became of the last few fire times of some schedules, the latest first."""
    found: dict[str, list[FireView]] = {schedule_id: [] for schedule_id in schedule_ids}
    for schedule_id, *fire in await pool.fetch(LATEST, list(schedule_ids), count):
        found[schedule_id].append(fire_view(fire))
    return found


async def fires_at(
    pool: asyncpg.Pool, schedule_id: str, times: Sequence[datetime]
) -> list[FireView]:
    """Give what became of some fire times, in order."""
    return [fire_view(row) for row in await pool.fetch(FIRES_AT, schedule_id, list(times))]


def fire_view(row: Sequence[Any]) -> FireView:
    """Show a row of fire_at, since, count, outcome, why and run."""
    fire_at, since, count, outcome, why, run = row
    return FireView(
        fire_at=rfc3339(since or fire_at),
        until=None if since is None else rfc3339(fire_at),
        count=count,
        outcome=outcome,
        why=why,
        run=run,
    )


def fresh_view(row: StreamRow) -> ScheduleView:
    """Show a schedule that was made this moment."""
    schedule = row.state
    if not isinstance(schedule, Schedule):
        raise NotFoundError(row.stream)
    return _view(row, schedule.next_fire(schedule.anchor), None)


def _read(record: asyncpg.Record) -> ScheduleView:
    return _view(stream_row(record), record["next_fire_at"], record["last_fire_at"])


def _view(
    row: StreamRow, next_fire_at: datetime | None, last_fire_at: datetime | None
) -> ScheduleView:
    if not isinstance(row.state, Schedule):
        raise NotFoundError(row.stream)
    schedule = row.state
    plan = schedule.plan
    return ScheduleView(
        id=schedule.id,
        job=plan.job,
        trigger=plan.trigger,
        timezone=plan.timezone,
        words=words(plan.trigger, plan.timezone),
        enabled=schedule.enabled,
        paused_reason=schedule.paused_reason,
        next_fire_at=_moment(next_fire_at),
        last_fire_at=_moment(last_fire_at),
        overlap=plan.overlap,
        misfire_grace_seconds=plan.misfire_grace_seconds,
        coalesce=plan.kept,
        catch_up_seconds=plan.catch_up_seconds,
        max_instances=plan.limit,
        params=plan.params,
        description=plan.description,
        source=schedule.source,
        version=row.version,
        created_at=rfc3339(schedule.anchor),
    )


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
