"""Api, PostgreSQL and NATS killed while requests come in and work runs.

Whatever dies: what was answered is kept and done, each request once, and the log is whole.
"""

import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.support.checker import check
from tests.support.faults import (
    Work,
    all_ended,
    ask,
    ask_until_answered,
    events,
    is_alive,
    names,
    stopped,
)
from tests.support.system import System
from tests.support.waiting import eventually

pytestmark = pytest.mark.fault

VARIABLES = {"PERDURE_EXECUTOR_SLOTS": "60"}
EVERYTHING = ("api", "nats", "postgres", "executor", "warden")
PATIENT = {"max_attempts": 5, "initial_seconds": 0.1}
CLIENTS, REQUESTS = 4, 20
FLOODS = int(os.environ.get("PERDURE_TEST_FLOODS", "1"))
"""How often each part is killed while requests come in."""


class Flood:
    """Clients that request runs, each until it is answered; `break_` is done in the middle."""

    def __init__(self, system: System, title: str) -> None:
        self.system = system
        self.titles = [f"{title} {n}" for n in range(CLIENTS * REQUESTS)]
        self.answered: dict[str, str] = {}
        self.failed: list[BaseException] = []

    def __call__(self, break_: Callable[[], None]) -> None:
        """Request all, and break something once a quarter is answered."""
        clients = [
            threading.Thread(target=self._request, args=(self.titles[n::CLIENTS],))
            for n in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        eventually(lambda: len(self.answered) > len(self.titles) / 4, what="a quarter is answered")
        break_()
        for client in clients:
            client.join()
        assert not self.failed, self.failed

    def _request(self, titles: list[str]) -> None:
        try:
            with self.system.client() as client:
                for title in titles:
                    body = {
                        "name": title,
                        "spec": {"kind": "command", "argv": ["true"]},
                        "retry": PATIENT,
                    }
                    self.answered[title] = ask_until_answered(client, body, title)
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            self.failed.append(error)


@pytest.mark.parametrize(
    ("parts", "number"),
    [
        (("api",), signal.SIGKILL),
        (("postgres",), signal.SIGKILL),
        (("postgres",), signal.SIGQUIT),
        (("nats",), signal.SIGKILL),
        (EVERYTHING, signal.SIGKILL),
    ],
    ids=["the api", "PostgreSQL", "PostgreSQL at once by pg_ctl's signal", "NATS", "all of them"],
)
def test_every_request_is_kept_and_done_once_though_a_part_is_killed(
    perdure: System, parts: tuple[str, ...], number: signal.Signals
) -> None:
    """Each key has one run, each answered run is there, all are done, the stream is a copy."""
    for turn in range(FLOODS):
        flood = Flood(perdure, f"{'+'.join(parts)} by {number.name}, {turn}")
        flood(lambda: perdure.runs_again(perdure.kill(*parts, number=number)))
        runs = list(flood.answered.values())
        assert set(all_ended(perdure, runs).values()) == {"completed"}
        endpoint = perdure.endpoint
        check(
            endpoint.database_url,
            nats_url=endpoint.nats_url,
            answered=set(runs),
            once=set(flood.titles),
        )


def test_all_is_there_when_it_is_started_again_after_everything_was_killed(
    perdure: System, work: Work
) -> None:
    """Waiting runs go on, running ones are lost and tried again, nothing is forgotten."""
    with perdure.client() as client:
        running = ask(client, work.gated, retry=PATIENT)
        eventually(lambda: "start 1" in work.marks, what="it works")
    flood = Flood(perdure, "supervisor and all")
    flood(lambda: None)
    perdure.kill_everything()
    perdure.start()
    work.open_gate()
    runs = [running, *flood.answered.values()]
    assert set(all_ended(perdure, runs).values()) == {"completed"}
    assert work.marks == ["start 1", "start 2", "end 2"]
    endpoint = perdure.endpoint
    check(
        endpoint.database_url,
        nats_url=endpoint.nats_url,
        answered=set(runs),
        once=set(flood.titles),
    )


def fifty_running(perdure: System, work: Work) -> list[str]:
    """Fifty runs that wait at the gate."""
    with perdure.client() as client:
        body = {"runs": [{"spec": work.gated} for _ in range(50)]}
        answer = client.post("/api/runs/bulk", json=body)
        assert answer.status_code == 201, answer.text
        runs = [run["id"] for run in answer.json()["items"]]
    eventually(lambda: work.marks.count("start 1") == 50, what="fifty runs work")
    return runs


def all_end_well(perdure: System, work: Work, runs: list[str]) -> None:
    """Open the gate: all end as one attempt, and the stream is a copy of the log again."""
    work.open_gate()

    def knocked() -> bool:
        work.knock()
        return work.marks.count("end 1") == 50

    eventually(knocked, what="fifty runs end")
    assert set(all_ended(perdure, runs).values()) == {"completed"}
    with perdure.client() as client:
        for run_id in runs:
            assert names(events(client, run_id)) == ["requested", "attempt-started", "completed"]
    endpoint = perdure.endpoint
    check(endpoint.database_url, nats_url=endpoint.nats_url, answered=set(runs))


def test_fifty_running_runs_do_not_notice_that_nats_lost_its_data(
    perdure: System, work: Work
) -> None:
    """No attempt is lost, and within a minute the stream has every event again."""
    runs = fifty_running(perdure, work)
    before = {"nats": perdure.pid("nats")}
    shutil.rmtree(perdure.data_dir / "nats", ignore_errors=True)
    perdure.kill("nats")
    perdure.runs_again(before)
    all_end_well(perdure, work, runs)


def test_fifty_running_runs_do_not_notice_that_nats_was_rolled_back(
    perdure: System, work: Work, tmp_path: Path
) -> None:
    """The stream goes on from its older end: every event again, in its place."""
    nats, copy = perdure.data_dir / "nats", tmp_path / "older"
    replaced(perdure, lambda: shutil.copytree(nats, copy))
    runs = fifty_running(perdure, work)

    def roll_back() -> None:
        shutil.rmtree(nats)
        shutil.copytree(copy, nats)

    replaced(perdure, roll_back)
    all_end_well(perdure, work, runs)


def replaced(perdure: System, act: Callable[[], object]) -> None:
    """Stop NATS in good order, do something with its files, and have it started again."""
    with stopped(perdure.pid("supervisor")):
        before = perdure.kill("nats", number=signal.SIGTERM)
        eventually(lambda: not is_alive(before["nats"]), what="NATS has ended")
        act()
    perdure.runs_again(before)
    assert psutil.pid_exists(perdure.pid("nats"))
