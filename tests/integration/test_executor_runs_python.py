"""What one call of a function gets, says and leaves: real agent, warden, keeper and worker."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from textwrap import dedent

import pytest
import pytest_asyncio
from msgspec.structs import replace

from perdure_contract.specs import Json, Limits, PythonSpec
from perdure_contract.wire import Cancel, Checkpoint, Ended, Grant
from tests.support.played_api import ExecutorProcess, PlayedApi, joined
from tests.support.stack import Servers
from tests.support.waiting import becomes

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

CODE = """
import asyncio, logging, os, subprocess, sys, threading, time
from perdure import Context

def add(a, b=1):
    return a + b

def speak(ctx: Context):
    print("on standard output")
    print("on standard error", file=sys.stderr)
    logging.getLogger("mine").info("through logging")
    ctx.log.warning("through the context")
    os.write(1, b"past Python\\n")
    subprocess.run(["/bin/echo", "from a child"])
    ctx.progress(1, 2)
    ctx.metrics(cost=1.5)
    return dict(os.environ)

def inner():
    raise LookupError("no such thing")

def outer():
    try:
        inner()
    except LookupError as error:
        raise ValueError("it went wrong") from error

def compute(mark):
    open(mark, "w").close()
    while True:
        sum(range(1000))

def sleep(mark):
    open(mark, "w").close()
    time.sleep(600)

async def wait(mark):
    open(mark, "w").close()
    await asyncio.sleep(600)

def look(ctx: "Context", mark):
    open(mark, "w").close()
    while not ctx.cancelled:
        time.sleep(0.01)
    print("seen")

def die(how):
    os.write(1, b"last words\\n")
    os.kill(os.getpid(), 11) if how == "segv" else how == "exit" and os._exit(7)
    sys.exit(3)

async def later(ctx: Context, value):
    await asyncio.sleep(0)
    ctx.progress(1)
    return value

def unwritable():
    return object()

def large():
    return "x" * 70000

def leave():
    subprocess.Popen(["/bin/sleep", "600"])
    threading.Thread(target=time.sleep, args=(600,)).start()
    return os.getpid()

def who():
    return os.getpid()

def slow(go, end):
    open(go, "w").close()
    while not os.path.exists(end):
        time.sleep(0.01)
    print("carried on")
    return "whole"

def count(ctx: Context, last):
    seen = list(ctx.items(last))
    return {"seen": seen, "resumed": ctx.resume is not None and ctx.resume.cursor}
"""


class Played(PlayedApi):
    """Grants functions of the module `tasks`."""

    def called(
        self, func: str, *args: Json, trusted: bool = False, limits: Limits | None = None,
        from_checkpoint: Checkpoint | None = None,
    ) -> Grant:  # fmt: skip
        spec = PythonSpec(func=func if ":" in func or "." in func else f"tasks:{func}", args=args)
        grant = self.grant(spec=spec, limits=limits, from_checkpoint=from_checkpoint)
        if not trusted:
            return grant
        return replace(grant, request=replace(grant.request, trusted_func=True))

    async def call(self, func: str, *args: Json, trusted: bool = False) -> Ended:
        return await self.run(self.called(func, *args, trusted=trusted))


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("code")
    (folder / "tasks.py").write_text(dedent(CODE))
    (folder / "secret.py").write_text("def open_sesame():\n    return 'open'\n")
    (folder / "broken.py").write_text("import nothing_of_this_name\n")
    return folder


@pytest.fixture(scope="module")
def executor(
    servers: Servers, tmp_path_factory: pytest.TempPathFactory, code: Path
) -> ExecutorProcess:
    return ExecutorProcess(
        tmp_path_factory.mktemp("python"),
        servers.nats.executor,
        "python",
        PERDURE_PYTHON_PATH=str(code),
        PERDURE_PYTHON_ALLOW="tasks,broken,perdure.demo",
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(servers: Servers, executor: ExecutorProcess) -> AsyncIterator[Played]:
    api = Played(servers.nats.api, "python")
    async with joined(api, executor):
        yield api


async def appears(file: Path) -> None:
    async def there() -> bool:
        return is_there(file)

    await becomes(there, what=str(file))


def is_there(file: Path | str) -> bool:
    return Path(file).exists()


def failure_of(ended: Ended) -> tuple[str, str]:
    assert ended.failure is not None
    return ended.failure.reason, ended.failure.message


async def test_what_a_function_returns_is_the_result(api: Played) -> None:
    spec = PythonSpec(func="tasks.add", args=(1,), kwargs={"b": 41})
    ended = await api.run(api.grant(spec=spec))

    assert (ended.outcome, ended.result, ended.failure) == ("completed", 42, None)
    assert ended.usage.cpu_seconds > 0
    assert ended.usage.peak_memory_bytes > 1_000_000


async def test_all_that_is_printed_and_logged_is_told_apart(api: Played) -> None:
    grant = api.called("speak")
    ended = await api.run(grant)

    assert api.text(grant.attempt, "stdout") == "on standard output\npast Python\nfrom a child"
    assert api.text(grant.attempt, "stderr") == (
        "on standard error\nINFO mine: through logging\nWARNING perdure: through the context"
    )
    assert ended.progress is not None
    assert (ended.progress.done, ended.progress.total) == (1, 2)
    assert ended.metrics == {"cost": 1.5}


async def test_the_environment_is_that_of_commands(api: Played) -> None:
    grant = api.called("speak")
    ended = await api.run(grant)

    assert isinstance(ended.result, dict)
    assert ended.result["PERDURE_RUN_ID"] == grant.attempt.run
    assert ended.result["PERDURE_ATTEMPT"] == "1"
    assert not {"PERDURE_NATS_URL", "PERDURE_DATA_DIR"} & ended.result.keys()


async def test_what_is_raised_comes_back_with_the_users_frames(api: Played) -> None:
    grant = api.called("outer")
    ended = await api.run(grant)

    assert failure_of(ended) == ("error", "ValueError: it went wrong")
    shown = api.text(grant.attempt, "stderr")
    assert "LookupError: no such thing" in shown
    assert shown.endswith("ValueError: it went wrong")
    assert "perdure_executor" not in shown
    assert "in outer" in shown


@pytest.mark.parametrize("func", ["compute", "sleep", "wait"])
async def test_a_cancel_interrupts_whatever_it_does(api: Played, func: str, tmp_path: Path) -> None:
    grant = api.called(func, str(tmp_path / "mark"), limits=Limits(grace_seconds=600))
    await api.say(grant)
    await appears(tmp_path / "mark")
    await api.say(Cancel(attempt=grant.attempt))

    assert (await api.ended(grant.attempt)).outcome == "cancelled"
    assert "Cancelled" in api.text(grant.attempt, "stderr")


async def test_a_function_that_looks_ends_by_itself(api: Played, tmp_path: Path) -> None:
    grant = api.called("look", str(tmp_path / "mark"), limits=Limits(grace_seconds=600))
    await api.say(grant)
    await appears(tmp_path / "mark")
    await api.say(Cancel(attempt=grant.attempt))

    assert (await api.ended(grant.attempt)).outcome == "cancelled"
    assert api.text(grant.attempt) == "seen"


async def test_a_time_limit_ends_it_and_says_where_it_was(api: Played, tmp_path: Path) -> None:
    await api.call("who")  # so that a worker is warm, and knows the module
    grant = api.called("sleep", str(tmp_path / "mark"), limits=Limits(timeout_seconds=1))
    ended = await api.run(grant)

    assert failure_of(ended)[0] == "timeout"
    assert "time.sleep(600)" in api.text(grant.attempt, "stderr")


async def test_a_worker_that_dies_takes_no_neighbour_with_it(api: Played, tmp_path: Path) -> None:
    neighbour = api.called("slow", str(tmp_path / "go"), str(tmp_path / "end"))
    await api.say(neighbour)
    await appears(tmp_path / "go")
    crashing = api.called("die", "segv")
    crashed = await api.run(crashing)
    left = await api.call("die", "exit")
    exited = await api.call("die", "sys.exit")
    (tmp_path / "end").touch()

    assert crashed.failure is not None
    assert (crashed.failure.reason, crashed.failure.signal) == ("signal", "SIGSEGV")
    assert api.text(crashing.attempt, "stdout") == "last words"
    assert "Segmentation fault" in api.text(crashing.attempt, "stderr")
    for ended, code in ((left, 7), (exited, 3)):
        assert ended.failure is not None
        assert (ended.failure.reason, ended.failure.exit_code) == ("exit", code)
    assert (await api.ended(neighbour.attempt)).result == "whole"


async def test_an_async_function_gets_its_context(api: Played) -> None:
    ended = await api.call("later", {"a": [1, None]})

    assert ended.result == {"a": [1, None]}
    assert ended.progress is not None


async def test_a_result_that_cannot_be_kept_says_why(api: Played) -> None:
    assert failure_of(await api.call("unwritable"))[1].startswith(
        "ValueError: The result cannot be written as JSON"
    )
    assert "70002 bytes" in failure_of(await api.call("large"))[1]


@pytest.mark.parametrize(
    ("func", "words"),
    [
        ("secret:open_sesame", "PERDURE_PYTHON_ALLOW does not name"),
        ("tasks:os.system", "goes through the module os"),
        ("tasks:Context", "defined in perdure.context"),
        ("tasks:nothing", "has no nothing"),
        ("tasks.none:at_all", "no module tasks.none"),
        ("broken:thing", "No module named 'nothing_of_this_name'"),
        ("tasks:__name__", "two underscores"),
    ],
)
async def test_what_may_not_or_cannot_be_called_is_rejected(
    api: Played, func: str, words: str
) -> None:
    reason, message = failure_of(await api.call(func))

    assert reason == "rejected"
    assert words in message


async def test_functions_of_the_jobs_file_are_allowed_as_named(api: Played) -> None:
    assert (await api.call("secret:open_sesame", trusted=True)).result == "open"


async def test_what_a_call_leaves_behind_is_ended(api: Played) -> None:
    ended = await api.call("leave")

    assert ended.outcome == "completed"
    assert not is_there(f"/proc/{ended.result}")


async def test_a_changed_module_is_loaded_anew(api: Played, code: Path) -> None:
    module = code / "tasks.py"
    before = [await api.call("who"), await api.call("who")]
    text = module.read_text()
    module.write_text(text.replace("return os.getpid()", "return 'changed'[:6]"))
    after = await api.call("who")
    module.write_text(text)

    assert all(isinstance(ended.result, int) for ended in before)
    assert after.result == "change"


async def test_items_go_on_after_the_checkpoint(api: Played) -> None:
    first = api.called("count", ["a", "b", "c"])
    whole = await api.run(first)
    mark = Checkpoint(number=7, cursor={"item": 2, "key": 2}, state=None)
    again = api.called("count", ["a", "b", "c"], from_checkpoint=mark)
    resumed = await api.run(again)

    assert whole.result == {"seen": ["a", "b", "c"], "resumed": False}
    assert resumed.result == {"seen": ["c"], "resumed": {"item": 2, "key": 2}}
    assert api.of(first.attempt, Checkpoint)[-1].cursor == {"item": 3, "key": 3}


async def test_a_killed_agent_is_followed_by_one_that_takes_over(
    api: Played, executor: ExecutorProcess, tmp_path: Path
) -> None:
    grant = api.called("slow", str(tmp_path / "go"), str(tmp_path / "end"))
    await api.say(grant)
    await appears(tmp_path / "go")
    executor.kill_agent()
    executor.start()
    await api.opened(len(api.sessions) + 1)
    (tmp_path / "end").touch()
    ended = await api.ended(grant.attempt)

    assert (ended.outcome, ended.result) == ("completed", "whole")
    assert api.text(grant.attempt) == "carried on"
    assert grant.attempt in api.sessions[-1].holding


async def test_a_killed_warden_takes_its_workers_with_it(
    api: Played, executor: ExecutorProcess, tmp_path: Path
) -> None:
    grant = api.called("slow", str(tmp_path / "go"), str(tmp_path / "end"))
    worker = (await api.call("who")).result
    await api.say(grant)
    await appears(tmp_path / "go")
    sessions = len(api.sessions)
    os.kill(executor.warden_pid, 9)
    await api.opened(sessions + 1)

    assert grant.attempt in api.sessions[-1].lost
    assert (await api.call("add", 1)).result == 2

    async def gone() -> bool:
        return not is_there(f"/proc/{worker}")

    await becomes(gone, what="the end of the worker")
