"""Two replicas write to one log: what one decided on is never what the other has just changed."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from perdure_api.domain.run_commands import Cancel
from perdure_api.duties import Core
from perdure_api.errors import ApiError
from perdure_api.store.batch import Batch
from tests.support.api_core import BY, request_one, running_core
from tests.support.checker import checked
from tests.support.stack import Database, NatsUrls

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture
async def other(database: Database, nats: NatsUrls) -> AsyncIterator[Core]:
    async with running_core(database.url, nats.api) as core:
        yield core


async def test_a_decision_on_what_has_changed_meanwhile_is_made_again(
    core: Core, other: Core, database: Database
) -> None:
    run = await request_one(core)
    cancelled = asyncio.Event()

    async def cancel_meanwhile(_connection: asyncpg.Connection, _batch: Batch) -> None:
        if not cancelled.is_set():
            cancelled.set()
            await other.commands.act(BY, run.id, Cancel())

    core.writer.appender.joined_by = cancel_meanwhile
    with pytest.raises(ApiError):
        await core.commands.act(BY, run.id, Cancel())

    assert cancelled.is_set()
    store = await checked(database.url)
    assert store.short(f"run-{run.id}") == ["run.requested", "run.cancelled"]


async def test_writers_at_the_same_moment_lose_and_repeat_nothing(
    core: Core, other: Core, database: Database
) -> None:
    cores = (core, other)
    runs = await asyncio.gather(*(request_one(cores[number % 2]) for number in range(200)))

    outcomes = await asyncio.gather(
        *(one.commands.act(BY, run.id, Cancel()) for run in runs for one in cores),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, ApiError) for outcome in outcomes) == len(runs)
    store = await checked(database.url)
    assert set(store.runs) == {run.id for run in runs}
