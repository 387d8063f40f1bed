"""Short calls go to a worker many at a time, and share nothing there: real agent, warden, keepers."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from textwrap import dedent

import pytest
import pytest_asyncio
from msgspec.structs import replace

from perdure_contract.specs import Json, PythonSpec
from perdure_contract.wire import Cancel, Grant
from tests.support.played_api import ExecutorProcess, PlayedApi, joined, keepers_of
from tests.support.stack import Servers
from tests.support.waiting import becomes

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

CODE = """
import os, time
from perdure import Context

def say(number):
    print("this is", number)
    os.write(2, b"past Python")
    return number

def fail(number):
    print("fails at", number)
    raise ValueError(number)

def die():
    print("dies")
    os.kill(os.getpid(), 9)

def close():
    os.close(1)
    os.close(2)

def quiet(file, number):
    with open(file, "a") as done:
        done.write(f"{number}\\n")

def quiet_but(file, number, how):
    quiet(file, number)
    if how == "die":
        os.kill(os.getpid(), 9)
    elif how == "fail":
        raise ValueError(number)
    elif how == "say":
        print("this is", number)
    elif how == "return":
        return number
    elif how == "leave":
        os.spawnvp(os.P_NOWAIT, "sleep", ["sleep", "600"])
    elif how == "exit":
        raise SystemExit(3)
    elif how == "hold":
        time.sleep(600)

def wait(mark):
    open(mark, "w").close()
    time.sleep(600)
"""


class Played(PlayedApi):
    """Grants functions of the module `short`."""

    def called(self, func: str, *args: Json) -> Grant:
        grant = self.grant(spec=PythonSpec(func=f"short:{func}", args=args))
        return replace(grant, request=replace(grant.request, trusted_func=True))


@pytest.fixture(scope="module")
def executor(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> ExecutorProcess:
    code = tmp_path_factory.mktemp("short")
    (code / "short.py").write_text(dedent(CODE))
    return ExecutorProcess(
        tmp_path_factory.mktemp("trips"),
        servers.nats.executor,
        "trips",
        PERDURE_PYTHON_PATH=str(code),
        PERDURE_EXECUTOR_SLOTS="2",
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(servers: Servers, executor: ExecutorProcess) -> AsyncIterator[Played]:
    api = Played(servers.nats.api, "trips")
    async with joined(api, executor):
        yield api


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def calls_are_short(api: Played) -> None:
    """Let the executor see that calls are short, as only these share trips."""
    calls = [api.called("say", 0) for _ in range(60)]
    await api.say(*calls)
    for call in calls:
        await api.ended(call.attempt)


async def test_each_call_keeps_its_own_output_result_and_fate(api: Played) -> None:
    said = [api.called("say", number) for number in range(60)]
    failing = [api.called("fail", number) for number in range(5)]
    closing = [api.called("close") for _ in range(5)]
    dying = [api.called("die") for _ in range(2)]
    calls = list(said)
    for others in (failing, closing, dying):
        for at, call in enumerate(others):
            calls.insert(7 * at + 3, call)
    await api.say(*calls)

    for number, call in enumerate(said):
        ended = await api.ended(call.attempt)
        assert (ended.outcome, ended.result) == ("completed", number)
        assert api.text(call.attempt, "stdout") == f"this is {number}"
        assert api.text(call.attempt, "stderr") == "past Python"
    for number, call in enumerate(failing):
        ended = await api.ended(call.attempt)
        assert ended.failure is not None
        assert ended.failure.message == f"ValueError: {number}"
        assert api.text(call.attempt, "stdout") == f"fails at {number}"
    for call in closing:
        assert (await api.ended(call.attempt)).outcome == "completed"
        assert api.text(call.attempt) == ""
    for call in dying:
        ended = await api.ended(call.attempt)
        assert ended.failure is not None
        assert ended.failure.signal == "SIGKILL"


async def test_quiet_calls_are_told_apart_from_those_that_are_not(
    api: Played, tmp_path: Path
) -> None:
    file = tmp_path / "done"
    ways = ("die", "fail", "say", "return", "leave", "exit", "hold")
    calls = [api.called("quiet", str(file), number) for number in range(120)]
    odd = {9 * at + 40: how for at, how in enumerate(ways)}
    for number, how in odd.items():
        calls[number] = api.called("quiet_but", str(file), number, how)
    await api.say(*calls)

    ends = {}
    for number, call in enumerate(calls):
        if odd.get(number) == "hold":
            await _contains(file, number)
            await api.say(Cancel(attempt=call.attempt))
        ended = await api.ended(call.attempt)
        if number in odd:
            ends[odd[number]] = ended
        else:
            assert ended.outcome == "completed"
            assert api.text(call.attempt) == ""
            assert ended.result is None
    assert sorted(map(int, file.read_text().split())) == list(range(120))
    assert [ends[how].outcome for how in ways] == (
        ["failed"] * 2 + ["completed"] * 3 + ["failed", "cancelled"]
    )
    assert ends["return"].result == 9 * 3 + 40
    died, exited = ends["die"].failure, ends["exit"].failure
    assert died is not None
    assert exited is not None
    assert (died.signal, exited.exit_code) == ("SIGKILL", 3)
    assert api.text(calls[9 * 2 + 40].attempt) == f"this is {9 * 2 + 40}"


async def test_quiet_calls_run_once_however_often_their_keeper_is_killed(
    api: Played, executor: ExecutorProcess, tmp_path: Path
) -> None:
    file = tmp_path / "done"
    calls = [api.called("quiet", str(file), number) for number in range(400)]
    await api.say(*calls)
    killed = 0
    for part in (20, 120, 220):
        await _contains(file, part)
        for keeper in keepers_of(executor.warden_pid):
            os.kill(keeper, signal.SIGKILL)
            killed += 1

    outcomes = [(await api.ended(call.attempt)).outcome for call in calls]
    done = [int(line) for line in file.read_text().split()]
    assert len(done) == len(set(done))
    assert {number for number, how in enumerate(outcomes) if how == "completed"} <= set(done)
    assert outcomes.count("failed") <= killed


async def test_what_is_behind_a_long_call_does_not_wait_for_it(api: Played, tmp_path: Path) -> None:
    long = api.called("wait", str(tmp_path / "mark"))
    behind = [api.called("say", number) for number in range(40)]
    await api.say(long, *behind)

    for number, call in enumerate(behind):
        assert (await api.ended(call.attempt)).result == number
    assert api.outcome(long.attempt) is None
    await api.say(Cancel(attempt=long.attempt))
    assert (await api.ended(long.attempt)).outcome == "cancelled"


async def test_what_is_cancelled_behind_long_calls_never_begins(
    api: Played, tmp_path: Path
) -> None:
    long = [api.called("wait", str(tmp_path / f"mark{number}")) for number in range(2)]
    behind = [api.called("say", number) for number in range(10)]
    await api.say(long[0], *behind[:5], long[1], *behind[5:])
    for call in long:
        await _appears(Path(str(_args(call)[0])))
    left = [call for call in behind if api.outcome(call.attempt) is None]
    await api.say(*(Cancel(attempt=call.attempt) for call in (*left, *long)))

    for call in long:
        assert (await api.ended(call.attempt)).outcome == "cancelled"
    for call in behind:
        ended = await api.ended(call.attempt)
        assert (ended.outcome == "completed") == bool(api.text(call.attempt))


async def test_a_killed_keeper_takes_only_what_it_had_begun_with_it(
    api: Played, executor: ExecutorProcess, tmp_path: Path
) -> None:
    long = api.called("wait", str(tmp_path / "mark"))
    behind = [api.called("say", number) for number in range(30)]
    await api.say(long, *behind)
    await _appears(tmp_path / "mark")
    killed = keepers_of(executor.warden_pid)
    for keeper in killed:
        os.kill(keeper, signal.SIGKILL)

    ended = await api.ended(long.attempt)
    assert ended.failure is not None
    assert "killed" in ended.failure.message
    broken = 0
    for call in behind:
        ended = await api.ended(call.attempt)
        broken += ended.outcome != "completed"
    assert broken < len(killed)  # what another keeper had just begun


async def test_calls_that_were_not_begun_when_the_agent_is_killed_run_once(
    api: Played, executor: ExecutorProcess, tmp_path: Path
) -> None:
    long = api.called("wait", str(tmp_path / "mark"))
    behind = [api.called("say", number) for number in range(30)]
    await api.say(long, *behind)
    await _appears(tmp_path / "mark")
    sessions = len(api.sessions)
    executor.kill_agent()
    executor.start()
    await api.opened(sessions + 1)

    for number, call in enumerate(behind):
        assert (await api.ended(call.attempt)).result == number
        assert api.text(call.attempt, "stdout") == f"this is {number}"
    await api.say(Cancel(attempt=long.attempt))
    assert (await api.ended(long.attempt)).outcome == "cancelled"


def _args(call: Grant) -> tuple[Json, ...]:
    assert isinstance(call.request.spec, PythonSpec)
    return tuple(call.request.spec.args)


async def _contains(file: Path, number: int) -> None:
    async def there() -> bool:
        return _is_in(file, number)

    await becomes(there, what=f"{number} in {file}")


def _is_in(file: Path, number: int) -> bool:
    return str(number) in file.read_text().split()


async def _appears(file: Path) -> None:
    async def there() -> bool:
        return _is_there(file)

    await becomes(there, what=str(file))


def _is_there(file: Path) -> bool:
    return file.exists()
