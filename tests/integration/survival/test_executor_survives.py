"""Agent, warden, keeper and NATS are killed, each at a bad moment; the work is never in doubt."""

import os
import signal
from pathlib import Path

import pytest

from perdure_contract.wire import Attempt, LogChunk, ProgressMade
from tests.support.attempts import gone, printed, runs, until
from tests.support.played_api import (
    ExecutorProcess,
    PlayedApi,
    keepers_of,
    playing,
    processes_with,
)
from tests.support.stack import OwnNats
from tests.support.waiting import becomes, eventually

pytestmark = [pytest.mark.integration, pytest.mark.fault]


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
    script = f"echo a; {until(mark)}; echo b; exit 7"
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


async def test_with_the_server_killed_the_work_goes_on_and_is_delivered_afterwards(
    own_nats: OwnNats, tmp_path: Path
) -> None:
    async with playing(own_nats.urls, tmp_path) as (api, _):
        mark = tmp_path / "go"
        grant = api.grant(script=f"echo a; {until(mark)}; echo b")
        await api.say(grant)
        await printed(api, grant.attempt)
        own_nats.kill()
        mark.touch()
        await gone(grant.attempt)
        own_nats.start()

        assert (await api.ended(grant.attempt)).outcome == "completed"
        assert api.text(grant.attempt) == "a\nb"


async def test_progress_reported_before_a_kill_is_not_repeated_after(
    api: PlayedApi, executor: ExecutorProcess, tmp_path: Path
) -> None:
    mark = tmp_path / "go"
    script = f"""echo '{{"progress":{{"done":1}},"checkpoint":{{"cursor":1}}}}' >&3; echo said
{until(mark)}; echo '{{"checkpoint":{{"cursor":2}}}}' >&3"""
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
