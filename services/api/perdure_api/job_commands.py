"""The commands about saved jobs, their schedules and the jobs file."""

from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec import Struct

from perdure_api.commands import Commands
from perdure_api.domain import job as jobs
from perdure_api.domain import schedule as schedules
from perdure_api.domain.callers import Caller
from perdure_api.domain.job import Job
from perdure_api.domain.jobs_file import JobsFile
from perdure_api.domain.parameters import checked
from perdure_api.domain.rejections import FieldError, Rejection, version_conflict
from perdure_api.domain.run import Run
from perdure_api.domain.schedule import Schedule
from perdure_api.errors import NotFoundError, Rejected, invalid
from perdure_api.firing import Firing
from perdure_api.job_checks import SaveChecks
from perdure_api.once import Idempotency, StoredAnswer
from perdure_api.store import inputs
from perdure_api.store.batch import Batch
from perdure_api.store.state import StreamRow
from perdure_api.store.writer import Done, Work
from perdure_contract.facts import JobFact, ScheduleCreated, ScheduleFact
from perdure_contract.identifiers import job_stream, jobs_file_stream, schedule_stream
from perdure_contract.jobs import JobDefinition, SchedulePlan, Source, Value
from perdure_contract.triggers import DateTrigger
from perdure_runtime.clock import new_id
from perdure_runtime.zone_rules import zone_rules

STORE_SCHEDULE = """
INSERT INTO perdure.schedules
    (schedule_id, tenant, job, enabled, next_fire_at, deleted, zone, zone_rules)
VALUES ($1::text::uuid, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (schedule_id) DO UPDATE
SET job = excluded.job, enabled = excluded.enabled, next_fire_at = excluded.next_fire_at,
    deleted = excluded.deleted, zone = excluded.zone, zone_rules = excluded.zone_rules"""

Answer = Done[StreamRow | StoredAnswer]


class Saved(Struct, frozen=True, kw_only=True):
    """A definition to be saved: what it is, and where it comes from."""

    definition: JobDefinition
    source: Source = "api"


class JobCommands:
    """What can be asked for about jobs and schedules."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    # --- jobs --------------------------------------------------------------------------------

    async def create_job(
        self,
        by: Caller,
        name: str,
        saved: Saved,
        *,
        plan: SchedulePlan | None = None,
        idempotency: Idempotency | None = None,
    ) -> Answer:
        """Save a job under a free name, and have it run by the clock if a plan is given."""
        stream, schedule_id = job_stream(name), new_id()
        checks = self._checks(by, name, saved)

        def perform(batch: Batch) -> Callable[[], StreamRow]:
            checks.refuse()
            row = batch.streams.get(stream)
            known = row.state if row is not None and isinstance(row.state, Job) else None
            decided = jobs.create(known, name, saved.definition, saved.source)
            if isinstance(decided, Rejection):
                raise Rejected(decided)
            checks.save(batch, decided, by)
            if plan is not None:
                check_params(batch, by, plan)
                begin_schedule(batch, by, schedule_id, plan, enabled=True, source=saved.source)
                refuse_endless_wait(batch, schedule_id)
            return lambda: batch.streams[stream]

        work = Work(
            perform=perform, prepare=checks.prepare, streams=(stream, schedule_stream(schedule_id))
        )
        return await self._commands.submit(by, work, idempotency)

    async def revise_job(
        self,
        by: Caller,
        name: str,
        saved: Saved,
        *,
        expected_version: int | None = None,
        rolled_back_to: int | None = None,
        reason: str | None = None,
    ) -> Answer:
        """Give a job another definition; the same one changes nothing."""
        return await self._on_job(
            by,
            name,
            lambda job: jobs.revise(
                job,
                saved.definition,
                saved.source,
                rolled_back_to=rolled_back_to,
                reason=reason,
            ),
            expected_version,
            self._checks(by, name, saved),
        )

    async def delete_job(
        self,
        by: Caller,
        name: str,
        schedule_ids: Sequence[str],
        *,
        reason: str | None = None,
        expected_version: int | None = None,
    ) -> Answer:
        """Delete a job with its schedules; its runs stay."""
        stream = job_stream(name)

        def perform(batch: Batch) -> Callable[[], StreamRow]:
            job = own_job(batch, by, name, expected_version)
            refuse_of_file(batch, by, job, name)
            batch.append(stream, jobs.delete(job, reason), by)
            inputs.release(batch, name)
            for schedule_id in schedule_ids:
                row = batch.streams.get(schedule_stream(schedule_id))
                if row is not None and isinstance(row.state, Schedule) and not row.state.deleted:
                    change_schedule(batch, by, schedules.delete(row.state, reason))
            return lambda: batch.streams[stream]

        streams = (stream, jobs_file_stream(by.tenant), *map(schedule_stream, schedule_ids))
        return await self._commands.submit(by, Work(perform=perform, streams=streams))

    async def _on_job(
        self,
        by: Caller,
        name: str,
        decide: Callable[[Job], tuple[JobFact, ...]],
        expected_version: int | None,
        checks: SaveChecks,
    ) -> Answer:
        stream = job_stream(name)

        def perform(batch: Batch) -> Callable[[], StreamRow]:
            job = own_job(batch, by, name, expected_version)
            refuse_of_file(batch, by, job, name)
            checks.refuse(job.definition.spec)
            checks.save(batch, decide(job), by)
            return lambda: batch.streams[stream]

        streams = (stream, jobs_file_stream(by.tenant))
        work = Work(perform=perform, prepare=checks.prepare, streams=streams)
        return await self._commands.submit(by, work)

    def _checks(self, by: Caller, name: str, saved: Saved) -> SaveChecks:
        return SaveChecks(by.tenant, self._commands.backup_roots, name, saved.definition.spec)

    # --- schedules ---------------------------------------------------------------------------

    async def create_schedule(
        self,
        by: Caller,
        plan: SchedulePlan,
        *,
        enabled: bool = True,
        source: Source = "api",
        idempotency: Idempotency | None = None,
    ) -> Answer:
        """Have a job run by the clock."""
        schedule_id = new_id()
        stream = schedule_stream(schedule_id)

        def perform(batch: Batch) -> Callable[[], StreamRow]:
            check_params(batch, by, plan)
            begin_schedule(batch, by, schedule_id, plan, enabled=enabled, source=source)
            refuse_endless_wait(batch, schedule_id)
            return lambda: batch.streams[stream]

        work = Work(perform=perform, streams=(stream, job_stream(plan.job)))
        return await self._commands.submit(by, work, idempotency)

    async def revise_schedule(
        self,
        by: Caller,
        schedule_id: str,
        plan: SchedulePlan,
        *,
        enabled: bool,
        expected_version: int | None = None,
    ) -> Answer:
        """Give a schedule another plan; what it has fired is not fired again."""
        stream = schedule_stream(schedule_id)

        def perform(batch: Batch) -> Callable[[], StreamRow]:
            known = own_schedule(batch, by, schedule_id, expected_version)
            refuse_of_file(batch, by, known, known.plan.job)
            check_params(batch, by, plan)
            change_schedule(batch, by, schedules.revise(known, plan))
            after = own_schedule(batch, by, schedule_id)
            switch = schedules.resume if enabled else schedules.pause
            change_schedule(batch, by, switch(after, None))
            if plan.trigger != known.plan.trigger:
                refuse_endless_wait(batch, schedule_id)
            return lambda: batch.streams[stream]

        streams = (stream, job_stream(plan.job), jobs_file_stream(by.tenant))
        return await self._commands.submit(by, Work(perform=perform, streams=streams))

    async def pause_schedule(self, by: Caller, schedule_id: str, reason: str | None) -> Answer:
        """Let a schedule fire no more until it is resumed."""
        return await self._on_schedule(by, schedule_id, lambda s: schedules.pause(s, reason))

    async def resume_schedule(self, by: Caller, schedule_id: str, reason: str | None) -> Answer:
        """Let a paused schedule go on with the next fire time ahead."""
        return await self._on_schedule(by, schedule_id, lambda s: schedules.resume(s, reason))

    async def delete_schedule(
        self, by: Caller, schedule_id: str, reason: str | None = None
    ) -> Answer:
        """Let a schedule fire no more, for good; its runs stay."""
        stream = schedule_stream(schedule_id)

        def perform(batch: Batch) -> Callable[[], StreamRow]:
            known = own_schedule(batch, by, schedule_id)
            refuse_of_file(batch, by, known, known.plan.job)
            change_schedule(batch, by, schedules.delete(known, reason))
            return lambda: batch.streams[stream]

        streams = (stream, jobs_file_stream(by.tenant))
        return await self._commands.submit(by, Work(perform=perform, streams=streams))

    async def _on_schedule(
        self, by: Caller, schedule_id: str, decide: Callable[[Schedule], tuple[ScheduleFact, ...]]
    ) -> Answer:
        stream = schedule_stream(schedule_id)

        def perform(batch: Batch) -> Callable[[], StreamRow]:
            change_schedule(batch, by, decide(own_schedule(batch, by, schedule_id)))
            return lambda: batch.streams[stream]

        return await self._commands.submit(by, Work(perform=perform, streams=(stream,)))

    async def trigger(
        self, by: Caller, schedule_id: str, job: str, *, idempotency: Idempotency | None = None
    ) -> Done[Run | StoredAnswer]:
        """Fire a schedule now by hand, paused or not, beside its policies."""
        firing = Firing((schedule_id,))

        def perform(batch: Batch) -> Callable[[], Run]:
            firing.begin()
            known = own_schedule(batch, by, schedule_id)
            run_id = firing.fire_now(batch, known, by)
            if run_id is None:
                check_params(batch, by, known.plan)
                raise Rejected(_job_gone())
            firing.finish(batch)
            requested = batch.runs[run_id]
            return lambda: batch.placed(requested)

        streams = (schedule_stream(schedule_id), job_stream(job))
        work = Work(perform=perform, streams=streams, prepare=firing.prepare)
        return await self._commands.submit(by, work, idempotency)

    async def backfill(
        self, by: Caller, schedule_id: str, job: str, times: Sequence[datetime]
    ) -> Done[None]:
        """Fire a schedule for times of the past, but for those it has fired at."""
        firing = Firing((schedule_id,), times)

        def perform(batch: Batch) -> Callable[[], None]:
            firing.begin()
            firing.backfill(batch, own_schedule(batch, by, schedule_id), by)
            firing.finish(batch)
            return lambda: None

        streams = (schedule_stream(schedule_id), job_stream(job))
        work = Work(perform=perform, streams=streams, prepare=firing.prepare)
        done = await self._commands.submit(by, work)
        return Done(None, done.position)


def refuse_of_file(batch: Batch, by: Caller, known: Job | Schedule, job: str) -> None:
    """Refuse to change what the jobs file says now; the file alone changes that.

    Raises:
        Rejected: so.
    """
    file = batch.state(jobs_file_stream(by.tenant))
    if known.source == "file" and isinstance(file, JobsFile) and job in file.names:
        words = "It comes from the jobs file: change it there, or take it out of the file first."
        raise Rejected(Rejection(code="from-file", message=words))


def own_job(batch: Batch, by: Caller, name: str, expected_version: int | None = None) -> Job:
    """Give a job of the caller's tenant.

    Raises:
        NotFoundError: when there is none.
        Rejected: when it has another version than was expected.
    """
    row = batch.streams.get(job_stream(name))
    if row is None or row.tenant != by.tenant or not isinstance(row.state, Job):
        raise NotFoundError(name)
    if row.state.deleted:
        raise NotFoundError(name)
    _check_version(row, expected_version)
    return row.state


def own_schedule(
    batch: Batch, by: Caller, schedule_id: str, expected_version: int | None = None
) -> Schedule:
    """Give a schedule of the caller's tenant; raises as `own_job` does."""
    row = batch.streams.get(schedule_stream(schedule_id))
    if row is None or row.tenant != by.tenant or not isinstance(row.state, Schedule):
        raise NotFoundError(schedule_id)
    if row.state.deleted:
        raise NotFoundError(schedule_id)
    _check_version(row, expected_version)
    return row.state


def begin_schedule(
    batch: Batch,
    by: Caller,
    schedule_id: str,
    plan: SchedulePlan,
    *,
    enabled: bool,
    source: Source,
) -> None:
    """Begin a schedule, or begin a deleted one anew; an interval counts from the whole second."""
    fact = ScheduleCreated(
        schedule=schedule_id,
        plan=plan,
        anchor=batch.now.replace(microsecond=0),
        enabled=enabled,
        source=source,
    )
    change_schedule(batch, by, (fact,))


def change_schedule(batch: Batch, by: Caller, decided: Sequence[ScheduleFact]) -> None:
    """Append facts of one schedule, and keep its row in step."""
    if not decided:
        return
    schedule_id = decided[0].schedule
    stream = schedule_stream(schedule_id)
    batch.append(stream, decided, by)
    after = batch.state(stream)
    if isinstance(after, Schedule):
        batch.execute(
            STORE_SCHEDULE,
            schedule_id,
            by.tenant,
            after.plan.job,
            after.enabled,
            after.next_fire(batch.now),
            after.deleted,
            after.plan.timezone,
            zone_rules(after.plan.timezone),
        )


def refuse_endless_wait(batch: Batch, schedule_id: str) -> None:
    """Refuse a trigger that has no fire time ahead.

    Raises:
        Refused: so.
    """
    state = batch.state(schedule_stream(schedule_id))
    if isinstance(state, Schedule) and state.rule.next(batch.now) is None:
        if isinstance(state.plan.trigger, DateTrigger):
            raise invalid((FieldError("/trigger/run_at", "in-past", "This is in the past."),))
        raise invalid((FieldError("/trigger", "bad-cron", "Never happens."),))


def check_params(batch: Batch, by: Caller, plan: SchedulePlan) -> dict[str, Value]:
    """Give the values that a schedule's runs get.

    Raises:
        Refused: when there is no such job, or its parameters are not met.
    """
    try:
        job = own_job(batch, by, plan.job)
    except NotFoundError:
        words = "There is no job of this name."
        raise invalid((FieldError("/job", "unknown-job", words),)) from None
    values = checked(job.definition.params, plan.params)
    if isinstance(values, tuple):
        raise invalid(values)
    return values


def _check_version(row: StreamRow, expected: int | None) -> None:
    if expected is not None and expected != row.version:
        raise Rejected(version_conflict(state="there", current=row.version, expected=expected))


def _job_gone() -> Rejection:
    return Rejection(code="wrong-state", message="The job of this schedule is not there any more.")
