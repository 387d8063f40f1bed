"""Jobs and schedules inside a batch: found, refused, begun and changed with their rows in step."""

from collections.abc import Sequence

from perdure_api.domain.callers import Caller
from perdure_api.domain.job import Job
from perdure_api.domain.jobs_file import JobsFile
from perdure_api.domain.parameters import checked
from perdure_api.domain.rejections import FieldError, Rejection, version_conflict
from perdure_api.domain.schedule import Schedule
from perdure_api.errors import NotFoundError, Rejected, invalid
from perdure_api.store.batch import Batch
from perdure_api.store.state import StreamRow
from perdure_contract.facts import ScheduleCreated, ScheduleFact
from perdure_contract.identifiers import job_stream, jobs_file_stream, schedule_stream
from perdure_contract.jobs import SchedulePlan, Source, Value
from perdure_contract.triggers import DateTrigger
from perdure_runtime.zone_rules import zone_rules

STORE_SCHEDULE = """
INSERT INTO perdure.schedules
    (schedule_id, tenant, job, enabled, next_fire_at, deleted, zone, zone_rules)
VALUES ($1::text::uuid, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (schedule_id) DO UPDATE
SET job = excluded.job, enabled = excluded.enabled, next_fire_at = excluded.next_fire_at,
    deleted = excluded.deleted, zone = excluded.zone, zone_rules = excluded.zone_rules"""


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
