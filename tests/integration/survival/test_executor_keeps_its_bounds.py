"""What an executor keeps to: its lease, the api's word, its name, its settings, little memory and disk."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from perdure_contract.specs import Limits
from perdure_contract.wire import Attempt, Revoke
from tests.support.attempts import gone, printed, runs, until
from tests.support.played_api import (
    ExecutorProcess,
    PlayedApi,
    keepers_of,
    playing,
    processes_with,
)
from tests.support.stack import NatsUrls
from tests.support.waiting import becomes, eventually

pytestmark = [pytest.mark.integration, pytest.mark.fault]

CONTINUE = Limits(when_cut_off="continue")


async def test_a_lost_answer_brings_the_same_batch_again(
    api: PlayedApi, executor: ExecutorProcess
) -> None:
    api.forget_next_answers = 1
    grant = api.grant(script="echo once")
    await api.say(grant)

    async def heard_twice() -> bool:
        return len(api.batches) >= 2

    await becomes(heard_twice)
    assert api.batches[0].reports == api.batches[1].reports[: len(api.batches[0].reports)]


async def test_a_refused_report_ends_the_attempt(nats: NatsUrls, tmp_path: Path) -> None:
    async with playing(nats, tmp_path, lease_seconds=3) as (api, _):
        grant = api.grant(script="while true; do echo line; sleep 0.05; done")
        api.fenced.add(grant.attempt.run)
        await api.say(grant)
        await printed(api, grant.attempt)

        await gone(grant.attempt)
        assert api.outcome(grant.attempt) is None
        await not_held(api, grant.attempt)


async def test_a_revoked_attempt_is_killed_and_says_nothing_more(
    api: PlayedApi, executor: ExecutorProcess
) -> None:
    grant = api.grant(script="trap '' TERM; echo started; sleep 600; sleep 600")
    await api.say(grant)
    await printed(api, grant.attempt)
    await api.say(Revoke(attempt=grant.attempt))

    await gone(grant.attempt)
    assert (await api.run(api.grant("/bin/true"))).outcome == "completed"
    assert api.outcome(grant.attempt) is None


async def not_held(api: PlayedApi, attempt: Attempt) -> None:
    heard = len(api.beats)

    async def dropped() -> bool:
        return len(api.beats) > heard and attempt not in api.beats[-1].holding

    await becomes(dropped, what=f"{attempt} is held no more")


async def test_a_session_that_is_over_ends_the_work_and_a_new_one_opens(
    nats: NatsUrls, tmp_path: Path
) -> None:
    async with playing(nats, tmp_path, lease_seconds=3) as (api, _):
        ends, goes_on = (
            api.grant("/bin/sleep", "600"),
            api.grant("/bin/sleep", "600", limits=CONTINUE),
        )
        await api.say(ends, goes_on)
        await runs(ends.attempt)
        await runs(goes_on.attempt)
        api.session_over = True
        await api.opened(2)

        assert processes_with(ends.attempt.run) == []
        assert api.sessions[1].holding == (goes_on.attempt,)
        assert processes_with(goes_on.attempt.run)


async def test_cut_off_work_ends_before_the_lease_or_goes_on_as_asked(
    nats: NatsUrls, tmp_path: Path
) -> None:
    async with playing(nats, tmp_path, lease_seconds=2) as (api, _):
        mark = tmp_path / "go"
        ends = api.grant("/bin/sleep", "600")
        script = f"echo a; {until(mark)}; echo b"
        goes_on = api.grant(script=script, limits=CONTINUE)
        await api.say(ends, goes_on)
        await runs(ends.attempt)
        await printed(api, goes_on.attempt)
        api.deaf = True
        await gone(ends.attempt)
        assert processes_with(goes_on.attempt.run)
        mark.touch()
        await gone(goes_on.attempt)
        api.deaf = False

        assert (await api.ended(goes_on.attempt)).outcome == "completed"
        assert api.text(goes_on.attempt) == "a\nb"
        await api.opened(2)
        assert ends.attempt not in api.sessions[-1].holding
        assert api.outcome(ends.attempt) is None
        assert (await api.run(api.grant("/bin/true"))).outcome == "completed"


async def test_keepers_hold_the_lease_while_agent_and_warden_are_stopped(
    nats: NatsUrls, tmp_path: Path
) -> None:
    async with playing(nats, tmp_path, lease_seconds=2) as (api, executor):
        grant = api.grant(script="trap '' TERM; while true; do sleep 0.05; done")
        await api.say(grant)
        await runs(grant.attempt)
        warden, agent = executor.warden_pid, executor.agent
        assert agent is not None
        for pid in (agent.pid, warden):
            os.kill(pid, signal.SIGSTOP)
        await gone(grant.attempt)
        api.session_over = True
        for pid in (agent.pid, warden):
            os.kill(pid, signal.SIGCONT)

        await api.opened(2)
        assert grant.attempt not in api.sessions[-1].holding
        assert (await api.run(api.grant("/bin/true"))).outcome == "completed"


async def test_a_clean_stop_gives_the_work_back(api: PlayedApi, executor: ExecutorProcess) -> None:
    polite = api.grant(
        script="trap 'echo bye; exit 0' TERM; echo hello; while :; do sleep 0.02; done"
    )
    stubborn = api.grant(script="trap '' TERM; echo hello; while :; do sleep 0.02; done")
    waiting = [api.grant("/bin/sleep", "600") for _ in range(4)]
    await api.say(polite, stubborn, *waiting)
    await printed(api, polite.attempt)
    await printed(api, stubborn.attempt)
    warden = executor.warden_pid
    code = await asyncio.to_thread(executor.stop)

    assert code == 0
    for grant in (polite, stubborn, *waiting):
        assert (await api.ended(grant.attempt)).outcome == "released"
        assert processes_with(grant.attempt.run) == []
    # The shell may also tell that its sleep was ended.
    assert [line for line in api.text(polite.attempt).splitlines() if line != "Terminated"] == [
        "hello",
        "bye",
    ]
    assert api.beats[-1].leaving
    eventually(lambda: not Path(f"/proc/{warden}").exists())
    assert not (executor.spool / "warden.json").exists()


async def test_a_second_executor_of_the_name_is_refused(
    api: PlayedApi, executor: ExecutorProcess, nats: NatsUrls, tmp_path: Path
) -> None:
    same_directory = ExecutorProcess(tmp_path, nats.executor, "survivor")
    same_directory.start()
    assert same_directory.agent is not None
    assert await asyncio.to_thread(same_directory.agent.wait, 20) == 2
    assert "already runs" in executor.said()

    elsewhere = ExecutorProcess(tmp_path / "elsewhere", nats.executor, "survivor")
    elsewhere.folder.mkdir()
    api.refuse_session = "Another executor named survivor is alive."
    elsewhere.start()
    assert elsewhere.agent is not None
    assert await asyncio.to_thread(elsewhere.agent.wait, 20) == 2
    assert elsewhere.said().splitlines()[-1] == "Another executor named survivor is alive."


def test_wrong_settings_are_one_line_and_exit_code_2(tmp_path: Path) -> None:
    executor = ExecutorProcess(tmp_path, "http://no-nats", "wrong")
    executor.start()
    assert executor.agent is not None

    assert executor.agent.wait(20) == 2
    assert executor.said().splitlines() == [
        "PERDURE_NATS_URL is not an address of NATS: it begins with nats:// or tls://."
    ]


async def test_a_program_that_is_not_on_the_list_is_rejected(
    nats: NatsUrls, tmp_path: Path
) -> None:
    async with playing(nats, tmp_path, PERDURE_PROGRAMS="/bin/true:/bin/sh") as (api, _):
        link = tmp_path / "true"
        link.symlink_to("/bin/ls")
        for argv in (("/bin/ls",), (str(link),), ("ls",)):
            ended = await api.run(api.grant(*argv))
            assert ended.failure is not None
            assert ended.failure.reason == "rejected"
        assert (await api.run(api.grant("true"))).outcome == "completed"


async def test_secrets_of_the_agent_are_in_no_other_process_and_files_are_private(
    api: PlayedApi, executor: ExecutorProcess
) -> None:
    grant = api.grant(script='echo x; echo \'{"progress":{"done":1}}\' >&3; sleep 600')
    await api.say(grant)
    await printed(api, grant.attempt)

    warden = executor.warden_pid
    family = {warden, *keepers_of(warden), *processes_with(grant.attempt.run)}
    assert len(family) >= 3
    assert not family & set(processes_with("PERDURE_NATS_URL"))
    assert executor.spool.stat().st_mode & 0o077 == 0
    for path in executor.spool.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


async def test_floods_do_not_fill_memory_or_disk(api: PlayedApi, executor: ExecutorProcess) -> None:
    limits = Limits(log_bytes=2_000_000)
    grants = [api.grant(script="yes | head -c 200000000", limits=limits) for _ in range(2)]
    await api.say(*grants)
    most = 0

    async def both_ended() -> bool:
        nonlocal most
        work = executor.spool / "work"
        with suppress(FileNotFoundError):
            most = max(most, sum(path.stat().st_size for path in work.iterdir()))
        return all(api.outcome(grant.attempt) for grant in grants)

    await becomes(both_ended, 60)
    assert executor.agent is not None
    for pid in (executor.agent.pid, executor.warden_pid):
        assert resident(pid) < 150_000_000
    assert most < 10_000_000
    for grant in grants:
        kept = [row for row in api.lines(grant.attempt) if not row.omitted_lines]
        assert sum(len(row.text) + 1 for row in kept) <= 2_000_000


async def test_the_warden_is_small(api: PlayedApi, executor: ExecutorProcess) -> None:
    await api.run(api.grant("/bin/true"))

    assert resident(executor.warden_pid) < 20_000_000


async def test_a_long_path_of_the_data_directory_is_fine(nats: NatsUrls, tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 20) / ("path" * 20)
    folder.mkdir(parents=True)
    async with playing(nats, folder) as (api, _):
        assert (await api.run(api.grant("/bin/true"))).outcome == "completed"


def resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
