"""A run from its request to its outcome, over real PostgreSQL and NATS, the executor played."""

from datetime import datetime

import pytest

from perdure_api.domain.run_commands import Cancel, Hold, Release
from perdure_api.duties import Core
from perdure_api.errors import Rejected
from perdure_contract import facts, wire
from perdure_contract.identifiers import run_stream
from perdure_contract.specs import Limits, Retry
from tests.support.api_core import (
    BY,
    PlayedExecutor,
    ended,
    event_types,
    read_run,
    request,
    request_many,
    request_one,
    run_reaches,
    running_core,
)
from tests.support.stack import Database, NatsUrls

pytestmark = pytest.mark.asyncio


async def ask(core: Core, **fields: object) -> str:
    return (await request_one(core, **fields)).id


async def test_an_ordinary_run_has_three_events(core: Core, executor: PlayedExecutor) -> None:
    run_id = await ask(core)
    grant = await executor.next_grant()
    assert grant.attempt.run == run_id
    assert await executor.report(grant.attempt, ended()) == ("accepted",)
    assert await event_types(core, run_id) == ["requested", "attempt-started", "completed"]


async def test_a_report_heard_twice_counts_once(core: Core, executor: PlayedExecutor) -> None:
    run_id = await ask(core)
    grant = await executor.next_grant()
    await executor.report(grant.attempt, ended())
    assert await executor.report(grant.attempt, ended()) == ("duplicate",)
    assert await event_types(core, run_id) == ["requested", "attempt-started", "completed"]


async def test_a_failed_attempt_is_tried_again_and_the_late_one_is_refused(
    core: Core, executor: PlayedExecutor
) -> None:
    policy = Retry(max_attempts=2, initial_seconds=0)
    run_id = await ask(core, retry=policy)
    first = await executor.next_grant()
    failure = facts.Failure(reason="exit", message="exit code 1", exit_code=1)
    await executor.report(first.attempt, ended("failed", failure=failure))
    second = await executor.next_grant()
    assert second.attempt.number == 2
    stale = wire.Attempt(run=run_id, number=2, fence=1)
    assert await executor.report(stale, ended()) == ("refused",)
    await executor.report(second.attempt, ended("failed", failure=failure))
    assert await event_types(core, run_id) == [
        "requested",
        "attempt-started",
        "attempt-failed",
        "retry-scheduled",
        "attempt-started",
        "report-refused",
        "attempt-failed",
        "failed",
    ]


async def test_cancelling_a_running_run_tells_its_executor(
    core: Core, executor: PlayedExecutor
) -> None:
    run_id = await ask(core)
    grant = await executor.next_grant()
    await core.commands.act(BY, run_id, Cancel())
    said = await executor.heard.get()
    assert isinstance(said, wire.Cancel)
    assert not said.force
    await executor.report(grant.attempt, ended("cancelled"))
    assert (await read_run(core, run_id)).phase == "cancelled"


async def test_a_forced_cancel_closes_a_run_whose_executor_is_silent(
    core: Core, executor: PlayedExecutor
) -> None:
    run_id = await ask(core)
    grant = await executor.next_grant()
    await core.commands.act(BY, run_id, Cancel(force=True))
    run = await run_reaches(core, run_id, lambda run: run.is_final)
    assert run.phase == "cancelled"
    assert await executor.report(grant.attempt, ended()) == ("refused",)


async def test_a_grant_that_was_lost_is_sent_again_with_a_heartbeat(
    core: Core, executor: PlayedExecutor
) -> None:
    await ask(core)
    grant = await executor.next_grant()
    await core.database.pool.execute("SELECT pg_sleep(2.1)")
    beat = await executor.beat()
    assert beat.live
    assert (await executor.next_grant()).attempt == grant.attempt


async def test_an_executor_that_returns_without_an_attempt_loses_it(
    core: Core, executor: PlayedExecutor, nats: NatsUrls
) -> None:
    run_id = await ask(core, retry=Retry(max_attempts=2, initial_seconds=0))
    await executor.next_grant()
    again = await PlayedExecutor(nats.executor, "one").connect()
    await again.open(previous=executor.session)
    grant = await again.next_grant()
    assert grant.attempt.number == 2
    assert not (await executor.beat()).live
    assert (await event_types(core, run_id))[2:4] == ["attempt-lost", "retry-scheduled"]
    await again.close()


async def test_a_second_executor_of_the_same_name_is_refused(
    executor: PlayedExecutor, nats: NatsUrls
) -> None:
    again = await PlayedExecutor(nats.executor, executor.name).connect()
    answer = await again.open()
    assert answer.refused is not None
    await again.close()


async def test_a_silent_executor_loses_its_attempts_when_the_lease_ends(
    database: Database, nats: NatsUrls
) -> None:
    async with running_core(database.url, nats.api, lease_seconds=1) as core:
        played = await PlayedExecutor(nats.executor, "two").connect()
        await played.open()
        run_id = await ask(core)
        grant = await played.next_grant()
        run = await run_reaches(core, run_id, lambda run: run.is_final)
        assert run.failure is not None
        assert run.failure.reason == "lost"
        assert await played.report(grant.attempt, ended()) == ("refused",)
        await played.close()


async def test_a_run_that_allows_less_silence_than_others_is_looked_at_in_its_own_time(
    core: Core, nats: NatsUrls
) -> None:
    played = await PlayedExecutor(nats.executor, "four").connect()
    await played.open()
    run_id = await ask(core, limits=Limits(stuck_after_seconds=0.5))
    await played.next_grant()
    run = await run_reaches(core, run_id, lambda run: run.is_final)
    assert run.failure is not None
    assert run.failure.reason == "stuck"
    await played.close()


async def test_a_unique_key_is_held_until_the_run_ends(
    core: Core, executor: PlayedExecutor
) -> None:
    run_id = await ask(core, unique_key="nightly")
    with pytest.raises(Rejected) as refused:
        await ask(core, unique_key="nightly")
    assert refused.value.rejection.code == "already-running"
    assert refused.value.rejection.run == run_id
    grant = await executor.next_grant()
    await executor.report(grant.attempt, ended())
    await ask(core, unique_key="nightly")


async def test_a_queue_limit_holds_back_what_is_over_it(
    core: Core, executor: PlayedExecutor
) -> None:
    await core.commands.configure_queue(BY, "narrow", concurrency=1, rate_per_minute=None)
    first, second = [await ask(core, queue="narrow") for _ in range(2)]
    grant = await executor.next_grant()
    assert grant.attempt.run == first
    assert (await read_run(core, second)).phase == "pending"
    await executor.report(grant.attempt, ended())
    assert (await executor.next_grant()).attempt.run == second


async def commits(core: Core, run_id: str) -> dict[str, datetime]:
    """The time of each event of a run: events of one commit have the same."""
    rows = await core.database.pool.fetch(
        "SELECT type, time FROM perdure.events WHERE stream = $1", run_stream(run_id)
    )
    return {row[0].split(".")[2]: row[1] for row in rows}


async def test_a_free_seat_is_taken_in_the_commit_of_the_request_and_the_answer_comes_first(
    core: Core, executor: PlayedExecutor
) -> None:
    await ask(core)  # the first of a lane looks at its limits in a commit of its own
    await executor.next_grant()
    requested = await request_one(core)
    assert (requested.phase, requested.version) == ("pending", 1)
    grant = await executor.next_grant()
    assert grant.attempt.run == requested.id
    times = await commits(core, requested.id)
    assert times["requested"] == times["attempt-started"]
    stored = await read_run(core, requested.id)
    assert (stored.created, stored.created_at) == (requested.created, requested.created_at)


async def test_the_end_of_one_attempt_and_the_start_of_the_next_are_one_commit(
    core: Core, executor: PlayedExecutor
) -> None:
    await core.commands.configure_queue(BY, "default", concurrency=1, rate_per_minute=None)
    first, second = await ask(core), await ask(core)
    grant = await executor.next_grant()
    assert grant.attempt.run == first
    await executor.report(grant.attempt, ended())
    assert (await executor.next_grant()).attempt.run == second
    ends, starts = await commits(core, first), await commits(core, second)
    assert ends["completed"] == starts["attempt-started"]
    assert starts["requested"] < starts["attempt-started"]


async def test_a_held_run_starts_only_when_released(core: Core, executor: PlayedExecutor) -> None:
    await core.commands.pause_queue(BY, "slow", None)
    run_id = await ask(core, queue="slow")
    await core.commands.act(BY, run_id, Hold())
    await core.commands.resume_queue(BY, "slow", None)
    other = await ask(core, queue="slow")
    assert (await executor.next_grant()).attempt.run == other
    await core.commands.act(BY, run_id, Release())
    assert (await executor.next_grant()).attempt.run == run_id


async def test_labels_choose_the_executor(
    core: Core, executor: PlayedExecutor, nats: NatsUrls
) -> None:
    run_id = await ask(core, labels={"gpu": "yes"})
    plain = await ask(core)
    assert (await executor.next_grant()).attempt.run == plain
    labelled = await PlayedExecutor(nats.executor, "gpu").connect()
    await labelled.open(labels={"gpu": "yes"})
    assert (await labelled.next_grant()).attempt.run == run_id
    await labelled.close()


async def test_ten_thousand_runs_are_requested_in_one_transaction(core: Core) -> None:
    before = core.writer.position
    runs = await request_many(core, [request() for _ in range(10_000)])
    assert [run.position for run in runs] == list(range(before + 1, before + 10_001))
    stored = await core.database.pool.fetchval("SELECT count(*) FROM perdure.events")
    assert stored == core.writer.position


async def test_a_run_without_a_sign_of_life_ends_as_stuck(
    database: Database, nats: NatsUrls
) -> None:
    async with running_core(database.url, nats.api, stuck_after_seconds=1) as core:
        played = await PlayedExecutor(nats.executor, "three").connect()
        await played.open()
        run_id = await ask(core)
        grant = await played.next_grant()
        run = await run_reaches(core, run_id, lambda run: run.is_final)
        assert run.failure is not None
        assert run.failure.reason == "stuck"
        assert await played.heard.get() == wire.Revoke(attempt=grant.attempt)
        assert await played.report(grant.attempt, ended()) == ("refused",)
        await played.close()


async def test_a_request_is_stored_though_the_look_for_seats_fails(
    core: Core, executor: PlayedExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ask(core)
    await executor.next_grant()

    def breaks(*_: object) -> None:
        message = "a fault of ours"
        raise LookupError(message)

    monkeypatch.setattr("perdure_api.followers.dispatcher.admit", breaks)
    requested = await request_one(core)
    stored = await read_run(core, requested.id)
    assert stored.created == requested.created


async def test_a_waiting_run_that_cannot_be_read_keeps_no_other_from_starting(
    core: Core, executor: PlayedExecutor
) -> None:
    await ask(core)
    await executor.next_grant()
    await core.database.pool.execute(
        "UPDATE perdure.runs SET state = '{}' WHERE run_id = $1::text::uuid",
        await ask(core, queue="damaged", labels={"gpu": "none has it"}),
    )
    run_id = await ask(core)
    assert (await executor.next_grant()).attempt.run == run_id
