"""Transactions of the writer that fail, and what those who share them are told."""

import asyncio
from collections.abc import Callable

import pytest

from perdure_api.domain.run import Run
from perdure_api.duties import Core
from perdure_api.once import Idempotency, StoredAnswer
from perdure_api.store.batch import Batch
from perdure_api.store.work import Work
from tests.support.api_core import BY, PlayedExecutor, request
from tests.support.checker import checked
from tests.support.stack import Database

pytestmark = pytest.mark.fault


def keyed(key: str) -> Idempotency:
    """A key whose answer is the run's id."""

    def render(run: object) -> StoredAnswer:
        assert isinstance(run, Run)
        return StoredAnswer(status=201, body=run.id.encode(), headers={})

    return Idempotency(key=key, body_sha256=b"same", render=render)


async def test_the_same_key_at_the_same_moment_makes_one_run_which_starts(
    core: Core, executor: PlayedExecutor, database: Database
) -> None:
    """Also in a queue that was never heard of: what a failed transaction noted is not believed."""
    asked = [
        core.commands.request_run(BY, request(queue="fresh"), idempotency=keyed("twice"))
        for _ in range(8)
    ]
    done = [answer.result for answer in await asyncio.gather(*asked)]
    made = [run.id for run in done if isinstance(run, Run)]
    assert len(made) == 1
    assert {run.body.decode() for run in done if isinstance(run, StoredAnswer)} == set(made)
    assert (await executor.next_grant()).attempt.run == made[0]
    await checked(database.url, answered=set(made))


async def test_a_work_with_a_fault_fails_alone(core: Core, database: Database) -> None:
    """Those who happened to be in the same transaction are stored."""

    def faulty(_batch: Batch) -> Callable[[], None]:
        message = "a fault of ours"
        raise ZeroDivisionError(message)

    works = [core.commands.request_run(BY, request()) for _ in range(3)]
    outcomes = await asyncio.gather(
        works[0], core.writer.submit(Work(perform=faulty)), *works[1:], return_exceptions=True
    )
    assert [type(outcome).__name__ for outcome in outcomes] == [
        "Done", "ZeroDivisionError", "Done", "Done",
    ]  # fmt: skip
    store = await checked(database.url)
    assert len(store.runs) == 3
