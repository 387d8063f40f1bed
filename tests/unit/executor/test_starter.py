"""Attempts that wait for a slot: how long, and what becomes of them then."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from perdure_contract.specs import PythonSpec, RunRequest
from perdure_contract.wire import Attempt, Ended, Grant, Report, decode
from perdure_executor import starter as starting
from perdure_executor.carried import Carried
from perdure_executor.custody import Custody
from perdure_executor.ledger import Ledger
from perdure_executor.runners.runner import Fetch
from perdure_executor.settings import from_environment
from perdure_executor.spool import Spool
from perdure_executor.starter import EARLY_SECONDS, PATIENCE_SECONDS, Starter
from perdure_executor.warden.lease import Lease

HERE = {"PERDURE_NATS_URL": "nats://here", "PERDURE_EXECUTOR_SLOTS": "1"}


async def test_what_found_no_slot_goes_back_at_the_first_look_though_timers_come_a_little_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Callable[[], None]] = []
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "call_later", lambda _, look: looks.append(look))
    spool, lease = Spool(tmp_path), Lease(tmp_path)
    ledger = Ledger(spool, lambda _: None)
    request = RunRequest(name="one", spec=PythonSpec(func="perdure.demo:noop"))
    attempt = Attempt(run="run", number=1, fence=2)
    carried = Carried(
        Grant(attempt=attempt, session="s", tenant="t", request=request), str(tmp_path)
    )
    lease.extend(carried.granted_at + 60)
    async with asyncio.TaskGroup() as tasks:
        settings = from_environment(HERE)
        starter = Starter(settings, ledger, lease, cast(Fetch, None), tasks)
        starter.custody = cast(Custody, object())
        starter.slots.take(["another"])
        ledger.take_up(carried)
        starter.prepare(carried)
        starter.fill()
        late = carried.granted_at + PATIENCE_SECONDS - 0.9 * EARLY_SECONDS
        monkeypatch.setattr(starting, "boottime", lambda: late)
        looks.pop()()

    report = decode(spool.batch()[0].body, Report)
    assert (report.attempt, report.finding.outcome) == (attempt, "released")  # type: ignore[union-attr]
    spool.close()


class Broken:
    """A runner that cannot make an order, for a reason nobody thought of."""

    def needs(self, _grant: Grant) -> tuple[()]:
        return ()

    def order(self, *_: object) -> None:
        raise KeyError("what a variable holds")


async def test_an_order_that_cannot_be_made_fails_its_own_run_and_the_agent_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "runner_of", lambda _: Broken())
    spool, lease = Spool(tmp_path), Lease(tmp_path)
    ledger = Ledger(spool, lambda _: None)
    request = RunRequest(name="one", spec=PythonSpec(func="perdure.demo:noop"))
    attempt = Attempt(run="run", number=1, fence=2)
    carried = Carried(
        Grant(attempt=attempt, session="s", tenant="t", request=request), str(tmp_path)
    )
    lease.extend(carried.granted_at + 60)
    async with asyncio.TaskGroup() as tasks:
        starter = Starter(from_environment(HERE), ledger, lease, cast(Fetch, None), tasks)
        starter.custody = cast(Custody, object())
        with ledger.round():
            ledger.take_up(carried)
            starter.prepare(carried)
            starter.fill()

    ended = decode(spool.batch()[0].body, Report).finding
    assert isinstance(ended, Ended)
    assert ended.failure is not None
    assert (ended.outcome, ended.failure.reason) == ("failed", "error")
    assert "KeyError" in ended.failure.message
    assert "what a variable holds" not in ended.failure.message
    assert starter.slots.free == 1
    assert ledger.carried == {}
    spool.close()
