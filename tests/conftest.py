"""Fixtures for all tests: real servers, fresh databases, a whole Perdure.

| fixture | lives for | gives |
|---|---|---|
| `servers` | the run | PostgreSQL and NATS |
| `database` | a test | a migrated database of its own |
| `module_database` | a file | the same, shared by the tests of a file |
| `empty_database` | a test | a database without any table |
| `nats` | a test | the URLs of a NATS without any stream |
| `core` | a test | the writing half of an api, without HTTP |
| `executor` | a test | an executor named `one`, played by the test |
| `own_nats` | a test | a NATS that may be killed, wiped and rolled back |
| `start_system` | a test | starts a whole Perdure with settings of the test's choice |
| `system` | a test | a whole Perdure, to be broken |
| `running_system` | the run | a whole Perdure, to be used gently |
"""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest

from perdure_api.duties import Core
from tests.support import stack
from tests.support.api_core import PlayedExecutor, running_core
from tests.support.stack import Database, NatsUrls, OwnNats, Servers
from tests.support.system import System, running

# By default an example may take 200 ms, which a busy machine does not always grant; and what CI finds
# must be found again.
hypothesis.settings.register_profile(
    "perdure", deadline=None, derandomize="CI" in os.environ, print_blob=True
)
hypothesis.settings.load_profile("perdure")

for variable in [name for name in os.environ if name.startswith("PERDURE_")]:
    if not variable.startswith("PERDURE_TEST_"):
        # What a developer has set for a system of their own must not steer tests.
        del os.environ[variable]


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with stack.servers(tmp_path_factory.mktemp("servers")) as found:
        yield found


@pytest.fixture
def database(servers: Servers) -> Iterator[Database]:
    with servers.postgres.database() as database:
        yield database


@pytest.fixture(scope="module")
def module_database(servers: Servers) -> Iterator[Database]:
    with servers.postgres.database() as database:
        yield database


@pytest.fixture
def empty_database(servers: Servers) -> Iterator[Database]:
    with servers.postgres.database(migrated=False) as database:
        yield database


@pytest.fixture
def nats(servers: Servers) -> NatsUrls:
    stack.delete_streams(servers.nats.api)
    return servers.nats


@pytest.fixture
async def core(database: Database, nats: NatsUrls) -> AsyncIterator[Core]:
    async with running_core(database.url, nats.api) as running:
        yield running


@pytest.fixture
async def executor(core: Core, nats: NatsUrls) -> AsyncIterator[PlayedExecutor]:
    played = await PlayedExecutor(nats.executor, "one").connect()
    await played.open()
    yield played
    await played.close()


@pytest.fixture
def own_nats(tmp_path: Path) -> Iterator[OwnNats]:
    server = OwnNats(tmp_path / "own-nats")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def start_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., System]]:
    with ExitStack() as systems:

        def start(**variables: str) -> System:
            folder = tmp_path_factory.mktemp("system")
            return systems.enter_context(running(folder, variables))

        yield start


@pytest.fixture
def system(start_system: Callable[..., System]) -> System:
    return start_system()


@pytest.fixture(scope="session")
def running_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    roots = {"PERDURE_BACKUP_ROOTS": str(tmp_path_factory.getbasetemp())}
    with running(tmp_path_factory.mktemp("running-system"), roots) as system:
        yield system
