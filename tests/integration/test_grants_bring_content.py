"""Scripts and input are kept apart from events; a grant brings them along while they are small."""

import asyncio

import pytest

from perdure_api.duties import Core
from perdure_api.messaging.grants import GRANTS_AT_ONCE, INLINE_IN_GRANT_BYTES
from perdure_contract.specs import BlobRef, CommandSpec
from perdure_contract.wire import Grant
from tests.support.api_core import PlayedExecutor, request, request_many
from tests.support.stack import NatsUrls

pytestmark = pytest.mark.integration

HEARD_SECONDS = 10.0


async def granted(executor: PlayedExecutor, count: int) -> dict[str, CommandSpec]:
    """Wait for so many grants; give the commands by the name of their run."""
    found: dict[str, CommandSpec] = {}
    while len(found) < count:
        grant = await asyncio.wait_for(executor.heard.get(), HEARD_SECONDS)
        assert isinstance(grant, Grant)
        assert isinstance(grant.request.spec, CommandSpec)
        found[grant.request.name] = grant.request.spec
    return found


async def test_each_of_many_grants_brings_the_script_and_the_input_of_its_own_run(
    core: Core, nats: NatsUrls
) -> None:
    count = GRANTS_AT_ONCE + 20
    executor = await PlayedExecutor(nats.executor, "many").connect()
    await executor.open(slots=count)
    wanted = {
        f"run {n}": CommandSpec(script=f"echo {n}", stdin="" if n % 2 else f"input of {n}")
        for n in range(count)
    }
    await request_many(core, [request(name=name, spec=spec) for name, spec in wanted.items()])

    assert await granted(executor, count) == wanted
    await executor.close()


async def test_content_that_is_large_is_left_for_the_executor_to_fetch(
    core: Core, nats: NatsUrls
) -> None:
    executor = await PlayedExecutor(nats.executor, "large").connect()
    await executor.open()
    small = CommandSpec(script="true")
    large = CommandSpec(script="true", stdin="x" * INLINE_IN_GRANT_BYTES)
    await request_many(core, [request(name="small", spec=small), request(name="large", spec=large)])
    found = await granted(executor, 2)

    assert found["small"] == small
    assert isinstance(found["large"].script, BlobRef)
    assert isinstance(found["large"].stdin, BlobRef)
    await executor.close()
