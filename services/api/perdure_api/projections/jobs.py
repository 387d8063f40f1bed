"""Saved jobs as they are now, and their revisions."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import asyncpg
import msgspec
from msgspec import Raw

from perdure_api.domain.job import Job
from perdure_api.errors import NotFoundError
from perdure_api.store.codec import decode
from perdure_api.store.event_log import read_stream
from perdure_api.store.rows import stream_row
from perdure_api.store.state import StreamRow
from perdure_contract.envelope import Event
from perdure_contract.facts import JobCreated, JobRevised
from perdure_contract.identifiers import job_stream
from perdure_contract.jobs import Change, JobDefinition, JobView, RevisionView

COLUMNS = "stream, tenant, version, first_position, last_position, state"

ONE = f"SELECT {COLUMNS} FROM perdure.streams WHERE stream = $1 AND tenant = $2"

SOME = f"SELECT {COLUMNS} FROM perdure.streams WHERE tenant = $1 AND stream = ANY($2::text[])"

LIST = f"""
SELECT {COLUMNS} FROM perdure.streams
WHERE stream LIKE 'job-%' AND stream > $2 AND tenant = $1
  AND NOT coalesce((state ->> 'deleted')::bool, false)
ORDER BY stream LIMIT $3"""

RECENT = """
SELECT j.job, r.run_id::text FROM unnest($2::text[]) AS j(job) CROSS JOIN LATERAL (
    SELECT v.run_id FROM perdure_views.run_list v WHERE v.tenant = $1 AND v.job = j.job
    ORDER BY v.created DESC LIMIT $3) r"""


async def recent_runs(
    pool: asyncpg.Pool, tenant: str, names: Sequence[str], count: int
) -> dict[str, list[str]]:
    """Give the ids of the last runs of each job, the newest first."""
    found: dict[str, list[str]] = {name: [] for name in names}
    for name, run in await pool.fetch(RECENT, tenant, list(names), count):
        found[name].append(run)
    return found


async def find_job(pool: asyncpg.Pool, tenant: str, name: str) -> tuple[StreamRow, Job]:
    """Give a job's row and state.

    Raises:
        NotFoundError: when there is none, or it was deleted.
    """
    row, job = await find_named(pool, tenant, name)
    if job.deleted:
        raise NotFoundError(name)
    return row, job


async def find_named(pool: asyncpg.Pool, tenant: str, name: str) -> tuple[StreamRow, Job]:
    """Give the row and state of a job that is there or was deleted.

    Raises:
        NotFoundError: when there never was one.
    """
    record = await pool.fetchrow(ONE, job_stream(name), tenant)
    row = None if record is None else stream_row(record)
    if row is None or not isinstance(row.state, Job):
        raise NotFoundError(name)
    return row, row.state


async def last_event(pool: asyncpg.Pool, row: StreamRow) -> Event:
    """Give what happened last to a job."""
    (event,) = await read_stream(
        pool,
        row.stream,
        first_position=row.last_position,
        last_position=row.last_position,
    )
    return event


async def jobs_by_name(pool: asyncpg.Pool, tenant: str, names: Collection[str]) -> dict[str, Job]:
    """Give those of some jobs that are there."""
    if not names:
        return {}
    streams = [job_stream(name) for name in names]
    states = [stream_row(record).state for record in await pool.fetch(SOME, tenant, streams)]
    return {job.name: job for job in states if isinstance(job, Job) and not job.deleted}


async def list_jobs(pool: asyncpg.Pool, tenant: str, *, after: str, limit: int) -> list[JobView]:
    """Give jobs by name, those behind `after`."""
    records = await pool.fetch(LIST, tenant, job_stream(after), limit)
    return [job_view(stream_row(record)) for record in records]


def job_view(row: StreamRow) -> JobView:
    """Show a job."""
    job = row.state
    if not isinstance(job, Job):
        raise NotFoundError(row.stream)
    made = job.definition
    return JobView(
        name=job.name,
        revision=job.revision,
        version=row.version,
        description=made.description,
        enabled=made.enabled,
        source=job.source,
        spec=made.spec,
        params=made.params,
        queue=made.queue,
        priority=made.priority,
        tags=made.tags,
        labels=made.labels,
        retry=made.retry,
        limits=made.limits,
    )


async def revisions(pool: asyncpg.Pool, row: StreamRow) -> list[RevisionView]:
    """Give every revision of a job, the newest first, each with what it changed."""
    events = await read_stream(
        pool, row.stream, first_position=row.first_position, last_position=row.last_position
    )
    found: list[RevisionView] = []
    before: JobDefinition | None = None
    for event in events:
        fact = decode(event.type, event.data)
        if not isinstance(fact, JobCreated | JobRevised):
            continue
        revised = fact if isinstance(fact, JobRevised) else None
        found.append(
            RevisionView(
                revision=fact.revision,
                at=event.time,
                actor=event.actor,
                source=fact.source,
                reason=revised.reason if revised else None,
                rolled_back_to=revised.rolled_back_to if revised else None,
                definition=fact.definition,
                changes=() if before is None else tuple(changes(before, fact.definition)),
            )
        )
        before = fact.definition
    return found[::-1]


def changes(before: JobDefinition, after: JobDefinition) -> Iterator[Change]:
    """Name every value that differs, by its JSON pointer."""
    yield from _differences(msgspec.to_builtins(before), msgspec.to_builtins(after), "")


def _differences(before: Any, after: Any, at: str) -> Iterator[Change]:  # noqa: ANN401 -- JSON
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            place = f"{at}/{str(key).replace('~', '~0').replace('/', '~1')}"
            yield from _differences(before.get(key), after.get(key), place)
    elif before != after:
        yield Change(pointer=at, before=_raw(before), after=_raw(after))


def _raw(value: object) -> Raw:
    return Raw(msgspec.json.encode(value))
