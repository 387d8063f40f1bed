"""One action on many runs, over real PostgreSQL and NATS, the executor played."""

import pytest

from perdure_api.domain.bulk import Bulk
from perdure_api.domain.run_commands import Fail
from perdure_api.duties import Core
from perdure_api.projections import bulk as bulks
from perdure_contract import facts
from perdure_contract.objects import BulkView
from tests.support.api_core import (
    BY,
    PlayedExecutor,
    ended,
    read_run,
    request,
    request_many,
    request_one,
)
from tests.support.waiting import becomes

pytestmark = pytest.mark.asyncio
FAILED = ended("failed", failure=facts.Failure(reason="exit", message="exit code 1", exit_code=1))


async def failed_runs(core: Core, count: int) -> list[str]:
    """Make runs that were declared failed by hand."""
    await core.commands.pause_queue(BY, "still", None)
    runs = await request_many(core, [request(queue="still") for _ in range(count)])
    run_ids = [run.id for run in runs]
    for run_id in run_ids:
        await core.commands.act(BY, run_id, Fail(message="by hand"))
    return run_ids


async def restart_all(core: Core, run_ids: list[str], *, canary: bool = False) -> str:
    done = await core.commands.request_bulk(
        BY, "restart", run_ids, options={}, chosen_by=None, canary=canary
    )
    assert isinstance(done.result, Bulk)
    return done.result.id


async def finished(core: Core, bulk_id: str) -> BulkView:
    async def look() -> BulkView | None:
        view = await bulks.find(core.database, "default", bulk_id)
        return view if view is not None and view.state == "finished" else None

    found = await becomes(look)
    assert found is not None
    return found


async def test_a_preview_tells_what_would_be_refused_and_changes_nothing(core: Core) -> None:
    run_ids = await failed_runs(core, 3)
    queued = (await request_one(core, queue="still")).id
    before = core.writer.position
    preview = await bulks.preview(core.database, "default", "restart", [*run_ids, queued])
    assert preview.by_state == {"failed": 3, "queued": 1}
    assert [(r.state, r.count) for r in preview.refused] == [("queued", 1)]
    assert core.writer.position == before


async def test_every_run_has_an_outcome_under_one_correlation(core: Core) -> None:
    run_ids = await failed_runs(core, 450)
    queued = (await request_one(core, queue="still")).id
    bulk_id = await restart_all(core, [*run_ids, queued])
    view = await finished(core, bulk_id)
    assert (view.done, view.refused, view.left, view.why) == (450, 1, 0, "all-done")
    refused = await bulks.outcomes(core.database, view.id, after=0, limit=10, outcome="refused")
    assert [item.run for item in refused.items] == [queued]
    restarted = await core.database.pool.fetchval(
        "SELECT count(*) FROM perdure.events WHERE correlation_id = $1::text::uuid AND type = $2",
        view.id,
        facts.type_name(facts.RunRestarted),
    )
    assert restarted == 450


async def test_a_canary_that_fails_keeps_the_others_as_they_are(
    core: Core, executor: PlayedExecutor
) -> None:
    run_ids = await failed_runs(core, 5)
    await core.commands.resume_queue(BY, "still", None)
    bulk_id = await restart_all(core, run_ids, canary=True)
    grant = await executor.next_grant()
    assert grant.attempt.run == run_ids[0]
    await executor.report(grant.attempt, FAILED)
    view = await finished(core, bulk_id)
    assert (view.done, view.left, view.why) == (1, 4, "canary-failed")
    assert (await read_run(core, run_ids[1])).phase == "failed"


async def test_a_canary_that_passes_lets_the_others_follow(
    core: Core, executor: PlayedExecutor
) -> None:
    run_ids = await failed_runs(core, 5)
    await core.commands.resume_queue(BY, "still", None)
    bulk_id = await restart_all(core, run_ids, canary=True)
    grant = await executor.next_grant()
    await executor.report(grant.attempt, ended())
    view = await finished(core, bulk_id)
    assert (view.done, view.left) == (5, 0)


async def test_a_stopped_operation_leaves_the_rest(core: Core, executor: PlayedExecutor) -> None:
    run_ids = await failed_runs(core, 3)
    await core.commands.resume_queue(BY, "still", None)
    bulk_id = await restart_all(core, run_ids, canary=True)
    await executor.next_grant()
    await core.commands.stop_bulk(BY, bulk_id, "enough")
    view = await finished(core, bulk_id)
    assert (view.done, view.left, view.why) == (1, 2, "stopped")
