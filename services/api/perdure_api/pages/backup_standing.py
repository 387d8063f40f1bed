"""How backups stand: the last good one, the next, what is overdue, and thirty days in a strip."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from perdure_api.backups import HostStanding, hosts_of_jobs
from perdure_api.domain.overdue import overdue_since
from perdure_api.domain.run import Run
from perdure_api.pages.words import absolute, counted, moment, size
from perdure_api.projections import backups, schedules
from perdure_api.projections.backups import DAYS, Day
from perdure_api.store.database import Database
from perdure_contract.jobs import JobView, ScheduleView
from perdure_contract.rsync.spec import RsyncSpec

MOST: Final = 500
WORST_FIRST: Final = (
    "failed", "partial", "cancelled", "running", "cancelling", "retrying", "queued", "paused",
    "scheduled", "waiting", "completed",
)  # fmt: skip
"""Which state a day is shown by, when its runs are in several."""
HOST_TROUBLES: Final[dict[HostStanding, str]] = {
    "changed": "Its host was changed: a new dry run is needed.",
    "gone": "Its host is not saved any more.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCell:
    """One day of the strip."""

    day: date
    """The day, in UTC."""
    state: str
    """What it is shown as; empty when nothing ran."""
    words: str
    """What happened on it."""
    x: int
    """Left edge of its cell, 10 a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A backup and how it stands."""

    job: JobView
    """The job."""
    schedules: tuple[ScheduleView, ...]
    """When it is run."""
    cells: tuple[DayCell, ...]
    """The last thirty days, the oldest first."""
    strip_words: str
    """The strip in a sentence."""
    last_good: Run | None
    """The last good run; none when there never was one."""
    last: Run | None
    """The last run, whatever became of it."""
    next_at: str | None
    """The soonest fire time."""
    overdue_at: datetime | None
    """From when on it is overdue; none when it is not."""
    host: HostStanding
    """Whether it is refused because of its saved host: until another dry run, or another host."""

    @property
    def size(self) -> str:
        """How much the last good one holds; empty when that is not known."""
        metrics = {} if self.last_good is None else self.last_good.metrics
        total = metrics.get("total_bytes")
        return "" if total is None else size(int(total))

    @property
    def is_late(self) -> bool:
        """Whether being overdue is the worst that is to be said of it."""
        return self.host == "fits" and self.overdue_at is not None

    @property
    def trouble(self) -> str:
        """What is wrong with it, in words; empty when nothing is."""
        if self.host != "fits":
            return HOST_TROUBLES[self.host]
        if self.is_late:
            began = _began(self.last_good)
            if began is None:
                return "Overdue: there is no good backup yet."
            return f"Overdue: the last good backup is of {absolute(began)}."
        if self.last is not None and self.last.phase == "failed":
            return "The last run failed."
        return ""


async def standing_of(
    db: Database, tenant: str, jobs: Sequence[JobView], now: datetime
) -> tuple[Backup, ...]:
    """Tell how some backups stand."""
    names = [job.name for job in jobs]
    planned = await schedules.schedules_of_jobs(db.pool, tenant, names, limit=MOST)
    days = await backups.days_of(db.pool, tenant, names)
    good = await backups.last_good(db, tenant, names)
    last = await backups.last_run(db, tenant, names)
    hosts = await hosts_of_jobs(db.pool, tenant, _specs(jobs))
    cells = {job.name: strip(days[job.name], now.astimezone(UTC).date()) for job in jobs}
    return tuple(
        Backup(
            job=job,
            schedules=tuple(planned[job.name]),
            cells=cells[job.name],
            strip_words=strip_words(cells[job.name]),
            last_good=good.get(job.name),
            last=last.get(job.name),
            next_at=_next(planned[job.name]),
            overdue_at=overdue(job, planned[job.name], _began(good.get(job.name)), now),
            host=hosts.get(job.name, "fits"),
        )
        for job in jobs
    )


async def backups_in_need(db: Database, tenant: str, now: datetime) -> tuple[Backup, ...]:
    """Give the backups that are overdue, the longest first, then those that their host keeps waiting."""
    made = await backups.backup_jobs(db.pool, tenant, limit=MOST)
    names = [job.name for job in made]
    planned = await schedules.schedules_of_jobs(db.pool, tenant, names, limit=MOST)
    good = await backups.last_good(db, tenant, [name for name in names if planned[name]])
    hosts = await hosts_of_jobs(db.pool, tenant, _specs(made))
    needy = [
        job
        for job in made
        if overdue(job, planned[job.name], _began(good.get(job.name)), now) is not None
        or (hosts.get(job.name, "fits") != "fits" and wanted(job, planned[job.name]))
    ]
    rows = await standing_of(db, tenant, needy, now) if needy else ()
    return tuple(sorted(rows, key=lambda row: row.overdue_at or now))


def wanted(job: JobView, planned: Sequence[ScheduleView]) -> bool:
    """Tell whether a backup is meant to be run: it is enabled, and by hand or by a live schedule."""
    return job.enabled and (not planned or any(s.enabled for s in planned))


def _specs(jobs: Sequence[JobView]) -> dict[str, RsyncSpec]:
    return {job.name: job.spec for job in jobs if isinstance(job.spec, RsyncSpec)}


def _next(planned: Sequence[ScheduleView]) -> str | None:
    return min((s.next_fire_at for s in planned if s.next_fire_at is not None), default=None)


def overdue(
    job: JobView, planned: Sequence[ScheduleView], good: datetime | None, now: datetime
) -> datetime | None:
    """Tell from when on a backup is overdue; none when it is not, is not enabled or all is paused."""
    if not job.enabled:
        return None
    moments = (
        overdue_since(s.trigger, s.timezone, anchor=moment(s.created_at), last_good=good)
        for s in planned
        if s.enabled
    )
    return min((found for found in moments if found is not None and found <= now), default=None)


def strip(days: Sequence[Day], today: date) -> tuple[DayCell, ...]:
    """Give one cell for each of the last days, shown by the worst that happened on it."""
    cells = []
    for place in range(DAYS):
        day = today - timedelta(days=DAYS - 1 - place)
        found = sorted((d for d in days if d.day == day), key=lambda d: _rank(d.state))
        said = ", ".join(f"{d.count} {d.state}" for d in found) or "no run"
        state = found[0].state if found else ""
        cells.append(DayCell(day=day, state=state, words=f"{day}: {said}", x=place * 10))
    return tuple(cells)


def strip_words(cells: Sequence[DayCell]) -> str:
    """Give the strip in a sentence."""
    bad = sum(cell.state in ("failed", "partial", "cancelled") for cell in cells)
    good = sum(cell.state == "completed" for cell in cells)
    none = sum(not cell.state for cell in cells)
    return (
        f"Last {len(cells)} days: {counted(good, 'good day')}, "
        f"{counted(bad, 'day')} with trouble, {counted(none, 'day')} without a run"
    )


def _rank(state: str) -> int:
    return WORST_FIRST.index(state) if state in WORST_FIRST else len(WORST_FIRST)


def _began(run: Run | None) -> datetime | None:
    return None if run is None else run.started_at or run.created_at
