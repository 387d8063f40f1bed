"""Orders that did not get to a process: the attempt begins once, later, or never."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from perdure_contract.specs import CommandSpec
from perdure_contract.wire import Grant
from perdure_executor.carried import key_of
from perdure_executor.spool import Spool
from perdure_executor.warden.lease import Lease, boottime
from tests.support.played_api import ExecutorProcess, PlayedApi, joined, keepers_of
from tests.support.stack import NatsUrls
from tests.support.waiting import becomes

pytestmark = [pytest.mark.integration, pytest.mark.fault]


@pytest_asyncio.fixture
async def api(nats: NatsUrls, executor: ExecutorProcess) -> AsyncIterator[PlayedApi]:
    api = PlayedApi(nats.api, "cut-short")
    async with joined(api, executor):
        yield api


@pytest.fixture
def executor(nats: NatsUrls, tmp_path: Path) -> ExecutorProcess:
    return ExecutorProcess(tmp_path, nats.executor, "cut-short")


async def killed_before_it_told_the_warden(
    api: PlayedApi, executor: ExecutorProcess, tmp_path: Path
) -> Grant:
    await api.run(api.grant("/bin/true"))
    executor.kill_agent()
    spec = CommandSpec(argv=("/usr/bin/tee", "-a", str(tmp_path / "done")), stdin="once\n")
    grant = api.grant(spec=spec)
    spool = Spool(executor.spool)
    spool.keep(key_of(grant.attempt), grant, started=True)
    spool.close()
    return grant


async def test_what_the_warden_was_never_told_starts_once(
    api: PlayedApi, executor: ExecutorProcess, tmp_path: Path
) -> None:
    grant = await killed_before_it_told_the_warden(api, executor, tmp_path)
    executor.start()

    assert (await api.ended(grant.attempt)).outcome == "completed"
    assert (tmp_path / "done").read_text() == "once\n"
    assert not any(session.lost for session in api.sessions)


async def test_it_is_lost_when_the_warden_is_another_one_by_then(
    api: PlayedApi, executor: ExecutorProcess, tmp_path: Path
) -> None:
    grant = await killed_before_it_told_the_warden(api, executor, tmp_path)
    executor.kill_warden()
    executor.start()

    await api.opened(2)
    assert api.sessions[1].lost == (grant.attempt,)
    assert (await api.run(api.grant("/bin/true"))).outcome == "completed"
    assert not (tmp_path / "done").exists()


async def test_what_waited_in_a_keeper_until_the_lease_was_over_is_not_begun(
    nats: NatsUrls, tmp_path: Path
) -> None:
    api = PlayedApi(nats.api, "stopped", lease_seconds=1.5)
    executor = ExecutorProcess(tmp_path, nats.executor, "stopped")
    async with joined(api, executor):
        await api.run(api.grant("/bin/true"))
        keepers = keepers_of(executor.warden_pid)
        for keeper in keepers:
            os.kill(keeper, signal.SIGSTOP)
        grant = api.grant("/usr/bin/touch", str(tmp_path / "done"))
        await api.say(grant)
        lease = Lease(executor.spool)
        api.deaf = True

        async def is_over() -> bool:
            return boottime() > lease.until

        await becomes(is_over)
        for keeper in keepers:
            os.kill(keeper, signal.SIGCONT)
        api.session_over = True
        api.deaf = False
        await api.opened(2)
        assert (await api.run(api.grant("/bin/true"))).outcome == "completed"
        assert not (tmp_path / "done").exists()
