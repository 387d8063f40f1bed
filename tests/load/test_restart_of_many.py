"""Very many failed runs, restarted at once by a filter, while people look at the list.

make load-bulk              100,000 runs
make load-bulk COUNT=5000   another number
"""

import asyncio
import os
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import httpx
import psutil
import pytest

from perdure_contract import facts, subjects, wire
from tests.support.api_core import PlayedExecutor, ended
from tests.support.checker import check
from tests.support.looking import Looking, timed, told
from tests.support.system import System
from tests.support.waiting import eventually

COUNT: Final = int(os.environ.get("PERDURE_TEST_BULK_RUNS", "100000"))
AT_ONCE: Final = 10_000
"""Runs of one request."""
PATIENCE_SECONDS: Final = 1800

pytestmark = [pytest.mark.load, pytest.mark.timeout(2 * PATIENCE_SECONDS)]

FAILED: Final = ended("failed", failure=facts.Failure(reason="exit", message="exit code 1"))
ONLY_PLAYED: Final = {"played": "yes"}


class LookingAtRuns(Looking):
    """Looks at the list of runs; notes the memory of the api meanwhile."""

    memory_mb = 0.0

    def look(self, person: httpx.Client, program: httpx.Client) -> None:
        self.page.append(timed(lambda: person.get("/runs")))
        self.api.append(timed(lambda: program.get("/api/runs", params={"state": "failed"})))
        api = psutil.Process(self.system.endpoint.pids.api)
        self.memory_mb = max(self.memory_mb, api.memory_info().rss / 1e6)


def request_all(system: System) -> None:
    """Request runs that no real executor takes."""
    run = {"spec": {"kind": "command", "argv": ["true"]}, "labels": ONLY_PLAYED}
    with system.client() as client:
        for first in range(0, COUNT, AT_ONCE):
            runs = [{**run, "name": f"run {n}"} for n in range(first, min(first + AT_ONCE, COUNT))]
            answer = client.post("/api/runs/bulk", json={"runs": runs}, timeout=120)
            assert answer.status_code == 201, answer.text


async def fail_all(system: System) -> None:
    """Play an executor on which every attempt fails at once."""
    executor = await PlayedExecutor(system.endpoint.nats_url, "played").connect()
    await executor.open(slots=1000, labels=ONLY_PLAYED)
    done = 0
    last_beat = time.monotonic()
    while done < COUNT:
        said = [await asyncio.wait_for(executor.heard.get(), 60)]
        with suppress(asyncio.QueueEmpty):
            while len(said) < 1000:
                said.append(executor.heard.get_nowait())
        reports = tuple(
            wire.Report(attempt=grant.attempt, finding=FAILED)
            for grant in said
            if isinstance(grant, wire.Grant)
        )
        batch = wire.Reports(executor=executor.name, session=executor.session, reports=reports)
        answer = await executor.ask(subjects.REPORT, batch)
        assert answer.confirmed is not None
        done += answer.confirmed.verdicts.count("accepted")
        if time.monotonic() - last_beat > 5:
            await executor.beat()
            last_beat = time.monotonic()
    await executor.beat(leaving=True)
    await executor.close()


def test_all_failed_runs_are_restarted_by_filter(
    start_system: Callable[..., System], capsys: pytest.CaptureFixture[str]
) -> None:
    """Every run is queued again, under one operation; the table tells how it went."""
    system = start_system()
    rows: list[tuple[str, str]] = []
    began = time.monotonic()
    request_all(system)
    asyncio.run(fail_all(system))
    seconds = time.monotonic() - began
    rows.append(("made and failed", f"{seconds:.0f} s, {COUNT / seconds:,.0f} runs/s"))

    body: dict[str, object] = {"action": "restart", "filter": {"state": ["failed"]}}
    preview = {**body, "preview": True}
    looking = LookingAtRuns(system)
    with system.client() as client:

        def matched() -> bool:
            answer = client.post("/api/bulk", json=preview, timeout=120)
            return bool(answer.json()["matched"] == COUNT)

        eventually(matched, 60, what="the list has all of them")
        previews = [
            timed(lambda: client.post("/api/bulk", json=preview, timeout=60)) for _ in range(5)
        ]
        rows.append(
            ("preview", f"{statistics.median(previews):.2f} s, at most {max(previews):.2f} s")
        )
        quiet = [timed(lambda: client.get("/api/runs")) for _ in range(20)]
        began = time.monotonic()
        with looking.meanwhile():
            answer = client.post("/api/bulk", json=body, timeout=120)
            assert answer.status_code == 202, answer.text
            rows.append(("request answered", f"{time.monotonic() - began:.2f} s"))
            bulk = answer.json()["id"]

            def finished() -> dict[str, object] | None:
                found: dict[str, object] = client.get(f"/api/bulk/{bulk}").json()
                return found if found["state"] == "finished" else None

            found = eventually(finished, PATIENCE_SECONDS, what="it is finished")
        seconds = time.monotonic() - began
        assert found is not None
        assert (found["done"], found["refused"], found["left"]) == (COUNT, 0, 0)
        rows += [
            ("all restarted", f"{seconds:.0f} s, {COUNT / seconds:,.0f} runs/s"),
            ("/runs meanwhile", told(looking.page)),
            ("GET /api/runs meanwhile", told(looking.api)),
            ("GET /api/runs before", told(quiet)),
            ("memory of the api", f"at most {looking.memory_mb:.0f} MB"),
        ]
    if COUNT <= AT_ONCE:
        check(system.endpoint.database_url)
    with capsys.disabled():
        print(f"\n\n{COUNT:,} failed runs, restarted by filter")
        for name, value in rows:
            print(f"  {name:<26} {value}")
