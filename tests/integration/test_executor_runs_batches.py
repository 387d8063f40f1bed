"""What an executor does with a batch: items come in pages, outcomes go out in few reports."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from perdure_contract.specs import BatchSpec, CommandSpec, InputRef, Json, Limits
from perdure_contract.wire import Attempt, Cancel, Grant, ItemsRecorded, ItemToDo
from tests.support.played_api import ExecutorProcess, PlayedApi, joined, processes_with
from tests.support.stack import Servers
from tests.support.waiting import becomes

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def executor(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> ExecutorProcess:
    return ExecutorProcess(tmp_path_factory.mktemp("batches"), servers.nats.executor, "batches")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(servers: Servers, executor: ExecutorProcess) -> AsyncIterator[PlayedApi]:
    api = PlayedApi(servers.nats.api, "batches")
    async with joined(api, executor):
        yield api


@pytest.fixture
def counted(tmp_path: Path) -> Path:
    """A file to which each item appends its number."""
    file = tmp_path / "counted"
    file.touch()
    return file


def granted(
    api: PlayedApi, script: str, items: list[ItemToDo], *more: str, **fields: Json
) -> Grant:
    """Make a grant of a script for each item, which is its first argument."""
    each = CommandSpec(argv=("bash", "-c", script, "bash", "{item}", *more))
    given = InputRef(input="i", sha256="s", total=len(items))
    spec = BatchSpec(each=each, input=given, **fields)
    grant = api.grant(spec=spec, limits=Limits(grace_seconds=5))
    api.items[grant.attempt] = items
    return grant


def numbers(first: int, last: int) -> list[ItemToDo]:
    return [ItemToDo(n, f"key {n}", n) for n in range(first, last + 1)]


def done(api: PlayedApi, attempt: Attempt) -> dict[int, str]:
    found = api.outcomes(attempt)
    assert len({item.ordinal for item in found}) == len(found), "none is reported twice"
    return {item.ordinal: item.outcome for item in found}


def begun(file: Path) -> list[int]:
    """Give the items that have appended themselves."""
    return [int(word) for word in file.read_text().split()]


async def has_counted(file: Path, lines: int) -> None:
    async def enough() -> bool:
        return len(begun(file)) >= lines

    await becomes(enough, what=f"{lines} items were begun")


async def test_items_come_in_pages_and_their_outcomes_in_one_report(
    api: PlayedApi, executor: ExecutorProcess
) -> None:
    api.page_items = 7
    grant = granted(api, "echo $1; exit $(($1 % 10 == 0))", numbers(1, 25), concurrency=2)
    ended = await api.run(grant)

    assert ended.outcome == "completed"
    assert ended.checkpoint == 1
    assert ended.progress is not None
    assert (ended.progress.done, ended.progress.total, ended.progress.unit) == (25, 25, "items")
    [report] = api.of(grant.attempt, ItemsRecorded)
    assert (report.number, report.begun) == (1, ())
    failed = [item for item in api.outcomes(grant.attempt) if item.outcome == "failed"]
    assert [(item.ordinal, item.key, item.error) for item in failed] == [
        (10, "key 10", "exit code 1"),
        (20, "key 20", "exit code 1"),
    ]
    assert len(done(api, grant.attempt)) == 25
    assert len(api.lines(grant.attempt)) == 25


async def test_without_its_items_or_its_program_a_batch_is_rejected(
    api: PlayedApi, executor: ExecutorProcess
) -> None:
    grant = granted(api, "true", numbers(1, 3))
    del api.items[grant.attempt]
    gone = await api.run(grant)
    spec = BatchSpec(
        each=CommandSpec(argv=("/no/such/program",)),
        input=InputRef(input="i", sha256="s", total=1),
    )
    missing = api.grant(spec=spec)
    api.items[missing.attempt] = numbers(1, 1)
    unknown = await api.run(missing)

    for ended, words in ((gone, "deleted"), (unknown, "does not exist")):
        assert ended.failure is not None
        assert ended.failure.reason == "rejected"
        assert words in ended.failure.message


async def test_what_waits_for_its_items_can_be_cancelled_and_outlives_the_agent(
    api: PlayedApi, executor: ExecutorProcess, counted: Path
) -> None:
    api.hold_items = True
    given_up = granted(api, "true", numbers(1, 3))
    waiting = granted(api, "echo $1 >>$2", numbers(1, 3), str(counted))
    await api.say(given_up, waiting)

    async def both_ask() -> bool:
        return api.items_asked >= 4

    await becomes(both_ask, what="items are asked for")
    await api.say(Cancel(attempt=given_up.attempt))
    assert (await api.ended(given_up.attempt)).outcome == "cancelled"
    executor.kill_agent()
    sessions = len(api.sessions)
    executor.start()
    await api.opened(sessions + 1)
    api.hold_items = False

    assert (await api.ended(waiting.attempt)).outcome == "completed"
    assert begun(counted) == [1, 2, 3]


async def test_too_many_failures_end_it_in_plain_words(
    api: PlayedApi, executor: ExecutorProcess
) -> None:
    grant = granted(api, "exit 3", numbers(1, 9), stop_after_failures=2)
    ended = await api.run(grant)

    assert ended.outcome == "failed"
    assert ended.failure is not None
    assert ended.failure.reason == "error"
    assert "item 2 (key 2): exit code 3" in ended.failure.message
    assert done(api, grant.attempt) == {1: "failed", 2: "failed"}


async def test_cancel_keeps_what_is_done_and_names_what_was_begun(
    api: PlayedApi, executor: ExecutorProcess, counted: Path
) -> None:
    script = "echo $1 >>$2; [ $1 -le 4 ] || sleep 600"
    grant = granted(api, script, numbers(1, 9), str(counted))
    await api.say(grant)
    await has_counted(counted, 5)
    await api.say(Cancel(attempt=grant.attempt))
    ended = await api.ended(grant.attempt)

    assert ended.outcome == "cancelled"
    assert done(api, grant.attempt) == dict.fromkeys(range(1, 5), "done")
    assert api.of(grant.attempt, ItemsRecorded)[-1].begun == (5,)
    assert begun(counted) == [1, 2, 3, 4, 5]


async def test_a_killed_agent_reports_each_item_once(
    api: PlayedApi, executor: ExecutorProcess, counted: Path
) -> None:
    script = "echo $1 >>$2; sleep 0.03"
    grant = granted(api, script, numbers(1, 60), str(counted), concurrency=2)
    await api.say(grant)
    for lines in (10, 30):
        await has_counted(counted, lines)
        executor.kill_agent()
        sessions = len(api.sessions)
        executor.start()
        await api.opened(sessions + 1)
    ended = await api.ended(grant.attempt)

    assert ended.outcome == "completed"
    assert done(api, grant.attempt) == dict.fromkeys(range(1, 61), "done")
    assert sorted(begun(counted)) == list(range(1, 61))


@pytest.mark.fault
async def test_what_was_done_before_the_warden_was_killed_is_told_before_the_loss(
    api: PlayedApi, executor: ExecutorProcess, counted: Path
) -> None:
    script = "echo $1 >>$2; [ $1 -le 7 ] || sleep 600"
    grant = granted(api, script, numbers(1, 9), str(counted), concurrency=2)
    await api.say(grant)
    await has_counted(counted, 9)
    sessions = len(api.sessions)
    executor.kill_warden()
    await api.opened(sessions + 1)

    assert grant.attempt in api.sessions[-1].lost
    assert done(api, grant.attempt) == dict.fromkeys(range(1, 8), "done")
    assert api.of(grant.attempt, ItemsRecorded)[-1].begun == (8, 9)
    assert api.outcome(grant.attempt) is None
    assert processes_with(grant.attempt.run) == []


async def test_the_progress_counts_what_was_done_before(
    api: PlayedApi, executor: ExecutorProcess
) -> None:
    each = CommandSpec(argv=("true",))
    spec = BatchSpec(each=each, input=InputRef(input="i", sha256="s", total=30))
    grant = api.grant(spec=spec, items_done=20, first_checkpoint_number=4)
    api.items[grant.attempt] = numbers(21, 30)
    ended = await api.run(grant)

    live = [json.loads(data) for subject, data in api.live if grant.attempt.run in subject]
    assert live[-1]["progress"]["done"] in range(20, 31)
    assert ended.progress is not None
    assert (ended.progress.done, ended.progress.total) == (30, 30)
    assert [report.number for report in api.of(grant.attempt, ItemsRecorded)] == [4]
