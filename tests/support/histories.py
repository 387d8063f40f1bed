"""Histories of runs, written through the real writer: something for followers of the log to follow."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from random import Random

from perdure_api.domain.callers import Caller
from perdure_api.store.batch import Batch
from perdure_api.store.work import Work
from perdure_api.store.writer import Writer
from perdure_contract import facts
from perdure_contract.specs import CommandSpec
from perdure_runtime.clock import new_id

SOMEBODY = Caller(actor="token:tests")
EXECUTORS = ("left", "right")
QUEUES = ("default", "default", "default", "slow")
TAGS = ((), ("nightly",), ("nightly", "photos"))
TROUBLE = facts.Failure(reason="exit", message="The program ended with exit code 3.", exit_code=3)


@contextlib.asynccontextmanager
async def running_writer(url: str) -> AsyncIterator[Writer]:
    """A writer that commits until the block ends."""
    writer = Writer(url)
    task = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def tell(writer: Writer, runs: int, *, seed: int = 1, batch_size: int = 500) -> list[str]:
    """Append whole histories of so many runs, three to seven events each; gives the runs' ids."""
    random = Random(seed)
    told: list[str] = []
    for start in range(0, runs, batch_size):
        names = range(start, min(start + batch_size, runs))

        def perform(batch: Batch, names: range = names) -> Callable[[], list[str]]:
            ids = [_one(batch, index, random) for index in names]
            return lambda: ids

        told += (await writer.submit(Work(perform=perform, weight=len(names)))).result
    return told


async def request(writer: Writer, **fields: object) -> str:
    """Append one request; gives the run's id."""
    run_id = new_id()

    def perform(batch: Batch) -> Callable[[], str]:
        fact = facts.RunRequested(
            run=run_id,
            **{"name": "asked for", "spec": CommandSpec(argv=("/bin/true",))} | fields,  # type: ignore[arg-type]
        )
        batch.begin_run(fact, SOMEBODY)
        return lambda: run_id

    return (await writer.submit(Work(perform=perform))).result


async def append(writer: Writer, run_id: str, *told: facts.RunFact) -> int:
    """Append facts to a run's stream; gives the log's last position."""

    def perform(batch: Batch) -> Callable[[], None]:
        run = batch.run(run_id)
        assert run is not None
        batch.append_run(run, told, SOMEBODY)
        return lambda: None

    return (await writer.submit(Work(perform=perform, runs=(run_id,)))).position


def _one(batch: Batch, index: int, random: Random) -> str:
    requested = facts.RunRequested(
        run=new_id(),
        name=f"run {index}",
        spec=CommandSpec(argv=("/bin/echo", str(index))),
        queue=random.choice(QUEUES),
        priority=random.randint(-3, 3),
        tags=random.choice(TAGS),
        labels={"site": "b"} if random.random() < 0.2 else {},
        run_at=batch.now + timedelta(hours=1) if random.random() < 0.05 else None,
    )
    run = batch.begin_run(requested, SOMEBODY)
    for told in _later(run.id, batch.now, random, ahead=requested.run_at is not None):
        run = batch.append_run(run, told, SOMEBODY)
    return run.id


def _later(run: str, now: datetime, random: Random, *, ahead: bool) -> list[list[facts.RunFact]]:
    executor = random.choice(EXECUTORS)
    started = facts.AttemptStarted(run=run, attempt=1, executor=executor)
    failed = facts.AttemptFailed(run=run, attempt=1, failure=TROUBLE, lines=3, bytes=60)
    retried = facts.RetryScheduled(
        run=run, next_attempt_at=now + timedelta(seconds=random.choice((-5, 3600))), wait_seconds=1
    )
    chance = random.random()
    if ahead or chance < 0.05:
        return []
    if chance < 0.1:
        return [[facts.RunHeld(run=run, reason="later")]]
    if chance < 0.15:
        return [[started]]
    if chance < 0.2:
        return [[started], [facts.CancelRequested(run=run)]]
    if chance < 0.25:
        return [
            [started],
            [facts.CancelRequested(run=run)],
            [facts.RunCancelled(run=run, attempt=1)],
        ]
    if chance < 0.35:
        return [[started], [failed, facts.RunFailed(run=run, failure=TROUBLE)]]
    if chance < 0.45:
        return [[started], [failed, retried]]
    if chance < 0.5:
        again = facts.AttemptStarted(run=run, attempt=2, executor="right")
        return [
            [started],
            [failed, retried],
            [again],
            [facts.RunCompleted(run=run, attempt=2, lines=1, bytes=5)],
        ]
    progress = facts.Progress(done=1, total=1)
    done = facts.RunCompleted(
        run=run, attempt=1, lines=1, bytes=5, progress=progress, result={"a": 1}
    )
    return [[started], [done]]
