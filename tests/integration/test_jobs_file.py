"""The jobs file taken over: added, changed, paused, refused; what was made by hand is left alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from perdure_api.domain.job import Job
from perdure_api.domain.jobs_file import JobsFile
from perdure_api.duties import Core
from perdure_api.errors import Rejected
from perdure_api.intake.jobs_file import BY_HAND, STATE, JobsFileWatch
from perdure_api.job_commands import Saved
from perdure_api.projections.jobs import find_job, list_jobs
from perdure_api.projections.schedules import list_schedules
from perdure_api.store.rows import stream_row
from perdure_contract.jobs import JobDefinition, ScheduleView
from perdure_contract.specs import BatchSpec, CommandSpec
from tests.support.api_core import BY, running_core
from tests.support.stack import Database, NatsUrls
from tests.support.waiting import becomes

pytestmark = pytest.mark.asyncio

ONE = "- id: one\n  func: /bin/true\n  trigger: {type: cron, hour: 2}\n"
TWO = "- id: two\n  func: /bin/true\n  trigger: {type: interval, minutes: 5}\n"


@pytest.fixture
async def core(database: Database, nats: NatsUrls, tmp_path: Path) -> AsyncIterator[Core]:
    async with running_core(database.url, nats.api, backup_roots=(str(tmp_path),)) as running:
        yield running


@pytest.fixture
def watch(core: Core, tmp_path: Path) -> JobsFileWatch:
    return JobsFileWatch(core.database, core.commands, tmp_path / "jobs.yaml")


async def told(core: Core) -> JobsFile:
    state = stream_row(await core.database.pool.fetchrow(STATE, "jobsfile-default")).state
    assert isinstance(state, JobsFile)
    return state


async def schedule_of(core: Core, job: str) -> ScheduleView:
    (view,) = await list_schedules(core.database.pool, "default", job=job, after=None, limit=9)
    return view


async def job(core: Core, name: str) -> Job:
    return (await find_job(core.database.pool, "default", name))[1]


async def test_the_file_adds_changes_and_pauses_and_tells_so(
    core: Core, watch: JobsFileWatch
) -> None:
    await watch.load((ONE + TWO).encode())
    assert (await told(core)).added == ("one", "two")
    assert (await schedule_of(core, "one")).words == "Every day at 02:00, UTC"

    await watch.load((ONE.replace("hour: 2", "hour: 3") + TWO).encode())
    state = await told(core)
    assert (state.added, state.changed, state.unchanged) == ((), ("one",), 1)
    assert (await schedule_of(core, "one")).words == "Every day at 03:00, UTC"

    await watch.load(TWO.encode())
    assert (await told(core)).paused == ("one",)
    gone = await schedule_of(core, "one")
    assert (gone.enabled, gone.paused_reason) == (False, "Removed from the jobs file.")

    await watch.load((ONE + TWO + "\n").encode())
    assert (await schedule_of(core, "one")).enabled


async def test_a_file_with_a_fault_changes_nothing(core: Core, watch: JobsFileWatch) -> None:
    await watch.load(ONE.encode())
    await watch.load((TWO + ONE.replace("hour: 2", "hour: 25")).encode())
    state = await told(core)
    assert [(fault.line, fault.column) for fault in state.faults] == [(6, 31)]
    assert state.names == ("one",)
    assert [
        view.name for view in await list_jobs(core.database.pool, "default", after="", limit=9)
    ] == ["one"]


async def test_the_same_content_is_taken_over_once(core: Core, watch: JobsFileWatch) -> None:
    await asyncio.gather(*(watch.load(ONE.encode()) for _ in range(4)))
    loads = await core.database.pool.fetchval(
        "SELECT count(*) FROM perdure.events WHERE type = 'perdure.jobsfile.loaded.v1'"
    )
    assert loads == 1


async def test_what_was_made_by_hand_is_left_alone(core: Core, watch: JobsFileWatch) -> None:
    by_hand = JobDefinition(spec=CommandSpec(argv=("/bin/false",)))
    await core.jobs.create(BY, "one", Saved(definition=by_hand))
    await watch.load(ONE.encode())
    assert [fault.message for fault in (await told(core)).faults] == [BY_HAND]
    assert (await job(core, "one")).definition == by_hand
    await watch.load((ONE + "  replace_existing: true\n").encode())
    assert ((await job(core, "one")).source, (await told(core)).changed) == ("file", ("one",))


async def test_what_the_file_says_is_changed_in_the_file(core: Core, watch: JobsFileWatch) -> None:
    await watch.load(ONE.encode())
    with pytest.raises(Rejected) as refused:
        await core.jobs.delete(BY, "one", [])
    assert refused.value.rejection.code == "from-file"
    await watch.load(b"[]")
    await core.jobs.delete(BY, "one", [(await schedule_of(core, "one")).id])


async def test_an_entry_that_is_not_enabled_does_not_fire(core: Core, watch: JobsFileWatch) -> None:
    await watch.load((ONE + "  is_enabled: false\n").encode())
    assert not (await schedule_of(core, "one")).enabled
    await watch.load(ONE.encode())
    assert (await schedule_of(core, "one")).enabled


async def test_items_of_a_batch_are_read_with_the_file(
    core: Core, watch: JobsFileWatch, tmp_path: Path
) -> None:
    items = tmp_path / "towns.csv"
    each = "{kind: command, argv: [/bin/echo, '{town}']}"
    batch = f"- id: towns\n  spec: {{kind: batch, file: {items}, each: {each}}}\n"
    await watch.load(batch.encode())
    (fault,) = (await told(core)).faults
    assert (fault.line, fault.message) == (1, "/spec/file: No such file or directory.")

    items.write_text("town\nBonn\nUlm\n")
    await watch.load(batch.encode())
    spec = (await job(core, "towns")).definition.spec
    assert isinstance(spec, BatchSpec)
    assert spec.input is not None
    assert (spec.input.total, spec.input.fields) == (2, ("town",))

    await watch.load((batch + ONE).encode())
    assert ((await told(core)).added, (await told(core)).changed) == (("one",), ())
    items.write_text("town\nBonn\n")
    await watch.load((ONE + batch).encode())
    assert (await told(core)).changed == ("towns",)


async def test_a_changed_file_is_noticed(core: Core, watch: JobsFileWatch, tmp_path: Path) -> None:
    async def loaded(*names: str) -> bool:
        return (await told(core)).names == names

    watching = asyncio.ensure_future(watch.run())
    try:
        (tmp_path / "jobs.yaml").write_text(ONE)
        await becomes(lambda: loaded("one"))
        (tmp_path / "jobs.new").write_text(ONE + TWO)
        (tmp_path / "jobs.new").rename(tmp_path / "jobs.yaml")
        await becomes(lambda: loaded("one", "two"))
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
