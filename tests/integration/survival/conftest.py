"""An executor of each test's own, to be killed and cut off."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.support.played_api import ExecutorProcess, PlayedApi
from tests.support.stack import NatsUrls


@pytest_asyncio.fixture
async def api(nats: NatsUrls) -> AsyncIterator[PlayedApi]:
    api = PlayedApi(nats.api, "survivor")
    await api.start()
    yield api
    await api.stop()


@pytest_asyncio.fixture
async def executor(
    api: PlayedApi, nats: NatsUrls, tmp_path: Path
) -> AsyncIterator[ExecutorProcess]:
    executor = ExecutorProcess(tmp_path, nats.executor, "survivor")
    executor.start()
    await api.opened()
    yield executor
    executor.end()
