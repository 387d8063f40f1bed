"""Agent, warden, keeper, connection and api go away, each at a bad moment; the work is never in doubt."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import pytest_asyncio

from perdure_contract.specs import Limits
from perdure_contract.wire import Attempt, LogChunk, ProgressMade, Revoke
from tests.support.played_api import ExecutorProcess, PlayedApi, joined, keepers_of, processes_with
from tests.support.stack import NatsUrls, OwnNats
from tests.support.waiting import becomes, eventually

pytestmark = [pytest.mark.integration, pytest.mark.fault]

Start = Callable[..., ExecutorProcess]
CONTINUE = Limits(when_cut_off="continue")


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


async def runs(attempt: Attempt) -> None:
    """Wait until the program of an attempt lives."""

    async def lives() -> bool:
        return bool(processes_with(attempt.run))

    await becomes(lives, what=f"processes of {attempt}")


async def printed(api: PlayedApi, attempt: Attempt, lines: int = 1) -> None:
    async def seen() -> bool:
        return len(api.lines(attempt)) >= lines

    await becomes(seen, what=f"{lines} lines of {attempt}")


async def gone(attempt: Attempt) -> None:
    async def nothing() -> bool:
        return not processes_with(attempt.run)

    await becomes(nothing, what=f"the end of all processes of {attempt}")


def chunks_follow_each_other(api: PlayedApi, attempt: Attempt) -> bool:
    """Tell whether the chunks have neither gap nor overlap, repetitions of the same one aside."""
    chunks = {(chunk.first, chunk.last) for chunk in api.of(attempt, LogChunk)}
    expected = 1
    for first, last in sorted(chunks):
        if first != expected:
            return False
        expected = last + 1
    return True


async def test_a_killed_agent_comes_back_to_the_same_work(
    api: PlayedApi, executor: ExecutorProcess, tmp_path: Path
) -> None:
    mark = tmp_path / "go"
    counting = f"n=1; while [ ! -e {mark} ]; do echo $((n += 1)); sleep 0.02; done"
    grant = api.grant(script=f"echo $$; {counting}; echo end")
    await api.say(grant)
    await printed(api, grant.attempt, 5)
    warden, program = executor.warden_pid, int(api.lines(grant.attempt)[0].text)
    executor.kill_agent()
    executor.start()
    await api.opened(2)

    assert grant.attempt in api.sessions[1].holding
    assert api.sessions[1].previous == api.sessions[0].session
    assert executor.warden_pid == warden
    assert program in processes_with(grant.attempt.run)
    mark.touch()
    ended = await api.ended(grant.attempt)
    assert ended.outcome == "completed"
    rows = api.lines(grant.attempt)
    assert [row.line for row in rows] == list(range(1, ended.usage.lines + 1))
    assert [row.text for row in rows[1:-1]] == [str(row.line) for row in rows[1:-1]]
    assert rows[-1].text == "end"
    assert chunks_follow_each_other(api, grant.attempt)


async def test_what_ended_while_the_agent_was_away_is_reported(
    api: PlayedApi, executor: ExecutorProcess, tmp_path: Path
) -> None:
    mark = tmp_path / "go"
    script = f"echo a; while [ ! -e {mark} ]; do sleep 0.02; done; echo b; exit 7"
    grant = api.grant(script=script)
    await api.say(grant)
    await printed(api, grant.attempt)
    executor.kill_agent()
    mark.touch()
    await gone(grant.attempt)
    executor.start()

    ended = await api.ended(grant.attempt)
    assert ended.failure is not None
    assert ended.failure.exit_code == 7
    assert api.text(grant.attempt) == "a\nb"


async def test_what_ended_is_not_lost_when_agent_and_warden_are_killed_after_it(
    api: PlayedApi, executor: ExecutorProcess
) -> None:
    api.deaf = True
    grant = api.grant(script="echo done; sleep 0.3; exit 5")
    await api.say(grant)
    await runs(grant.attempt)
    await gone(grant.attempt)
    journal = executor.spool / "ended.journal"
    eventually(lambda: journal.stat().st_size)
    executor.kill_agent()
    os.kill(executor.warden_pid, signal.SIGKILL)
    api.deaf = False
    executor.start()

    ended = await api.ended(grant.attempt)
    assert ended.failure is not None
    assert ended.failure.exit_code == 5
    assert api.text(grant.attempt) == "done"


async def test_a_killed_warden_takes_its_programs_along(
    api: PlayedApi, executor: ExecutorProcess
) -> None:
    grant = api.grant(script="trap '' TERM; echo started; setsid sleep 600 & sleep 600; sleep 600")
    await api.say(grant)
    await printed(api, grant.attempt)
    old = executor.warden_pid
    os.kill(old, signal.SIGKILL)

    await gone(grant.attempt)
    await api.opened(2)
    assert grant.attempt not in api.sessions[1].holding
    assert api.outcome(grant.attempt) is None
    eventually(lambda: executor.warden_pid != old)
    assert (await api.run(api.grant("/bin/true"))).outcome == "completed"


async def test_agent_and_warden_killed_together_leave_nothing_behind(
    api: PlayedApi, executor: ExecutorProcess
) -> None:
    grant = api.grant(script="trap '' TERM; echo started; setsid sleep 600 & sleep 600; sleep 600")
    await api.say(grant)
    await printed(api, grant.attempt)
    executor.kill_agent()
    os.kill(executor.warden_pid, signal.SIGKILL)
    await gone(grant.attempt)
    executor.start()

    await api.opened(2)
    assert api.sessions[1].holding == ()
    assert api.outcome(grant.attempt) is None


async def test_strays_are_ended_when_warden_and_keepers_are_killed_at_once(
    api: PlayedApi, executor: ExecutorProcess
) -> None:
    grant = api.grant(script="echo started; setsid sleep 600 & sleep 600")
    await api.say(grant)
    await printed(api, grant.attempt)
    warden = executor.warden_pid
    executor.kill_agent()
    os.kill(warden, signal.SIGSTOP)
    for keeper in keepers_of(warden):
        os.kill(keeper, signal.SIGKILL)
    os.kill(warden, signal.SIGKILL)
    assert processes_with(grant.attempt.run)
    executor.start()

    await api.opened(2)
    assert processes_with(grant.attempt.run) == []
    assert api.sessions[1].holding == ()


async def test_a_killed_keeper_fails_its_attempt_and_ends_its_tree(
    api: PlayedApi, executor: ExecutorProcess
) -> None:
    grant = api.grant(script="echo started; setsid sleep 600 & kill -KILL $PPID; sleep 600")
    ended = await api.run(grant)

    assert ended.failure is not None
    assert ended.failure.reason == "error"
    assert processes_with(grant.attempt.run) == []
    assert (await api.run(api.grant("/bin/true"))).outcome == "completed"


async def test_a_program_cannot_end_keeper_or_warden_by_polite_signals(
    api: PlayedApi, executor: ExecutorProcess
) -> None:
    warden = executor.warden_pid
    script = f"for s in TERM INT HUP; do kill -$s $PPID {warden}; done; sleep 0.1; echo still here"
    grant = api.grant(script=script)
    ended = await api.run(grant)

    assert ended.outcome == "completed"
    assert api.text(grant.attempt) == "still here"
    assert executor.warden_pid == warden


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
        script = f"echo a; while [ ! -e {mark} ]; do sleep 0.02; done; echo b"
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


async def test_with_the_server_killed_the_work_goes_on_and_is_delivered_afterwards(
    own_nats: OwnNats, tmp_path: Path
) -> None:
    async with playing(own_nats.urls, tmp_path) as (api, _):
        mark = tmp_path / "go"
        grant = api.grant(script=f"echo a; while [ ! -e {mark} ]; do sleep 0.02; done; echo b")
        await api.say(grant)
        await printed(api, grant.attempt)
        own_nats.kill()
        mark.touch()
        await gone(grant.attempt)
        own_nats.start()

        assert (await api.ended(grant.attempt)).outcome == "completed"
        assert api.text(grant.attempt) == "a\nb"


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


async def test_progress_reported_before_a_kill_is_not_repeated_after(
    api: PlayedApi, executor: ExecutorProcess, tmp_path: Path
) -> None:
    mark = tmp_path / "go"
    script = f"""echo '{{"progress":{{"done":1}},"checkpoint":{{"cursor":1}}}}' >&3; echo said
while [ ! -e {mark} ]; do sleep 0.02; done; echo '{{"checkpoint":{{"cursor":2}}}}' >&3"""
    grant = api.grant(script=script)
    await api.say(grant)

    async def heard() -> bool:
        return bool(api.of(grant.attempt, ProgressMade)) and bool(api.lines(grant.attempt))

    await becomes(heard)
    executor.kill_agent()
    mark.touch()
    executor.start()
    ended = await api.ended(grant.attempt)

    assert ended.progress is not None
    assert ended.progress.done == 1
    assert ended.checkpoint == 2


def resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def playing(
    nats: NatsUrls, folder: Path, *, lease_seconds: float = 60, **variables: str
) -> AsyncIterator[tuple[PlayedApi, ExecutorProcess]]:
    """A played api with an executor of its own settings, ended afterwards."""
    api = PlayedApi(nats.api, "player", lease_seconds=lease_seconds)
    executor = ExecutorProcess(folder, nats.executor, "player", **variables)
    async with joined(api, executor):
        yield api, executor
