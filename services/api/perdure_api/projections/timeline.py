"""What ran, was left out and is to come between two moments: for one axis, so every part is bounded."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg
from msgspec import Struct

from perdure_api.domain.run import Run
from perdure_api.domain.schedule import Schedule
from perdure_api.projections import run_list
from perdure_api.projections.run_list import Filter
from perdure_api.projections.schedules import fire_view
from perdure_api.store.database import Database
from perdure_api.store.rows import stream_row
from perdure_contract.jobs import FireView

MOST_RUNS: Final = 500
MOST_LEFT_OUT: Final = 2000
"""Fire times that started nothing: of those that were missed, and of those that were skipped."""
MOST_SCHEDULES: Final = 100
MOST_PLANNED: Final = 300
"""Fire times ahead, over all schedules."""
STRETCHES: Final = 46
"""Into so many pieces the time is cut where fire times ahead are too close to be told apart."""

# Of each stretch one row for all of a kind, so that what is left out all the time does not hide the
# rare. What was skipped is bounded by itself, so that it does not hide what was missed.
LEFT_OUT: Final = """
WITH found AS (
    (SELECT * FROM perdure.schedule_fires
     WHERE outcome IN ('missed', 'waiting') AND fire_at >= $2 AND coalesce(since, fire_at) < $3
     ORDER BY fire_at DESC LIMIT $6)
    UNION ALL
    (SELECT * FROM perdure.schedule_fires
     WHERE outcome = 'skipped' AND fire_at >= $2 AND coalesce(since, fire_at) < $3
     ORDER BY fire_at DESC LIMIT $6)
)
SELECT s.job, CASE WHEN bool_or(s.deleted) THEN NULL ELSE s.schedule_id::text END, max(f.fire_at),
       nullif(min(coalesce(f.since, f.fire_at)), max(f.fire_at)),
       sum(coalesce(f.count, 1))::int, f.outcome, f.why, NULL::text,
       (SELECT count(*) FROM found) AS read
FROM found f JOIN perdure.schedules s USING (schedule_id)
WHERE s.tenant = $1 AND ($4::text IS NULL OR s.job = $4)
GROUP BY s.job, s.schedule_id, f.outcome, f.why, date_bin($5::interval, f.fire_at, $2)
ORDER BY 3 DESC LIMIT $7"""

COMING: Final = """
SELECT t.stream, t.tenant, t.version, t.first_position, t.last_position, t.state, s.next_fire_at
FROM perdure.schedules s JOIN perdure.streams t ON t.stream = 'schedule-' || s.schedule_id
WHERE s.tenant = $1 AND s.enabled AND s.next_fire_at < $2 AND ($3::text IS NULL OR s.job = $3)
ORDER BY s.next_fire_at LIMIT $4"""


class LeftOut(Struct, frozen=True):
    """A fire time that started nothing, or waits."""

    job: str
    schedule: str | None
    """None when it was deleted since."""
    fire: FireView


class Planned(Struct, frozen=True):
    """A fire time ahead, and whether more of the same schedule follow in the same stretch."""

    job: str
    schedule: str
    at: datetime
    more: bool


class Window(Struct, frozen=True, kw_only=True):
    """Everything between two moments; a list that is as long as it may be was cut."""

    runs: tuple[Run, ...]
    """The newest first."""
    left_out: tuple[LeftOut, ...]
    """The latest first."""
    planned: tuple[Planned, ...]
    cut: tuple[str, ...]
    """Of what there is more than was read: `runs`, `left-out`, `planned`."""


async def window(
    db: Database, tenant: str, begin: datetime, end: datetime, *, job: str | None, now: datetime
) -> Window:
    """Read what lies between two moments, of one job or of all."""
    jobs = (job,) if job is not None else ()
    # Those that were asked for a while before may have run within.
    since = begin - (end - begin) / 2
    found = await run_list.find(
        db, tenant, Filter(job=jobs, since=since, until=end), limit=MOST_RUNS
    )
    still = await run_list.find(
        db, tenant, Filter(job=jobs, state=("running", "cancelling"), until=since), limit=MOST_RUNS
    )
    stretch = (end - begin) / STRETCHES
    rows = await db.pool.fetch(LEFT_OUT, tenant, begin, end, job, stretch, MOST_LEFT_OUT, MOST_RUNS)
    ahead = _Ahead(now, end, stretch)
    planned, is_cut = await _planned(db.pool, tenant, ahead, job)
    cuts = {
        "runs": found.next or still.next,
        "left-out": bool(rows) and (rows[0]["read"] >= MOST_LEFT_OUT or len(rows) == MOST_RUNS),
        "planned": is_cut,
    }
    return Window(
        runs=(*found.runs, *still.runs),
        left_out=tuple(LeftOut(row[0], row[1], fire_view(row[2:8])) for row in rows),
        planned=planned,
        cut=tuple(name for name, is_so in cuts.items() if is_so),
    )


class _Ahead(Struct, frozen=True):
    """The time that is planned for, and the stretch within which one fire time stands for all."""

    now: datetime
    end: datetime
    stretch: timedelta


async def _planned(
    pool: asyncpg.Pool, tenant: str, ahead: _Ahead, job: str | None
) -> tuple[tuple[Planned, ...], bool]:
    if ahead.end <= ahead.now:
        return (), False
    rows = await pool.fetch(COMING, tenant, ahead.end, job, MOST_SCHEDULES + 1)
    states = [state for row in rows if isinstance(state := stream_row(row).state, Schedule)]
    share = max(1, MOST_PLANNED // max(1, min(len(states), MOST_SCHEDULES)))
    found: list[Planned] = []
    is_cut = len(rows) > MOST_SCHEDULES
    for schedule in states[:MOST_SCHEDULES]:
        own = _fires(schedule, ahead, share)
        found += own
        is_cut = is_cut or len(own) == share
    return tuple(found), is_cut


def _fires(schedule: Schedule, ahead: _Ahead, most: int) -> Sequence[Planned]:
    """Give one fire time for each stretch in which there are any."""
    found: list[Planned] = []
    moment = schedule.next_fire(ahead.now)
    while moment is not None and moment < ahead.end and len(found) < most:
        following = schedule.next_fire(moment)
        leap = moment + ahead.stretch
        more = following is not None and following < leap
        found.append(Planned(schedule.plan.job, schedule.id, moment, more))
        moment = schedule.next_fire(leap - timedelta(microseconds=1)) if more else following
    return found
