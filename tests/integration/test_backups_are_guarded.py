"""Backups on their way through the api: which executor gets them, whose host, after which dry run."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from perdure_api.domain.job import Job, request_of
from perdure_api.domain.jobs_file import JobsFile
from perdure_api.domain.run import Run
from perdure_api.domain.schedule import Schedule
from perdure_api.duties import Core
from perdure_api.errors import NotFoundError, Rejected
from perdure_api.intake.jobs_file import STATE, JobsFileWatch
from perdure_api.job_commands import Saved
from perdure_api.pages.backup_standing import backups_in_need
from perdure_api.projections.backups import backup_jobs
from perdure_api.projections.hosts import get_host, list_hosts
from perdure_api.projections.jobs import find_job
from perdure_api.projections.run_detail import find_run
from perdure_api.projections.why import why
from perdure_api.store import event_log
from perdure_api.store.rows import stream_row
from perdure_api.store.state import StreamRow
from perdure_contract.facts import Failure
from perdure_contract.jobs import JobDefinition, SchedulePlan
from perdure_contract.rsync.spec import RsyncOptions, RsyncSpec, SavedHost
from perdure_contract.specs import CommandSpec
from perdure_contract.triggers import IntervalTrigger
from tests.support.api_core import BY, PlayedExecutor, ended, request_one, run_reaches, running_core
from tests.support.stack import Database, NatsUrls

pytestmark = pytest.mark.asyncio

HAS_RSYNC = {"rsync": "3.5.0"}
DELETES = RsyncSpec(
    source="/data/photos/", destination="/backup/photos", options=RsyncOptions(delete=True)
)
HOST = SavedHost(
    address="backup.example.org",
    user="backup",
    key="/etc/keys/offsite",
    host_key="ssh-ed25519 " + "A" * 68,
    roots=("/srv",),
)
FILE = (
    "- id: photos\n  spec:\n    kind: rsync\n    source: /data/photos/\n"
    "    destination: /backup/photos\n    options: {delete: true}\n"
)


@pytest.fixture
async def core(database: Database, nats: NatsUrls) -> AsyncIterator[Core]:
    async with running_core(database.url, nats.api, backup_roots=("/data", "/backup")) as running:
        yield running


@pytest.fixture
async def executor(core: Core, nats: NatsUrls) -> AsyncIterator[PlayedExecutor]:
    played = await PlayedExecutor(nats.executor, "able").connect()
    await played.open(programs=HAS_RSYNC)
    yield played
    await played.close()


async def prove(core: Core, executor: PlayedExecutor, spec: RsyncSpec) -> None:
    """Have a dry run of a spec completed."""
    run = await request_one(core, spec=replace(spec, dry_run=True))
    grant = await executor.next_grant()
    assert grant.attempt.run == run.id
    await executor.report(grant.attempt, ended())
    await run_reaches(core, run.id, lambda r: r.phase == "completed")


async def needy(core: Core) -> list[tuple[str, str]]:
    """Give the backups that need someone, and how their host stands."""
    now = (await event_log.head(core.database.pool)).now
    found = await backups_in_need(core.database, "default", now)
    return [(backup.job.name, backup.host) for backup in found]


async def test_a_backup_waits_for_an_executor_with_rsync_and_says_so(
    core: Core, nats: NatsUrls
) -> None:
    without = await PlayedExecutor(nats.executor, "without").connect()
    await without.open()
    run = await request_one(core, spec=replace(DELETES, options=RsyncOptions()))
    found = await find_run(core.database, "default", run.id)
    assert found is not None
    said = await why(core.database, found)
    assert said.because[0].rule == "no-program"
    assert said.sentence == "None of the executors that could take it (1) has rsync."
    able = await PlayedExecutor(nats.executor, "able").connect()
    await able.open(programs=HAS_RSYNC)
    assert (await able.next_grant()).attempt.run == run.id
    assert without.heard.empty()
    for played in (without, able):
        await played.close()


async def test_what_deletes_needs_a_completed_dry_run_of_exactly_the_same(
    core: Core, executor: PlayedExecutor
) -> None:
    with pytest.raises(Rejected) as refused:
        await request_one(core, spec=DELETES)
    assert refused.value.rejection.code == "dry-run-needed"
    assert refused.value.rejection.errors[0].pointer == "/spec/options/delete"
    definition = JobDefinition(spec=DELETES)
    with pytest.raises(Rejected, match="dry run"):
        await core.jobs.create(BY, "photos", Saved(definition=definition))
    dry = await request_one(core, spec=replace(DELETES, dry_run=True))
    with pytest.raises(Rejected, match="dry run"):
        await request_one(core, spec=DELETES)
    grant = await executor.next_grant()
    await executor.report(grant.attempt, ended())
    await run_reaches(core, dry.id, lambda r: r.phase == "completed")
    assert (await request_one(core, spec=DELETES)).tries == 0
    await core.jobs.create(BY, "photos", Saved(definition=definition))
    others = replace(DELETES, options=RsyncOptions(delete=True, exclude=("*.tmp",)))
    with pytest.raises(Rejected, match="dry run"):
        await request_one(core, spec=others)
    with pytest.raises(Rejected, match="dry run"):
        await core.jobs.revise(BY, "photos", Saved(definition=JobDefinition(spec=others)))
    told = Saved(definition=replace(definition, description="The photos."))
    await core.jobs.revise(BY, "photos", told)


async def test_a_list_of_backups_has_room_for_backups_only(core: Core) -> None:
    alike = CommandSpec(argv=("true",), env={"kind": "rsync"})
    for name, spec in (("alike", alike), ("photos", replace(DELETES, options=RsyncOptions()))):
        await core.jobs.create(BY, name, Saved(definition=JobDefinition(spec=spec)))
    (only,) = await backup_jobs(core.database.pool, BY.tenant, limit=1)
    assert only.name == "photos"


async def test_the_jobs_file_meets_the_same_guard(
    core: Core, executor: PlayedExecutor, tmp_path: Path
) -> None:
    watch = JobsFileWatch(core.database, core.commands, tmp_path / "jobs.yaml")

    async def told() -> JobsFile:
        state = stream_row(await core.database.pool.fetchrow(STATE, "jobsfile-default")).state
        assert isinstance(state, JobsFile)
        return state

    await watch.load(FILE.encode())
    (fault,) = (await told()).faults
    assert (fault.line, "dry run" in fault.message) == (1, True)
    await watch.load(FILE.replace("/data/photos/", "/etc/").encode())
    assert "Must be inside" in (await told()).faults[0].message
    await watch.load(FILE.encode())
    await prove(core, executor, DELETES)
    await watch.load(FILE.encode())
    assert not (await told()).faults
    job = (await find_job(core.database.pool, "default", "photos"))[1]
    assert isinstance(job, Job)
    assert job.definition.spec == DELETES


async def test_a_saved_host_is_filled_in_when_an_attempt_is_granted(
    core: Core, executor: PlayedExecutor
) -> None:
    spec = RsyncSpec(source="/data/a/", destination="/srv/a", host="offsite")
    with pytest.raises(Rejected) as unknown:
        await request_one(core, spec=spec)
    assert unknown.value.rejection.code == "unknown-host"
    await core.hosts.save(BY, "offsite", HOST)
    await core.hosts.save(BY, "offsite", HOST)
    first = await request_one(core, spec=spec)
    granted = (await executor.next_grant()).request.spec
    assert isinstance(granted, RsyncSpec)
    assert granted.saved_host == HOST
    assert first.request.spec == spec
    outside = replace(spec, destination="/etc/a")
    with pytest.raises(Rejected) as refused:
        await request_one(core, spec=outside)
    assert refused.value.rejection.code == "outside-root"

    view = await get_host(core.database.pool, "default", "offsite")
    assert view is not None
    assert (view.version, view.address, view.port) == (1, "backup.example.org", 22)
    with pytest.raises(Rejected, match="changed while you looked"):
        await core.hosts.save(BY, "offsite", replace(HOST, port=2222), expected_version=9)
    await core.hosts.delete(BY, "offsite", "moved")
    assert await list_hosts(core.database.pool, "default") == ()
    with pytest.raises(NotFoundError):
        await core.hosts.delete(BY, "offsite", None)
    await core.hosts.save(BY, "offsite", HOST)
    assert len(await list_hosts(core.database.pool, "default")) == 1


async def test_a_proof_counts_for_the_machine_that_a_host_was_and_no_other(
    core: Core, executor: PlayedExecutor
) -> None:
    spec = replace(DELETES, destination="/srv/photos", host="offsite")
    await core.hosts.save(BY, "offsite", HOST)
    await prove(core, executor, spec)
    await core.jobs.create(BY, "photos", Saved(definition=JobDefinition(spec=spec)))
    _, job = await find_job(core.database.pool, "default", "photos")
    of_job = request_of(job, {})
    by_hand = await core.commands.request_run(BY, of_job)
    granted = await executor.next_grant()
    assert isinstance(by_hand.result, Run)
    assert (granted.attempt.run, granted.refused) == (by_hand.result.id, None)
    assert await needy(core) == []

    plan = SchedulePlan(job="photos", trigger=IntervalTrigger(hours=1))
    made = await core.schedules.create(BY, plan)
    assert isinstance(made.result, StreamRow)
    assert isinstance(made.result.state, Schedule)
    for moved in (
        replace(HOST, address="other.example.org"),
        replace(HOST, user="someone"),
        replace(HOST, port=2222),
        replace(HOST, key="/etc/keys/other"),
        replace(HOST, host_key="ssh-ed25519 " + "B" * 68),
    ):
        await core.hosts.save(BY, "offsite", moved)
        with pytest.raises(Rejected, match="offsite is not what it was") as refused:
            await core.commands.request_run(BY, of_job)
        assert refused.value.rejection.code == "dry-run-needed"
        await core.schedules.trigger(BY, made.result.state.id, "photos")
        granted = await executor.next_grant()
        assert "do a dry run again" in (granted.refused or "")
        failure = Failure(reason="rejected", message=granted.refused or "")
        await executor.report(granted.attempt, ended("failed", failure=failure))
        assert await needy(core) == [("photos", "changed")]
    await prove(core, executor, spec)
    assert await needy(core) == []
    await core.schedules.trigger(BY, made.result.state.id, "photos")
    assert (await executor.next_grant()).refused is None
    await core.hosts.save(BY, "offsite", replace(moved, roots=("/srv", "/more")))
    await core.commands.request_run(BY, of_job)
    assert (await executor.next_grant()).refused is None


async def test_a_dry_run_of_a_host_that_was_changed_before_its_start_proves_nothing(
    core: Core, nats: NatsUrls
) -> None:
    spec = replace(DELETES, destination="/srv/photos", host="offsite", dry_run=True)
    await core.hosts.save(BY, "offsite", HOST)
    await request_one(core, spec=spec)
    await core.hosts.save(BY, "offsite", replace(HOST, address="other.example.org"))
    late = await PlayedExecutor(nats.executor, "late").connect()
    await late.open(programs=HAS_RSYNC)
    assert "ask for another one" in ((await late.next_grant()).refused or "")
    await late.close()
