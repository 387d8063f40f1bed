"""Firing schedules inside a transaction of the writer: what is due, what waits, what is by hand.

The row of a schedule's stream is locked, so of several replicas one fires and the others find nothing
due. The key of `schedule_fires` and the run's id, both made of schedule and fire time alone, keep a
time from being fired twice whatever happens.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg
from msgspec import Struct
from msgspec.structs import replace

from perdure_api.commands import messages_after
from perdure_api.domain import misfire
from perdure_api.domain.callers import Caller
from perdure_api.domain.job import Job, request_of
from perdure_api.domain.misfire import Gone
from perdure_api.domain.parameters import checked
from perdure_api.domain.run_commands import Cancel
from perdure_api.domain.run_decisions import decide
from perdure_api.domain.schedule import Schedule
from perdure_api.domain.triggers import delay
from perdure_api.requesting import begin_request
from perdure_api.store.batch import Batch
from perdure_contract.facts import ScheduleFired, ScheduleMissed, ScheduleSkipped
from perdure_contract.identifiers import job_stream, schedule_stream
from perdure_contract.wire import Control
from perdure_runtime.zone_rules import zone_rules

Why = Literal["due", "caught-up", "waited", "triggered", "backfilled"]
LATE_SECONDS = 5.0
"""A fire time that is kept later than this was caught up."""

KNOWN = """
SELECT schedule_id::text, enabled, next_fire_at FROM perdure.schedules
WHERE schedule_id = ANY($1::text[]::uuid[])"""

WAITING = """
SELECT schedule_id::text, fire_at, why FROM perdure.schedule_fires
WHERE schedule_id = ANY($1::text[]::uuid[]) AND outcome = 'waiting' ORDER BY fire_at"""

OPEN = """
SELECT f.schedule_id::text, f.run_id::text, r.phase = 'final' FROM perdure.schedule_fires f
LEFT JOIN perdure.runs r ON r.run_id = f.run_id
WHERE f.schedule_id = ANY($1::text[]::uuid[]) AND f.open ORDER BY f.fire_at"""

TAKEN = """
SELECT f.schedule_id::text, f.fire_at FROM perdure.schedules s
JOIN perdure.schedule_fires f ON f.schedule_id = s.schedule_id
     AND (f.fire_at >= s.next_fire_at OR f.fire_at = ANY($2::timestamptz[]))
WHERE s.schedule_id = ANY($1::text[]::uuid[]) AND f.outcome IN ('fired', 'waiting')"""

# What became of a time long ago may be removed, its run is not.
RUN_BEFORE = """
SELECT run_id::text FROM perdure.runs WHERE run_id = ANY($1::text[]::uuid[])"""

NOTE_FIRES = """
INSERT INTO perdure.schedule_fires (schedule_id, fire_at, since, count, outcome, why, run_id, open)
SELECT a::uuid, b, c, d, e, f, g::uuid, e = 'fired'
FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::int[], $5::text[], $6::text[], $7::text[])
  AS u(a, b, c, d, e, f, g)
ON CONFLICT (schedule_id, fire_at) DO UPDATE
SET outcome = excluded.outcome, why = excluded.why, run_id = excluded.run_id, open = excluded.open,
    since = excluded.since, count = excluded.count
WHERE schedule_fires.outcome = 'waiting' OR excluded.outcome IN ('fired', 'waiting')"""

NOTE_ENDED = """
UPDATE perdure.schedule_fires SET open = false
WHERE schedule_id = ANY($1::text[]::uuid[]) AND open AND run_id = ANY($2::text[]::uuid[])"""

NOTE_NEXT = """
UPDATE perdure.schedules s
SET next_fire_at = u.b, last_fire_at = coalesce(u.c, s.last_fire_at), zone_rules = u.d
FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::text[]) AS u(a, b, c, d)
WHERE s.schedule_id = u.a::uuid"""


def run_id_for(schedule_id: str, fire_at: datetime) -> str:
    """Make the id of the run of a fire time: a UUIDv7 of that time, the same wherever it is made."""
    digest = hashlib.sha256(f"{schedule_id} {fire_at.isoformat()}".encode()).digest()
    milliseconds = int(fire_at.timestamp() * 1000)
    number = (milliseconds & ((1 << 48) - 1)) << 80 | int.from_bytes(digest[:10], "big")
    number = number & ~(0xF << 76) | 0x7 << 76
    return str(UUID(int=number & ~(0b11 << 62) | 0b10 << 62))


class Known(Struct):
    """What the rows tell about one schedule."""

    enabled: bool
    next_fire_at: datetime | None
    waiting: list[tuple[datetime, str]]
    active: list[str]
    """Runs of it that have not ended, oldest first."""
    ended: list[str]
    taken: set[datetime]


class Note(Struct, frozen=True):
    """A row of `schedule_fires` to be written."""

    schedule: str
    fire_at: datetime
    outcome: Literal["fired", "waiting", "skipped", "missed"]
    why: str
    run: str | None = None
    since: datetime | None = None
    count: int | None = 1


class Firing:
    """One transaction's firing, over some schedules."""

    def __init__(self, schedule_ids: Sequence[str], past: Sequence[datetime] = ()) -> None:
        self._ids = list(schedule_ids)
        self._past = list(past)
        self._known: dict[str, Known] = {}
        self._notes: list[Note] = []
        self._next: dict[str, tuple[datetime | None, datetime | None, str]] = {}
        self.told: list[tuple[str, Control]] = []
        """What executors must hear after the commit."""

    async def prepare(self, connection: asyncpg.Connection, _batch: Batch) -> None:
        """Read the rows; those of the streams are locked already."""
        self._known = {
            row[0]: Known(row[1], row[2], [], [], [], set())
            for row in await connection.fetch(KNOWN, self._ids)
        }
        for schedule, fire_at, why in await connection.fetch(WAITING, self._ids):
            self._known[schedule].waiting.append((fire_at, why))
        for schedule, run, final in await connection.fetch(OPEN, self._ids):
            known = self._known[schedule]
            (known.active if final is False else known.ended).append(run)
        for schedule, fire_at in await connection.fetch(TAKEN, self._ids, self._past):
            self._known[schedule].taken.add(fire_at)
        if self._past:
            times = {run_id_for(i, moment): (i, moment) for i in self._ids for moment in self._past}
            for (run,) in await connection.fetch(RUN_BEFORE, list(times)):
                schedule, moment = times[run]
                self._known[schedule].taken.add(moment)

    def begin(self) -> None:
        """Forget what an earlier try of the same transaction did."""
        self._notes.clear()
        self._next.clear()
        self.told.clear()

    def settle(self, batch: Batch, schedule_id: str) -> None:
        """Fire what has come due and what waits, as far as the schedule's policies let it."""
        known = self._known.get(schedule_id)
        row = batch.streams.get(schedule_stream(schedule_id))
        if known is None or row is None or not isinstance(row.state, Schedule):
            return
        schedule, by = row.state, Caller(actor=f"schedule:{schedule_id}", tenant=row.tenant)
        if not schedule.enabled or job_stream(schedule.plan.job) not in batch.streams:
            return
        kept: list[datetime] = []
        gone: list[Gone] = []
        if known.next_fire_at is not None and known.next_fire_at <= batch.now:
            found = misfire.due(schedule.rule, schedule.plan, known.next_fire_at, batch.now)
            kept = [moment for moment in found.kept if moment not in known.taken]
            gone.extend(found.gone)
            rules = zone_rules(schedule.plan.timezone)
            self._next[schedule_id] = (found.next, kept[-1] if kept else None, rules)
        self._admit(batch, schedule, by, misfire.Due(tuple(kept), tuple(gone), None))

    def backfill(self, batch: Batch, schedule: Schedule, by: Caller) -> None:
        """Fire times of the past that were not, as far as there is room; the others wait."""
        known = self._known[schedule.id]
        left = [moment for moment in self._past if moment not in known.taken]
        known.waiting = sorted([*known.waiting, *((moment, "backfilled") for moment in left)])
        self._admit(batch, schedule, by, misfire.Due((), (), None))

    def fire_now(self, batch: Batch, schedule: Schedule, by: Caller) -> str | None:
        """Fire by hand, beside all policies; give the run's id."""
        return self._start(batch, schedule, by, batch.now, "triggered")

    def finish(self, batch: Batch) -> None:
        """Write down what was done, in the same transaction."""
        if self._notes:
            columns = [
                [n.schedule for n in self._notes],
                [n.fire_at for n in self._notes],
                [n.since for n in self._notes],
                [n.count for n in self._notes],
                [n.outcome for n in self._notes],
                [n.why for n in self._notes],
                [n.run for n in self._notes],
            ]
            batch.execute(NOTE_FIRES, *columns)
        if ended := [run for known in self._known.values() for run in known.ended]:
            batch.execute(NOTE_ENDED, self._ids, ended)
        if self._next:
            following, fired, rules = map(list, zip(*self._next.values(), strict=True))
            batch.execute(NOTE_NEXT, list(self._next), following, fired, rules)

    def _admit(self, batch: Batch, schedule: Schedule, by: Caller, due: misfire.Due) -> None:
        known = self._known[schedule.id]
        reasons = dict(known.waiting)
        admitted = misfire.admit(schedule.plan, list(reasons), due.kept, len(known.active))
        for lost in (*due.gone, *admitted.gone):
            self._leave_out(batch, schedule, by, lost)
        for run in known.active[: admitted.cancel]:
            self._cancel(batch, by, run)
        for moment in admitted.start:
            late = (batch.now - moment).total_seconds()
            why: Why = "due" if late < LATE_SECONDS else "caught-up"
            if moment in reasons:
                why = "backfilled" if reasons[moment] == "backfilled" else "waited"
            self._start(batch, schedule, by, moment, why)
        for moment in admitted.wait:
            why_waiting = reasons.get(moment, "overlap")
            self._notes.append(Note(schedule.id, moment, "waiting", why_waiting))

    def _start(
        self, batch: Batch, schedule: Schedule, by: Caller, moment: datetime, why: Why
    ) -> str | None:
        job = batch.state(job_stream(schedule.plan.job))
        if not isinstance(job, Job) or job.deleted:
            self._skip(batch, schedule, by, moment, "job-missing")
            return None
        if not job.definition.enabled and why != "triggered":
            self._skip(batch, schedule, by, moment, "job-disabled")
            return None
        values = checked(job.definition.params, schedule.plan.params)
        if isinstance(values, tuple):
            self._skip(batch, schedule, by, moment, "bad-params")
            return None
        run_id = run_id_for(schedule.id, moment)
        request = request_of(job, values)
        later = moment + delay(schedule.plan.trigger, schedule.id, moment)
        if why == "due" and later > batch.now:
            request = replace(request, run_at=later)
        begin_request(batch, by, run_id, request)
        fact = ScheduleFired(
            schedule=schedule.id,
            fire_at=moment,
            job=job.name,
            run=run_id,
            why=why,
            late_seconds=round((batch.now - moment).total_seconds(), 3),
        )
        batch.append(schedule_stream(schedule.id), (fact,), by, correlation=run_id)
        self._notes.append(Note(schedule.id, moment, "fired", why, run_id))
        return run_id

    def _skip(
        self,
        batch: Batch,
        schedule: Schedule,
        by: Caller,
        moment: datetime,
        why: Literal["job-missing", "job-disabled", "bad-params"],
    ) -> None:
        fact = ScheduleSkipped(schedule=schedule.id, fire_at=moment, until=moment, count=1, why=why)
        batch.append(schedule_stream(schedule.id), (fact,), by)
        self._notes.append(Note(schedule.id, moment, "skipped", why))

    def _leave_out(self, batch: Batch, schedule: Schedule, by: Caller, gone: Gone) -> None:
        fields = {
            "schedule": schedule.id, "fire_at": gone.first, "until": gone.last,
            "count": gone.count, "why": gone.why,
        }  # fmt: skip
        fact = ScheduleMissed(**fields) if gone.is_missed else ScheduleSkipped(**fields)  # type: ignore[arg-type]  # is_missed tells which words
        batch.append(schedule_stream(schedule.id), (fact,), by)
        outcome: Literal["missed", "skipped"] = "missed" if gone.is_missed else "skipped"
        since = gone.first if gone.first != gone.last else None
        self._notes.append(Note(schedule.id, gone.last, outcome, gone.why, None, since, gone.count))

    def _cancel(self, batch: Batch, by: Caller, run_id: str) -> None:
        before = batch.run(run_id)
        if before is None:
            return
        decided = decide(before, Cancel(reason="Its schedule fired again."), batch.now)
        if isinstance(decided, tuple):
            after = batch.append_run(before, decided, by)
            self.told.extend(messages_after(before, after))
