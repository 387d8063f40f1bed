"""Executors that live but cannot be heard for longer than their lease: stopped, or cut off.

Work that ends when cut off is ended before the lease is over, by the keepers alone; work that may go
on goes on, and its late result counts only while no newer attempt exists.
"""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from tests.support.checker import Store, check
from tests.support.faults import (
    Proxy,
    Work,
    ask,
    ended,
    events,
    log_text,
    names,
    processes_of,
    second_executor,
    stopped,
)
from tests.support.system import System
from tests.support.waiting import eventually

pytestmark = pytest.mark.fault

VARIABLES = {"PERDURE_LEASE_SECONDS": "5", "PERDURE_EXECUTOR_SLOTS": "4"}
TWICE = {"max_attempts": 2, "initial_seconds": 0.1}
WORKS_ON = {"limits": {"when_cut_off": "continue"}}


@pytest.fixture
def proxy(perdure: System) -> Iterator[Proxy]:
    """Stands between NATS and an executor far away."""
    proxy = Proxy(perdure.endpoint.nats_url)
    yield proxy
    proxy.close()


def far_executor(
    perdure: System, name: str, proxy: Proxy
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """An executor behind a cable, with a site of its own."""
    return second_executor(
        perdure, name, nats_url=proxy.url, PERDURE_EXECUTOR_LABELS=f"site={name}"
    )


def at(site: str) -> dict[str, object]:
    """Only there."""
    return {"labels": {"site": site}}


def checked(perdure: System) -> Store:
    return check(perdure.endpoint.database_url, nats_url=perdure.endpoint.nats_url)


def refused(client_events: list[dict[str, object]]) -> list[str]:
    """Give the kinds of reports that were refused."""
    return [
        str(event["data"]["kind"])  # type: ignore[index]
        for event in client_events
        if event["type"] == "perdure.run.report-refused.v1"
    ]


@pytest.mark.parametrize("when_cut_off", ["end", "continue"])
def test_an_executor_stopped_past_its_lease_is_too_late(
    perdure: System, work: Work, when_cut_off: str
) -> None:
    """One outcome, that of the next attempt; late reports are refused and on record."""
    limits = {"when_cut_off": when_cut_off}
    with perdure.client() as client:
        run_id = ask(client, work.gated, retry=TWICE, limits=limits)
        eventually(lambda: work.marks == ["start 1"], what="the first attempt works")
        with second_executor(perdure, f"other-{when_cut_off}"):
            with stopped(perdure.pid("executor"), perdure.pid("warden")):
                eventually(lambda: "start 2" in work.marks, what="the second attempt works")
                assert bool(processes_of(run_id, attempt=1)) == (when_cut_off == "continue")
                work.open_gate()
                run = ended(perdure, run_id)
                assert (run["state"], run["attempt"]) == ("completed", 2)
            if when_cut_off == "continue":  # otherwise it has nothing to tell
                eventually(lambda: refused(events(client, run_id)), what="late reports are refused")
            eventually(lambda: not processes_of(run_id), what="no process is left")
        run = ended(perdure, run_id)
        assert (run["state"], run["attempt"], run["executor"]) == (
            "completed", 2, f"other-{when_cut_off}",
        )  # fmt: skip
        told = [name for name in names(events(client, run_id)) if name != "report-refused"]
        assert told == [
            "requested", "attempt-started", "attempt-lost", "retry-scheduled", "attempt-started",
            "completed",
        ]  # fmt: skip
        assert ("end 1" in work.marks) == (when_cut_off == "continue")
    checked(perdure)


def test_work_of_an_executor_that_is_cut_off_is_ended_before_its_lease(
    perdure: System, work: Work, proxy: Proxy
) -> None:
    """Nothing of the attempt lives on when it is called lost, and the next waits for the return."""
    with (
        perdure.client() as client,
        far_executor(perdure, "far-end", proxy),
    ):
        run_id = ask(client, work.gated, retry=TWICE, **at("far-end"))
        eventually(lambda: work.marks == ["start 1"], what="the first attempt works")
        proxy.cut()
        eventually(lambda: "attempt-lost" in names(events(client, run_id)), what="it is lost")
        assert not processes_of(run_id)
        proxy.restore()
        eventually(lambda: "start 2" in work.marks, what="the second attempt works")
        work.open_gate()
        run = ended(perdure, run_id)
        assert (run["state"], run["attempt"]) == ("completed", 2)
        assert work.marks == ["start 1", "start 2", "end 2"]
    checked(perdure)


def test_work_that_may_go_on_when_cut_off_counts_when_nothing_newer_exists(
    perdure: System, work: Work, proxy: Proxy
) -> None:
    """It is done once: the result comes late and counts, with its whole log."""
    with (
        perdure.client() as client,
        far_executor(perdure, "far-on", proxy),
    ):
        run_id = ask(client, work.gated, retry=TWICE, **at("far-on"), **WORKS_ON)
        eventually(lambda: work.marks == ["start 1"], what="it works")
        proxy.cut()
        eventually(lambda: "attempt-lost" in names(events(client, run_id)), what="it is lost")
        work.open_gate()
        eventually(lambda: "end 1" in work.marks, what="it is done")
        eventually(lambda: not processes_of(run_id), what="no process is left")
        proxy.restore()
        run = ended(perdure, run_id)
        assert (run["state"], run["attempt"], run["failure"]) == ("completed", 1, None)
        assert work.marks == ["start 1", "end 1"]
        assert log_text(client, run_id) == ["waiting", "done"]
        assert not refused(events(client, run_id))
    checked(perdure)


def test_a_cut_shorter_than_the_lease_is_not_noticed(
    perdure: System, work: Work, proxy: Proxy
) -> None:
    """One attempt, and its whole log."""
    with (
        perdure.client() as client,
        far_executor(perdure, "far-off", proxy),
    ):
        run_id = ask(client, work.gated, **at("far-off"))
        eventually(lambda: work.marks == ["start 1"], what="it works")
        proxy.cut()
        work.open_gate()
        eventually(lambda: "end 1" in work.marks, what="it is done")
        proxy.restore()
        assert ended(perdure, run_id)["state"] == "completed"
        assert log_text(client, run_id) == ["waiting", "done"]
        assert names(events(client, run_id)) == ["requested", "attempt-started", "completed"]
    checked(perdure)


def test_an_executor_stopped_cleanly_gives_its_work_back(perdure: System, work: Work) -> None:
    """The attempt is released: it does not count, and the next one may start elsewhere."""
    with perdure.client() as client:
        with second_executor(perdure, "leaving", PERDURE_EXECUTOR_LABELS="site=c") as process:
            run_id = ask(client, work.gated, **at("c"))
            eventually(lambda: work.marks == ["start 1"], what="the first attempt works")
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            assert not processes_of(run_id)
        perdure.run_that(run_id, lambda run: run["state"] == "queued")
        with second_executor(perdure, "coming", PERDURE_EXECUTOR_LABELS="site=c"):
            work.open_gate()
            run = ended(perdure, run_id)
        assert (run["state"], run["attempt"]) == ("completed", 2)
        assert names(events(client, run_id)) == [
            "requested", "attempt-started", "attempt-released", "queued", "attempt-started",
            "completed",
        ]  # fmt: skip
    checked(perdure)
