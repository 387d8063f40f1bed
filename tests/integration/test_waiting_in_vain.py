"""Runs that nobody may start now: they wait for what changes that, and nothing is done meanwhile."""

from collections.abc import Callable

import pytest

from perdure_api.duties import Core
from perdure_api.store.appending import MOST_SEATED
from perdure_api.store.batch import Batch
from perdure_api.store.work import Work
from perdure_contract import facts
from perdure_contract.specs import CommandSpec
from perdure_runtime.clock import new_id
from tests.support.api_core import BY, PlayedExecutor, request, request_many
from tests.support.stack import NatsUrls

pytestmark = pytest.mark.integration


async def test_runs_that_no_free_executor_takes_are_not_looked_at_over_and_over(
    core: Core, nats: NatsUrls
) -> None:
    executor = await PlayedExecutor(nats.executor, "elsewhere").connect()
    await executor.open(slots=2 * MOST_SEATED, queues=("elsewhere",))
    await request_many(core, [request()] * (MOST_SEATED + 1))
    batches: list[Batch] = []

    def one_more(batch: Batch) -> Callable[[], None]:
        batches.append(batch)
        spec = CommandSpec(argv=("true",))
        batch.begin_run(facts.RunRequested(run=new_id(), name="one more", spec=spec), BY)
        return lambda: None

    await core.writer.submit(Work(perform=one_more))
    await executor.close()

    assert len(batches[-1].lookout.waiting) >= MOST_SEATED
    assert batches[-1].committed == []  # no further look
