"""Executors that repeat, reorder, forget and come late, over the real core, PostgreSQL and NATS.

Whatever they say, and whatever people ask meanwhile, every invariant of the checker holds, and once
they tell the truth all runs end.
"""

import asyncio
import contextlib
import os
from datetime import timedelta
from random import Random

import msgspec
import pytest
import zstandard

from perdure_api.domain.run import Run
from perdure_api.domain.run_commands import (
    Cancel,
    Command,
    Fail,
    Hold,
    Release,
    Reprioritise,
    Restart,
    RetryNow,
)
from perdure_api.duties import Core
from perdure_api.errors import Rejected
from perdure_api.store.state import decode_run
from perdure_contract import facts, wire
from perdure_contract.specs import Retry
from perdure_runtime.clock import new_id
from tests.support.api_core import (
    BY,
    PlayedExecutor,
    ended,
    event_types,
    read_run,
    request,
    run_reaches,
    running_core,
)
from tests.support.checker import checked
from tests.support.stack import Database, NatsUrls
from tests.support.waiting import becomes

pytestmark = pytest.mark.fault

STEPS = int(os.environ.get("PERDURE_TEST_WALK_STEPS", "60"))
"""Of each of the walkers."""
WALKERS = 4
FAILURE = facts.Failure(reason="exit", message="exit code 1", exit_code=1)


async def ask(core: Core, **fields: object) -> str:
    asked = (await core.commands.request_run(BY, request(**fields))).result
    assert isinstance(asked, Run)
    return asked.id


def lines(first: int, count: int, *, at: float = 0.0) -> wire.LogChunk:
    """A chunk of the log as an executor packs it."""
    said = [wire.LogLine(first + i, "stdout", at, f"line {first + i}") for i in range(count)]
    packed = zstandard.compress(msgspec.msgpack.encode(said))
    return wire.LogChunk(first=first, last=first + count - 1, text_bytes=8 * count, lines=packed)


# --- one fault each ---------------------------------------------------------------------------


async def test_a_whole_batch_said_three_times_counts_once(
    core: Core, executor: PlayedExecutor, database: Database
) -> None:
    run_id = await ask(core)
    attempt = (await executor.next_grant()).attempt
    said = (lines(1, 3), wire.Checkpoint(number=1, cursor=1), lines(4, 2), ended(result=7))
    first = await executor.report(attempt, *said)
    assert set(first) == {"accepted"}
    for _ in range(2):
        assert set(await executor.report(attempt, *said)) == {"duplicate"}
    assert await event_types(core, run_id) == [
        "requested", "attempt-started", "checkpointed", "completed",
    ]  # fmt: skip
    kept = await core.database.pool.fetch("SELECT first_line, last_line FROM perdure.log_chunks")
    assert sorted(tuple(row) for row in kept) == [(1, 3), (4, 5)]
    await checked(database.url, answered={run_id})


async def test_reports_overtaken_by_the_end_change_nothing(
    core: Core, executor: PlayedExecutor, database: Database
) -> None:
    run_id = await ask(core)
    attempt = (await executor.next_grant()).attempt
    failed = ended("failed", failure=FAILURE)
    verdicts = await executor.report(
        attempt, failed, wire.Checkpoint(number=2), ended(), lines(1, 1)
    )
    assert verdicts == ("accepted", "duplicate", "duplicate", "duplicate")
    assert (await read_run(core, run_id)).phase == "failed"
    await checked(database.url, answered={run_id})


@pytest.mark.parametrize("shift", [timedelta(hours=-3), timedelta(days=400)], ids=["slow", "fast"])
async def test_an_executor_with_a_wrong_clock_moves_no_time_of_ours(
    core: Core, database: Database, nats: NatsUrls, shift: timedelta
) -> None:
    executor = await PlayedExecutor(nats.executor, "one").connect()
    opened = (await executor.open()).opened
    assert opened is not None
    run_id = await ask(core, retry=Retry(max_attempts=2, initial_seconds=0))
    wrong = opened.now + shift.total_seconds()
    first = (await executor.next_grant()).attempt
    await executor.report(first, lines(1, 2, at=wrong), ended("failed", failure=FAILURE))
    second = (await executor.next_grant()).attempt
    await executor.report(second, lines(1, 2, at=wrong), ended())
    run = await read_run(core, run_id)
    assert run.phase == "completed"
    now = await core.database.pool.fetchval("SELECT clock_timestamp()")
    times = await core.database.pool.fetch("SELECT time FROM perdure.events ORDER BY position")
    moments = [row[0] for row in times]
    assert moments == sorted(moments)
    assert now - timedelta(minutes=5) < moments[0] <= moments[-1] <= now
    assert run.attempt is not None
    assert run.attempt.started_at in moments
    await executor.close()
    await checked(database.url, answered={run_id})


async def test_an_executor_that_was_away_past_its_lease_is_too_late(
    database: Database, nats: NatsUrls
) -> None:
    """One outcome: the next attempt's. What the late one says is refused, once on record a kind."""
    async with running_core(database.url, nats.api, lease_seconds=1) as core:
        late = await PlayedExecutor(nats.executor, "late").connect()
        await late.open()
        run_id = await ask(core, retry=Retry(max_attempts=2, initial_seconds=0))
        stale = (await late.next_grant()).attempt
        await run_reaches(core, run_id, lambda run: not run.is_open)
        other = await PlayedExecutor(nats.executor, "other").connect()
        await other.open()
        attempt = (await other.next_grant()).attempt
        assert (attempt.number, attempt.fence > stale.fence) == (2, True)
        said = (lines(1, 5), wire.Checkpoint(number=1), ended(result="late"))
        assert set(await late.report(stale, *said)) == {"refused"}
        await other.report(attempt, ended(result="in time"))
        assert set(await late.report(stale, *said)) == {"refused"}
        run = await read_run(core, run_id)
        assert (run.phase, run.result) == ("completed", "in time")
        assert (await event_types(core, run_id)).count("report-refused") == 3
        counted = await core.database.pool.fetch(
            "SELECT kind, times FROM perdure.refusals WHERE run_id = $1::text::uuid", run_id
        )
        assert {row[0]: row[1] for row in counted} == {"log": 2, "checkpoint": 2, "ended": 2}
        assert await core.database.pool.fetchval("SELECT count(*) FROM perdure.log_chunks") == 0
        await late.close()
        await other.close()
    await checked(database.url, answered={run_id})


async def test_what_never_reached_an_executor_that_remembers_is_granted_again(
    core: Core, executor: PlayedExecutor, database: Database
) -> None:
    arrived, dropped = await ask(core), await ask(core)
    attempts = [(await executor.next_grant()).attempt for _ in range(2)]
    begun = {attempt.run: attempt for attempt in attempts}
    previous, executor.session = executor.session, new_id()
    await executor.open(previous=previous, lost=(begun[arrived],), remembers=True)
    assert (await executor.next_grant()).attempt == begun[dropped]
    assert (await read_run(core, arrived)).phase == "failed"
    await executor.report(begun[dropped], ended())
    assert await event_types(core, dropped) == ["requested", "attempt-started", "completed"]
    await checked(database.url, answered={arrived, dropped})


async def test_what_was_granted_to_an_executor_as_it_left_is_queued_again(
    core: Core, executor: PlayedExecutor, database: Database
) -> None:
    run_id = await ask(core)
    await executor.next_grant()
    await executor.beat(leaving=True)
    run = await run_reaches(core, run_id, lambda run: not run.is_open)
    assert (run.phase, run.tries) == ("pending", 0)
    assert await event_types(core, run_id) == [
        "requested", "attempt-started", "attempt-released", "queued",
    ]  # fmt: skip
    await checked(database.url, answered={run_id})


async def test_an_executor_that_takes_no_more_is_granted_nothing(
    core: Core, database: Database, nats: NatsUrls
) -> None:
    leaving = await PlayedExecutor(nats.executor, "leaving").connect()
    await leaving.open()
    run_id = await ask(core)
    attempt = (await leaving.next_grant()).attempt
    await leaving.beat(attempt, draining=True)
    await leaving.report(attempt, ended("released"))
    other = await PlayedExecutor(nats.executor, "other").connect()
    await other.open()
    assert (await other.next_grant()).attempt.run == run_id
    assert leaving.heard.empty()
    await leaving.close()
    await other.close()
    await checked(database.url, answered={run_id})


# --- all of them together -----------------------------------------------------------------------


class Walk:
    """People and executors that do anything at all, then heal."""

    def __init__(self, core: Core, executors: list[PlayedExecutor], random: Random) -> None:
        self.core = core
        self.executors = executors
        self.random = random
        self.asked: list[str] = []
        self.granted: dict[str, list[wire.Attempt]] = {e.name: [] for e in executors}
        self.said: list[tuple[PlayedExecutor, wire.Attempt, tuple[wire.Finding, ...]]] = []

    async def step(self) -> None:
        """Do one thing."""
        actions = (self.ask, self.report, self.report, self.report, self.repeat, self.act)
        await self.random.choice((*actions, *actions, self.beat, self.come_back))()

    async def ask(self) -> None:
        policy = Retry(max_attempts=self.random.randint(1, 4), initial_seconds=0)
        queue = self.random.choice(["default", "narrow"])
        self.asked.append(
            await ask(self.core, retry=policy, queue=queue, priority=self.random.randint(-1, 1))
        )

    def hear_grants(self, executor: PlayedExecutor) -> None:
        while not executor.heard.empty():
            said = executor.heard.get_nowait()
            if isinstance(said, wire.Grant) and said.attempt not in self.granted[executor.name]:
                self.granted[executor.name].append(said.attempt)

    def some_attempt(self, executor: PlayedExecutor) -> wire.Attempt | None:
        self.hear_grants(executor)
        known = self.granted[executor.name]
        return self.random.choice(known[-5:]) if known else None

    def finding(self) -> wire.Finding:
        choices: list[wire.Finding] = [
            ended(),
            ended("failed", failure=FAILURE),
            ended("released"),
            wire.Checkpoint(number=self.random.randint(0, 5), cursor=1),
            wire.ProgressMade(progress=facts.Progress(done=self.random.random()), milestone=True),
            lines(self.random.randint(1, 4), 2),
        ]
        return self.random.choice(choices)

    async def report(self) -> None:
        executor = self.random.choice(self.executors)
        attempt = self.some_attempt(executor)
        if attempt is None:
            return
        said = tuple(self.finding() for _ in range(self.random.randint(1, 3)))
        self.said.append((executor, attempt, said))
        await executor.report(attempt, *said)

    async def repeat(self) -> None:
        if not self.said:
            return
        executor, attempt, said = self.random.choice(self.said)
        shuffled = list(said * self.random.randint(1, 2))
        self.random.shuffle(shuffled)
        speaker = self.random.choice([executor, *self.executors])
        await speaker.report(attempt, *shuffled)

    async def act(self) -> None:
        if not self.asked:
            return
        commands: list[Command] = [
            Cancel(), Cancel(force=True), Restart(), Restart(origin="beginning"), Hold(),
            Release(), RetryNow(), Fail(message="enough"),
            Reprioritise(priority=self.random.randint(-5, 5)),
        ]  # fmt: skip
        asked, command = self.random.choice(self.asked), self.random.choice(commands)
        with contextlib.suppress(Rejected):
            await self.core.commands.act(BY, asked, command)

    async def beat(self) -> None:
        executor = self.random.choice(self.executors)
        self.hear_grants(executor)
        known = self.granted[executor.name]
        await executor.beat(*self.random.sample(known, self.random.randint(0, len(known))))

    async def come_back(self) -> None:
        """Start the agent again: it remembers some of what it had."""
        executor = self.random.choice(self.executors)
        self.hear_grants(executor)
        known = self.granted[executor.name]
        holding = self.random.sample(known, self.random.randint(0, len(known)))
        previous, executor.session = executor.session, new_id()
        lost = self.random.sample(known, self.random.randint(0, len(known)))
        one_each = {attempt.run: attempt for attempt in holding}
        await executor.open(
            previous=previous,
            holding=tuple(one_each.values()),
            lost=tuple(attempt for attempt in lost if attempt not in holding),
            remembers=self.random.choice([True, False]),
        )

    async def heal(self) -> None:
        """Let held runs go on, and every executor end what it has."""

        async def all_ended() -> bool:
            rows = await self.core.database.pool.fetch(
                "SELECT state FROM perdure.runs WHERE phase <> 'final'"
            )
            for run in [decode_run(row[0]) for row in rows]:
                await self.end(run)
            return not rows

        await becomes(all_ended, 60, what="all runs end")

    async def end(self, run: Run) -> None:
        try:
            if run.phase == "paused":
                await self.core.commands.act(BY, run.id, Release())
            elif run.is_open and run.attempt is not None:
                executor = next(e for e in self.executors if e.name == run.attempt.executor)
                attempt = wire.Attempt(
                    run=run.id, number=run.attempt.number, fence=run.attempt.fence
                )
                await executor.report(attempt, ended())
        except Rejected:
            pass


@pytest.mark.parametrize("seed", range(int(os.environ.get("PERDURE_TEST_WALKS", "2"))))
async def test_a_random_walk_keeps_every_invariant(
    core: Core, database: Database, nats: NatsUrls, seed: int
) -> None:
    executors = [await PlayedExecutor(nats.executor, name).connect() for name in ("a", "b", "c")]
    for executor in executors:
        await executor.open(slots=3)
    await core.commands.configure_queue(BY, "narrow", concurrency=2, rate_per_minute=None)
    walks = [Walk(core, executors, Random(seed * WALKERS + n)) for n in range(WALKERS)]

    async def walk_on(walk: Walk) -> None:
        for _ in range(STEPS):
            await walk.step()

    await asyncio.gather(*(walk_on(walk) for walk in walks))
    await checked(database.url, answered={run for walk in walks for run in walk.asked})
    await walks[0].heal()
    store = await checked(database.url)
    assert len(store.runs) == sum(len(walk.asked) for walk in walks)
    for executor in executors:
        await executor.close()
