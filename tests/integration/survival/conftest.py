"""An executor of each test's own, to be killed and cut off."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.played_api import ExecutorProcess, PlayedApi, joined
from tests.support.stack import NatsUrls


@pytest.fixture
def api(nats: NatsUrls) -> PlayedApi:
    """The api of `executor`, which starts it."""
    return PlayedApi(nats.api, "survivor")


@pytest_asyncio.fixture
async def executor(
    api: PlayedApi, nats: NatsUrls, tmp_path: Path
) -> AsyncIterator[ExecutorProcess]:
    executor = ExecutorProcess(tmp_path, nats.executor, "survivor")
    async with joined(api, executor):
        yield executor
