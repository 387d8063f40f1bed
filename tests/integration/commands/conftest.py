"""One executor for each file of commands."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.played_api import ExecutorProcess, PlayedApi, joined
from tests.support.stack import Servers


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(
    servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PlayedApi]:
    api = PlayedApi(servers.nats.api, "commands")
    executor = ExecutorProcess(
        tmp_path_factory.mktemp("commands"),
        servers.nats.executor,
        "commands",
        TZ="UTC",
        PERDURE_SECRET="not for children",
    )
    async with joined(api, executor):
        yield api
