"""The api killed at each step between taking something and telling that it is stored.

PostgreSQL is made to hold the api still at the step: before the log's lock is given, or when the
commit is on the disk but not told. So nothing in the product knows of these tests.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest

from tests.support.checker import check
from tests.support.faults import (
    Work,
    ask,
    ask_until_answered,
    ended,
    events,
    log_held,
    names,
    superuser_url,
)
from tests.support.system import System
from tests.support.waiting import eventually

pytestmark = pytest.mark.fault

VARIABLES = {"PERDURE_EXECUTOR_SLOTS": "4"}


class Held:
    """The api's writer stands still in its transaction; tells whether it does so by now."""

    def __init__(self, url: str, wait_event: str) -> None:
        self._url = url
        self._wait_event = wait_event

    def wait(self) -> None:
        """Wait until the writer stands still there."""
        query = (
            "SELECT count(*) FROM pg_stat_activity "
            f"WHERE application_name = 'perdure writer' AND wait_event = '{self._wait_event}'"
        )
        eventually(lambda: run(self._url, query), what="the writer stands still")


def run(url: str, query: str) -> object:
    """Run one statement as superuser."""

    async def once() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return asyncio.run(once())


@contextmanager
def before_the_commit(system: System) -> Iterator[Held]:
    """Another transaction has the lock that every commit of the log needs last."""
    with log_held(system):
        yield Held(superuser_url(system), "transactionid")


@contextmanager
def after_the_commit(system: System) -> Iterator[Held]:
    """Commits reach the disk, but PostgreSQL waits for a standby before it says so."""
    url = superuser_url(system)

    def standby(name: str) -> None:
        run(url, f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
        run(url, "SELECT pg_reload_conf()")

    standby("nobody")
    try:
        yield Held(url, "SyncRep")
    finally:
        standby("")


Step = Callable[[System], AbstractContextManager[Held]]
STEPS: dict[str, Step] = {"before the commit": before_the_commit, "after it": after_the_commit}


@pytest.mark.parametrize("step", STEPS)
def test_a_request_is_stored_once_when_the_api_is_killed(perdure: System, step: str) -> None:
    """Its client hears nothing, asks again with the same key, and there is one run."""
    title = f"killed {step}"
    body = {"name": title, "spec": {"kind": "command", "argv": ["true"]}}

    def request() -> None:
        with perdure.client() as client, suppress(httpx.TransportError):
            client.post("/api/runs", json=body, headers={"Idempotency-Key": title})
            answers.append("an answer")

    answers: list[str] = []
    with STEPS[step](perdure) as held:
        asking = threading.Thread(target=request)
        asking.start()
        held.wait()
        before = perdure.kill("api")
        asking.join()
        assert not answers
    perdure.runs_again(before)
    with perdure.client() as client:
        run_id = ask_until_answered(client, body, title)
        again = client.post("/api/runs", json=body, headers={"Idempotency-Key": title})
        assert (again.json()["id"], again.headers["Idempotency-Replayed"]) == (run_id, "true")
    assert ended(perdure, run_id)["state"] == "completed"
    check(
        perdure.endpoint.database_url,
        nats_url=perdure.endpoint.nats_url,
        answered={run_id},
        once={title},
    )


@pytest.mark.parametrize("step", STEPS)
def test_an_outcome_is_stored_once_when_the_api_is_killed(
    perdure: System, work: Work, step: str
) -> None:
    """Its executor hears nothing, reports again, and there is one outcome."""
    with perdure.client() as client:
        run_id = ask(client, work.gated)
        eventually(lambda: work.marks == ["start 1"], what="it works")
        with STEPS[step](perdure) as held:
            work.open_gate()
            held.wait()
            before = perdure.kill("api")
        perdure.runs_again(before)
        assert ended(perdure, run_id)["state"] == "completed"
        assert names(events(client, run_id)) == ["requested", "attempt-started", "completed"]
    check(perdure.endpoint.database_url, nats_url=perdure.endpoint.nats_url, answered={run_id})


def test_a_claim_that_was_not_committed_is_decided_again(perdure: System, work: Work) -> None:
    """The run starts once: the claim that died with the api left nothing behind."""
    soon = datetime.now(UTC) + timedelta(seconds=2)
    with perdure.client() as client:
        run_id = ask(client, work.gated, run_at=soon.isoformat())
        with before_the_commit(perdure) as held:
            held.wait()
            assert names(events(client, run_id)) == ["requested"]
            before = perdure.kill("api")
        perdure.runs_again(before)
        work.open_gate()
        assert ended(perdure, run_id)["attempt"] == 1
        assert work.marks == ["start 1", "end 1"]
        assert names(events(client, run_id)) == ["requested", "attempt-started", "completed"]
    check(perdure.endpoint.database_url, nats_url=perdure.endpoint.nats_url)


def test_a_commit_that_broke_before_its_answer_is_looked_up(perdure: System) -> None:
    """PostgreSQL dies when the commit is on the disk: the request is answered as stored, once."""
    title = "broken commit"
    answers: list[httpx.Response] = []

    def request() -> None:
        body = {"name": title, "spec": {"kind": "command", "argv": ["true"]}}
        with perdure.client() as client:
            answers.append(client.post("/api/runs", json=body))

    with after_the_commit(perdure) as held:
        asking = threading.Thread(target=request)
        asking.start()
        held.wait()
        # The server that starts next waits for nobody; those that wait now wait on.
        run(superuser_url(perdure), "ALTER SYSTEM RESET synchronous_standby_names")
        perdure.runs_again(perdure.kill("postgres"))
        asking.join()
    assert answers[0].status_code == 201, answers[0].text
    run_id = answers[0].json()["id"]
    assert ended(perdure, run_id)["state"] == "completed"
    check(
        perdure.endpoint.database_url,
        nats_url=perdure.endpoint.nats_url,
        answered={run_id},
        once={title},
    )
