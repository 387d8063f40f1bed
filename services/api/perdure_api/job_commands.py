"""The commands about saved jobs."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from perdure_api.commands import Commands
from perdure_api.domain import job as jobs
from perdure_api.domain import schedule as schedules
from perdure_api.domain.callers import Caller
from perdure_api.domain.job import Job
from perdure_api.domain.rejections import Rejection
from perdure_api.domain.schedule import Schedule
from perdure_api.errors import Rejected
from perdure_api.job_checks import SaveChecks
from perdure_api.once import Idempotency, StoredAnswer
from perdure_api.planning import (
    begin_schedule,
    change_schedule,
    check_params,
    own_job,
    refuse_endless_wait,
    refuse_of_file,
)
from perdure_api.store import inputs
from perdure_api.store.batch import Batch
from perdure_api.store.state import StreamRow
from perdure_api.store.work import Done, Work
from perdure_contract.facts import JobFact
from perdure_contract.identifiers import job_stream, jobs_file_stream, schedule_stream
from perdure_contract.jobs import JobDefinition, SchedulePlan, Source
from perdure_runtime.clock import new_id

Answer = Done[StreamRow | StoredAnswer]


class Saved(Struct, frozen=True, kw_only=True):
    """A definition to be saved: what it is, and where it comes from."""

    definition: JobDefinition
    source: Source = "api"


class JobCommands:
    """What can be asked for about saved jobs."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    async def create(
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

    async def revise(
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

    async def delete(
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
