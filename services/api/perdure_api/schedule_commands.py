"""The commands about the schedules of jobs."""

from collections.abc import Callable, Sequence
from datetime import datetime

from perdure_api.commands import Commands
from perdure_api.domain import schedule as schedules
from perdure_api.domain.callers import Caller
from perdure_api.domain.rejections import Rejection
from perdure_api.domain.run import Run
from perdure_api.domain.schedule import Schedule
from perdure_api.errors import Rejected
from perdure_api.firing import Firing
from perdure_api.once import Idempotency, StoredAnswer
from perdure_api.planning import (
    begin_schedule,
    change_schedule,
    check_params,
    own_schedule,
    refuse_endless_wait,
    refuse_of_file,
)
from perdure_api.store.batch import Batch
from perdure_api.store.state import StreamRow
from perdure_api.store.work import Done, Work
from perdure_contract.facts import ScheduleFact
from perdure_contract.identifiers import job_stream, jobs_file_stream, schedule_stream
from perdure_contract.jobs import SchedulePlan, Source
from perdure_runtime.clock import new_id

Answer = Done[StreamRow | StoredAnswer]


class ScheduleCommands:
    """What can be asked for about schedules."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    async def create(
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

    async def revise(
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

    async def pause(self, by: Caller, schedule_id: str, reason: str | None) -> Answer:
        """Let a schedule fire no more until it is resumed."""
        return await self._on_schedule(by, schedule_id, lambda s: schedules.pause(s, reason))

    async def resume(self, by: Caller, schedule_id: str, reason: str | None) -> Answer:
        """Let a paused schedule go on with the next fire time ahead."""
        return await self._on_schedule(by, schedule_id, lambda s: schedules.resume(s, reason))

    async def delete(self, by: Caller, schedule_id: str, reason: str | None = None) -> Answer:
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


def _job_gone() -> Rejection:
    return Rejection(code="wrong-state", message="The job of this schedule is not there any more.")
