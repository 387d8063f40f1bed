"""Several replicas of the api on one database: one of them starts the runs of all."""

import asyncio

import pytest

from perdure_api import duties
from perdure_api.duties import Core
from perdure_api.followers import dispatcher
from perdure_contract.wire import Grant
from tests.support.api_core import PlayedExecutor, request_one, running_core
from tests.support.stack import Database, NatsUrls
from tests.support.waiting import becomes

pytestmark = pytest.mark.integration

LONG_SECONDS = 3600.0
HEARD_SECONDS = 10.0


async def eventually_leads(core: Core) -> None:
    """Wait until it is this one that starts runs."""

    async def leads() -> bool:
        return core._dispatcher.leads  # noqa: SLF001 - nothing outside tells

    await becomes(leads, what="it leads")


async def test_a_run_that_is_requested_elsewhere_is_started_at_once(
    database: Database, nats: NatsUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Neither what is told to all after a moment nor a look by the clock starts it.
    monkeypatch.setattr(duties, "TELL_SECONDS", LONG_SECONDS)
    monkeypatch.setattr(dispatcher, "MAX_PAUSE_SECONDS", LONG_SECONDS)
    executor = await PlayedExecutor(nats.executor, "anywhere").connect()
    async with running_core(database.url, nats.api) as first:
        await eventually_leads(first)
        async with running_core(database.url, nats.api) as second:
            await executor.open()
            await request_one(first)  # so that its lane is known
            await asyncio.wait_for(executor.heard.get(), HEARD_SECONDS)
            run = await request_one(second)
            grant = await asyncio.wait_for(executor.heard.get(), HEARD_SECONDS)

    assert isinstance(grant, Grant)
    assert grant.attempt.run == run.id
    await executor.close()
