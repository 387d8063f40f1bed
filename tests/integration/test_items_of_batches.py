"""Batches over real PostgreSQL and NATS, the executor played: what is done, kept and done again."""

import io
from collections.abc import AsyncIterator

import asyncpg
import msgspec
import pytest

from perdure_api.domain.run import Run
from perdure_api.domain.run_commands import Delete, Restart, Resume, RetryItems
from perdure_api.duties import Core
from perdure_api.errors import Rejected
from perdure_api.followers.unused_inputs import UnusedInputs
from perdure_api.kinds.input_lines import BadInputError, read_items
from perdure_api.projections import item_search
from perdure_api.projections.items import ItemOutcome, items_csv, items_page
from perdure_api.store.inputs import known, stage
from perdure_contract import facts, subjects, wire
from perdure_contract.items import ItemCounts
from perdure_contract.objects import ItemView
from tests.support.api_core import (
    BY,
    PlayedExecutor,
    ended,
    event_types,
    read_run,
    request_one,
    run_reaches,
    running_core,
)
from tests.support.batches import batch_of, done, failed, recorded, rows_of, to_do
from tests.support.checker import checked
from tests.support.stack import Database, NatsUrls

pytestmark = pytest.mark.asyncio
ELEVEN = (3, 17, 18, 40, 77, 100, 101, 150, 199, 200, 228)


@pytest.fixture
async def core(module_database: Database, nats: NatsUrls) -> AsyncIterator[Core]:
    async with running_core(module_database.url, nats.api) as running:
        yield running


@pytest.fixture
async def executor(core: Core, nats: NatsUrls) -> AsyncIterator[PlayedExecutor]:
    played = await PlayedExecutor(nats.executor, "one").connect()
    await played.open()
    yield played
    await played.beat(leaving=True)
    await played.close()


async def act(core: Core, run_id: str, command: object, **options: object) -> Run:
    acted = await core.commands.act(BY, run_id, command, **options)  # type: ignore[arg-type]
    assert isinstance(acted.result, Run)
    return acted.result


async def until_228(core: Core, executor: PlayedExecutor) -> tuple[str, wire.Attempt]:
    """A batch of 313 whose first 228 items have an outcome, 11 of them failed."""
    run_id = (await request_one(core, spec=batch_of(313))).id
    attempt = (await executor.next_grant()).attempt
    assert [item.ordinal for item in await to_do(executor, attempt)] == list(range(1, 314))
    for number, first in enumerate(range(1, 229, 57), 1):
        ordinals = range(first, first + 57)
        outcomes = [
            *done(*(n for n in ordinals if n not in ELEVEN)),
            *failed(*(n for n in ordinals if n in ELEVEN)),
        ]
        said = recorded(number, outcomes, begun=(first + 57,))
        assert await executor.report(attempt, said) == ("accepted",)
    return run_id, attempt


async def test_what_was_lost_at_228_goes_on_with_229_and_the_eleven_wait_to_be_asked_for(
    core: Core, executor: PlayedExecutor, module_database: Database
) -> None:
    run_id, attempt = await until_228(core, executor)
    failure = facts.Failure(reason="timeout", message="too long")
    await executor.report(attempt, ended("failed", failure=failure))
    run = await read_run(core, run_id)
    assert (run.phase, run.settled) == ("failed", 228)
    assert run.items == ItemCounts(total=313, done=217, failed=11)
    assert run.checkpoint is not None
    assert run.checkpoint.cursor == 228
    assert (await rows_of(core, run_id))[229] == (None, 0, 1)

    await act(core, run_id, Resume())
    grant = await executor.next_grant()
    assert grant.items_done == 228
    rest = await to_do(executor, grant.attempt)
    assert [item.ordinal for item in rest] == list(range(229, 314))
    assert (rest[0].value, rest[0].key, rest[0].begun) == (229, "229", 1)
    said = recorded(grant.first_checkpoint_number, done(*range(229, 314)))
    await executor.report(grant.attempt, said, ended())
    run = await read_run(core, run_id)
    assert (run.phase, run.items) == ("partial", ItemCounts(total=313, done=302, failed=11))

    await act(core, run_id, RetryItems())
    grant = await executor.next_grant()
    assert tuple(item.ordinal for item in await to_do(executor, grant.attempt)) == ELEVEN
    said = recorded(grant.first_checkpoint_number, done(*ELEVEN))
    await executor.report(grant.attempt, said, ended())
    run = await read_run(core, run_id)
    assert (run.phase, run.items) == ("completed", ItemCounts(total=313, done=313))
    assert run.settled == 313
    assert (await rows_of(core, run_id))[3] == ("done", 2, 0)
    happened = await event_types(core, run_id)
    assert happened[:4] == ["requested", "items-planned", "attempt-started", "items-recorded"]
    assert happened[-4:] == ["attempt-started", "items-recorded", "checkpointed", "completed"]
    await checked(module_database.url)


async def test_an_outcome_counts_once_whoever_repeats_it(
    core: Core, executor: PlayedExecutor
) -> None:
    run_id = (await request_one(core, spec=batch_of(20))).id
    attempt = (await executor.next_grant()).attempt
    first = recorded(1, done(1, 2, 4, 5))
    assert await executor.report(attempt, first) == ("accepted",)
    assert (await read_run(core, run_id)).settled == 2
    assert await executor.report(attempt, first) == ("duplicate",)
    # Another report with items that are known, one twice, and two that there are not.
    said = recorded(2, [*failed(1, 4), *done(3, 3, 99, 0), *failed(7)])
    assert await executor.report(attempt, said, recorded(3, done(6))) == ("accepted",) * 2
    run = await read_run(core, run_id)
    assert run.items == ItemCounts(total=20, done=6, failed=1)
    assert run.settled == 7
    stranger = wire.Attempt(run=run_id, number=1, fence=attempt.fence - 1)
    assert await executor.report(stranger, recorded(4, done(8))) == ("refused",)
    page = (await executor.ask(subjects.ITEMS, wire.FetchItems(attempt=stranger))).items
    assert page is not None
    assert page.gone
    await executor.report(attempt, ended())


async def test_what_fails_without_a_try_is_passed_over_until_it_is_asked_for(
    core: Core, executor: PlayedExecutor
) -> None:
    run_id = (await request_one(core, spec=batch_of(3))).id
    attempt = (await executor.next_grant()).attempt
    broke = done(2, outcome="failed", error="begun in 3 attempts", tries=0)
    assert await executor.report(attempt, recorded(1, [*failed(1), *broke, *done(3)]), ended())

    async def passed_over() -> list[int]:
        page = await items_page(core.database.pool, await read_run(core, run_id))
        return [item.ordinal for item in page.items if item.passed_over]

    assert await passed_over() == [2]
    await act(core, run_id, RetryItems())
    assert await passed_over() == []
    grant = await executor.next_grant()
    await executor.report(grant.attempt, recorded(grant.first_checkpoint_number, failed(2)))
    assert await passed_over() == []
    await executor.report(grant.attempt, ended("failed"))


async def test_an_older_checkpoint_forgets_what_came_after_it(
    core: Core, executor: PlayedExecutor
) -> None:
    run_id, attempt = await until_228(core, executor)
    await executor.report(attempt, ended("failed"))
    await act(core, run_id, Resume(checkpoint=2))
    run = await read_run(core, run_id)
    assert (run.items, run.settled) == (ItemCounts(total=313, done=107, failed=7), 114)
    grant = await executor.next_grant()
    assert (await to_do(executor, grant.attempt))[0].ordinal == 115
    await executor.report(grant.attempt, ended("failed"))
    await act(core, run_id, Restart(origin="beginning"))
    grant = await executor.next_grant()
    assert len(await to_do(executor, grant.attempt)) == 313
    assert (await read_run(core, run_id)).items == ItemCounts(total=313)
    await executor.report(grant.attempt, ended("failed"))


async def test_only_failed_items_can_be_picked(core: Core, executor: PlayedExecutor) -> None:
    run_id, attempt = await until_228(core, executor)
    with pytest.raises(Rejected, match="is running"):
        await act(core, run_id, RetryItems(), ordinals=(3,))
    await executor.report(attempt, ended())
    assert (await read_run(core, run_id)).phase == "partial"
    with pytest.raises(Rejected) as refused:
        await act(core, run_id, RetryItems(), ordinals=(3, 4, 400))
    pointers = [fault.pointer for fault in refused.value.rejection.errors]
    assert pointers == ["/ordinals/1", "/ordinals/2"]
    await act(core, run_id, RetryItems(), ordinals=(200, 3, 199))
    grant = await executor.next_grant()
    assert [item.ordinal for item in await to_do(executor, grant.attempt)] == [3, 199, 200]
    run = await read_run(core, run_id)
    assert run.settled == 2
    page = await items_page(core.database.pool, run, outcomes=["pending"], after=313 - 113, limit=2)
    assert [(item.ordinal, item.key) for item in page.items] == [(229, "229"), (230, "230")]
    # One of them is done, then the executor is gone: the two others are still what was asked for.
    await executor.report(grant.attempt, recorded(grant.first_checkpoint_number, done(3)))
    assert (await read_run(core, run_id)).settled == 198
    await executor.report(grant.attempt, ended("released"))
    grant = await executor.next_grant()
    assert [item.ordinal for item in await to_do(executor, grant.attempt)] == [199, 200]
    await executor.report(grant.attempt, ended("failed"))


async def test_a_page_of_items_tells_and_finds(core: Core, executor: PlayedExecutor) -> None:
    people = [{"key": f"p{n}", "name": f"Name {n}"} for n in range(1, 2501)]
    run_id = (await request_one(core, spec=batch_of(people))).id
    attempt = (await executor.next_grant()).attempt
    outcomes = [*done(*range(1, 1500)), *failed(1500, 2400)]
    outcomes = [wire.ItemDone(o.ordinal, f"p{o.ordinal}", o.outcome, 1, o.error) for o in outcomes]
    await executor.report(attempt, recorded(1, outcomes))
    run, pool = await read_run(core, run_id), core.database.pool

    async def ordinals(**wanted: object) -> tuple[list[int], str | None]:
        page = await items_page(pool, run, **wanted)  # type: ignore[arg-type]
        return [item.ordinal for item in page.items], page.next

    assert await ordinals(limit=2) == ([1, 2], "2")
    assert await ordinals(after=2498) == ([2499, 2500], None)
    assert await ordinals(outcomes=("failed",)) == ([1500, 2400], None)
    assert await ordinals(outcomes=("failed", "done"), after=1498) == ([1499, 1500, 2400], None)
    assert await ordinals(outcomes=("pending",), limit=2) == ([1501, 1502], "1502")
    assert await ordinals(q="P2400") == ([2400], None)
    assert await ordinals(q="exit code") == ([1500, 2400], None)
    assert await ordinals(q="p240", limit=2) == ([240, 2400], "2400")
    assert await ordinals(q="p240", outcomes=("pending",)) == (list(range(2401, 2410)), None)
    page = await items_page(pool, run, after=1499, limit=2)
    assert [(i.key, i.outcome, i.error, i.attempt) for i in page.items] == [
        ("p1500", "failed", "exit code 1", 1),
        ("p1501", "pending", None, None),
    ]
    parts = [part async for part in items_csv(pool, run, outcomes=["failed"])]
    assert b"".join(parts).decode().splitlines() == [
        "ordinal,key,outcome,tries,error,attempt",
        "1500,p1500,failed,1,exit code 1,1",
        "2400,p2400,failed,1,exit code 1,1",
    ]
    await executor.report(attempt, ended())


async def test_a_search_that_takes_long_goes_on_from_page_to_page(
    core: Core, executor: PlayedExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, attempt = await until_228(core, executor)
    await executor.report(attempt, ended("failed"))
    run, pool = await read_run(core, run_id), core.database.pool
    every = (await items_page(pool, run, limit=313)).items
    monkeypatch.setattr(item_search, "SEARCH_SECONDS", 0)
    monkeypatch.setattr(item_search, "SLICE_ITEMS", 20)
    monkeypatch.setattr(item_search, "LEAST_SLICE", 20)
    asked: list[tuple[ItemOutcome, ...]] = [(), ("failed",), ("done",), ("pending", "failed")]
    for outcomes in asked:
        for text in ("7", "CODE 1", "nowhere"):
            found: list[ItemView] = []
            after: int | None = 0
            while after is not None:
                page = await items_page(pool, run, outcomes=outcomes, q=text, after=after, limit=3)
                assert len(page.items) <= 3
                found += page.items
                after = None if page.next is None else int(page.next)
            assert found == [
                item
                for item in every
                if (not outcomes or item.outcome in outcomes)
                and (text in item.key or text.lower() in (item.error or ""))
            ]


async def test_open_items_and_others_are_listed_together(
    core: Core, executor: PlayedExecutor
) -> None:
    run_id, attempt = await until_228(core, executor)
    await executor.report(attempt, ended("failed"))
    run, pool = await read_run(core, run_id), core.database.pool
    page = await items_page(pool, run, outcomes=["pending", "failed"], after=198, limit=5)
    assert [item.ordinal for item in page.items] == [199, 200, 228, 229, 230]
    assert page.next == "230"
    last = await items_page(pool, run, outcomes=["pending", "failed"], after=308, limit=5)
    assert ([item.ordinal for item in last.items], last.next) == ([309, 310, 311, 312, 313], None)


async def test_a_rerun_shares_the_input_until_both_are_deleted(
    core: Core, executor: PlayedExecutor
) -> None:
    first = await request_one(core, spec=batch_of(["a", "b"]))
    second = await request_one(core, spec=first.request.spec)
    for _ in (first, second):
        grant = await executor.next_grant()
        await executor.report(grant.attempt, recorded(1, done(1, 2)), ended())
    await run_reaches(core, second.id, lambda run: run.phase == "completed")
    count = "SELECT count(*) FROM perdure.inputs"
    before = await core.database.pool.fetchval(count)
    await act(core, first.id, Delete())
    assert await core.database.pool.fetchval(count) == before
    assert await rows_of(core, first.id) == {}
    await act(core, second.id, Delete())
    assert await core.database.pool.fetchval(count) == before - 1
    with pytest.raises(Rejected, match="not there any more"):
        await request_one(core, spec=first.request.spec)


async def test_what_is_sent_ahead_is_kept_for_a_day_or_as_long_as_a_run_needs_it(
    core: Core, module_database: Database
) -> None:
    pool = core.database.pool
    unused, used = [
        (await stage(pool, BY.tenant, read_items(io.BytesIO(b'{"key": "a"}\n'), "jsonl"))).ref
        for _ in range(2)
    ]
    spec = msgspec.structs.replace(batch_of(1), items=None, input=used)
    await request_one(core, spec=spec, run_at="2099-01-01T00:00:00Z")
    await UnusedInputs(pool).tick()
    assert set(await known(pool, BY.tenant, [unused.input, used.input])) == {
        unused.input,
        used.input,
    }
    owner = await asyncpg.connect(module_database.owner_url)
    await owner.execute("UPDATE perdure.inputs SET made_at = made_at - interval '25 hours'")
    await owner.close()
    await UnusedInputs(pool).tick()
    assert set(await known(pool, BY.tenant, [unused.input, used.input])) == {used.input}


async def test_a_key_that_is_there_twice_is_refused_with_its_rows(core: Core) -> None:
    lines = "".join(f"k{n},{n}\n" for n in range(1, 2001))
    data = io.BytesIO(f"key,n\n{lines}k7,x\n".encode())
    with pytest.raises(BadInputError, match="Row 2002: It has the same key as row 8"):
        await stage(core.database.pool, BY.tenant, read_items(data, "csv"))
