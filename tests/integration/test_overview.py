"""What the first page reads: what ended last, what waits for something that nobody has."""

from collections.abc import AsyncIterator

import pytest

from perdure_api.duties import Core
from perdure_api.followers.projector import Projector
from perdure_api.projections import overview, run_list
from perdure_api.projections.run_list import RunList
from perdure_contract.rsync.spec import RsyncSpec
from tests.support.api_core import (
    PlayedExecutor,
    ended,
    request_one,
    run_reaches,
    running_core,
)
from tests.support.following import beside
from tests.support.stack import Database, NatsUrls

pytestmark = pytest.mark.integration


@pytest.fixture
async def core(database: Database, nats: NatsUrls) -> AsyncIterator[Core]:
    async with running_core(database.url, nats.api, backup_roots=("/data",)) as running:
        projector = Projector(database.url, [RunList()])
        running.writer.on_commit(lambda _commit: projector.wake())
        async with beside(projector.run()):
            yield running


async def seen(core: Core) -> overview.Overview:
    """Give the overview once all that was written is in it."""
    assert await run_list.wait_for(core.database, core.writer.position, seconds=30)
    return await overview.overview(core.database, "default")


async def test_what_ended_last_comes_first_whenever_it_was_asked_for(
    core: Core, executor: PlayedExecutor
) -> None:
    long, short = await request_one(core), await request_one(core)
    grants = {grant.attempt.run: grant for grant in [await executor.next_grant() for _ in "ab"]}
    for run in (short, long):
        await executor.report(grants[run.id].attempt, ended())
        await run_reaches(core, run.id, lambda r: r.phase == "completed")

    assert [run.id for run in (await seen(core)).ended] == [long.id, short.id]


async def test_a_backup_that_waits_for_a_slot_does_not_wait_for_rsync(
    core: Core, nats: NatsUrls
) -> None:
    able = await PlayedExecutor(nats.executor, "able").connect()
    await able.open(slots=1, programs={"rsync": "3.5.0"})
    await request_one(core)
    await able.next_grant()
    backup = RsyncSpec(source="/data/a/", destination="/data/b")
    await request_one(core, spec=backup)
    assert (await seen(core)).unfit == ()

    await request_one(core, spec=backup, labels={"gpu": "yes"})
    (unfit,) = (await seen(core)).unfit
    assert (unfit.lane, unfit.waiting) == (":rsync=yes,gpu=yes", 1)
    await able.close()
