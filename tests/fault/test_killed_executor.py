"""Agent and warden killed with SIGKILL while work runs.

Kill the agent: the work goes on. Kill the warden: the work is ended and the attempt lost, at once.
"""

import pytest

from tests.support.checker import check
from tests.support.faults import (
    Work,
    ask,
    counting,
    ended,
    events,
    is_alive,
    log_text,
    names,
    processes_of,
    stopped,
)
from tests.support.system import System
from tests.support.waiting import eventually

pytestmark = pytest.mark.fault

VARIABLES = {"PERDURE_EXECUTOR_SLOTS": "8"}
TWICE = {"max_attempts": 2, "initial_seconds": 0.1}


def test_the_work_outlives_its_agent_and_no_line_is_missing(perdure: System) -> None:
    """One attempt, all its lines in order, one outcome."""
    with perdure.client() as client:
        run_id = ask(client, counting(60, 0.05), retry=TWICE)
        eventually(lambda: len(log_text(client, run_id)) >= 5, what="some lines are there")
        processes = [process.pid for process in processes_of(run_id)]
        before = perdure.kill("executor")
        assert any(is_alive(pid) for pid in processes)
        perdure.runs_again(before)
        run = ended(perdure, run_id)
        assert (run["state"], run["attempt"]) == ("completed", 1)
        assert log_text(client, run_id) == [f"line {number}" for number in range(1, 61)]
        assert names(events(client, run_id)) == ["requested", "attempt-started", "completed"]
    check(perdure.endpoint.database_url, nats_url=perdure.endpoint.nats_url)


def test_the_agent_killed_again_and_again_loses_nothing(perdure: System) -> None:
    """Every run of a stream of short ones is done exactly once."""
    with perdure.client() as client:
        runs = [ask(client, counting(8, 0.1)) for _ in range(16)]
        for _ in range(2):
            perdure.runs_again(perdure.kill("executor"))
        for run_id in runs:
            assert (ended(perdure, run_id)["state"], run_id) == ("completed", run_id)
            assert log_text(client, run_id) == [f"line {number}" for number in range(1, 9)]
            assert names(events(client, run_id)) == ["requested", "attempt-started", "completed"]
    check(perdure.endpoint.database_url, answered=set(runs))


@pytest.mark.parametrize("killed", [("warden",), ("warden", "executor")], ids="+".join)
def test_with_its_warden_an_attempt_is_lost_and_the_next_one_starts(
    perdure: System, work: Work, killed: tuple[str, ...]
) -> None:
    """Nothing of the first attempt lives on beside the second, and both are told of."""
    with perdure.client() as client:
        run_id = ask(client, work.gated, retry=TWICE)
        eventually(lambda: work.marks == ["start 1"], what="the first attempt works")
        perdure.runs_again(perdure.kill(*killed))
        eventually(lambda: "start 2" in work.marks, what="the second attempt works")
        assert not processes_of(run_id, attempt=1)
        work.open_gate()
        run = ended(perdure, run_id)
        assert (run["state"], run["attempt"]) == ("completed", 2)
        assert work.marks == ["start 1", "start 2", "end 2"]
        assert names(events(client, run_id)) == [
            "requested", "attempt-started", "attempt-lost", "retry-scheduled", "attempt-started",
            "completed",
        ]  # fmt: skip
    assert not processes_of(run_id)
    check(perdure.endpoint.database_url, nats_url=perdure.endpoint.nats_url)


def test_without_another_attempt_in_its_policy_a_lost_run_has_failed(
    perdure: System, work: Work
) -> None:
    """The run says that it was lost, and is not run again unasked."""
    with perdure.client() as client:
        run_id = ask(client, work.gated)
        eventually(lambda: work.marks == ["start 1"], what="the attempt works")
        perdure.runs_again(perdure.kill("warden"))
        run = ended(perdure, run_id)
        assert run["state"] == "failed"
        failure = run["failure"]
        assert isinstance(failure, dict)
        assert failure["reason"] == "lost"
        assert names(events(client, run_id)) == [
            "requested", "attempt-started", "attempt-lost", "failed",
        ]  # fmt: skip
    assert not processes_of(run_id)
    check(perdure.endpoint.database_url)


def test_what_was_granted_while_the_agent_was_dead_is_no_loss(perdure: System, work: Work) -> None:
    """The grant never arrived, so nothing was begun and nothing is lost: the same attempt starts."""
    with perdure.client() as client:
        with stopped(perdure.pid("supervisor")):
            before = perdure.kill("executor")
            run_id = ask(client, work.gated)
            perdure.run_that(run_id, lambda run: run["attempt"] == 1)
        perdure.runs_again(before)
        work.open_gate()
        assert ended(perdure, run_id)["state"] == "completed"
        assert work.marks == ["start 1", "end 1"]
        assert names(events(client, run_id)) == ["requested", "attempt-started", "completed"]
    check(perdure.endpoint.database_url)
