"""Schedules in number: replicas killed in turn for minutes, and 10,000 that have nothing to do.

`make load-schedules`; MINUTES= and COUNT= say how long and how many.
"""

import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import httpx
import psutil
import pytest

from perdure_api.intake.schedule_clock import AT_ONCE, LOOK, NEXT
from tests.support import stack
from tests.support.http_api import replicas, running_api
from tests.support.stack import Database, Servers
from tests.support.waiting import eventually

pytestmark = [pytest.mark.load, pytest.mark.timeout(3600)]

MINUTES = float(os.environ.get("PERDURE_TEST_SCHEDULE_MINUTES", "10"))
IDLE = int(os.environ.get("PERDURE_TEST_SCHEDULES", "10000"))
IDLE_SECONDS = 30
LOOKS = 200
SCHEDULES = 200
PERIODS = (1, 2, 3, 5, 10, 15, 20, 30, 45, 60)
"""Seconds from one fire time to the next."""
BETWEEN_KILLS = (2.0, 5.0)
JOB = {"name": "tick", "spec": {"kind": "command", "argv": [sys.executable, "-V"]}}

FIRES = """
SELECT schedule_id::text, fire_at, coalesce(since, fire_at), count, outcome, why, run_id::text
FROM perdure.schedule_fires ORDER BY schedule_id, fire_at"""
STARTED = """
SELECT data ->> 'fire_at', (data ->> 'late_seconds')::float8 FROM perdure.events
WHERE type = 'perdure.schedule.fired.v1'"""

T = TypeVar("T")


def told(*lines: tuple[str, object]) -> None:
    sys.stdout.write("".join(f"\n  {what:<44}{value}" for what, value in lines) + "\n")


def asked(url: str, sql: str) -> list[asyncpg.Record]:
    async def ask() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(url)
        try:
            return list(await connection.fetch(sql))
        finally:
            await connection.close()

    return run(ask())


def run(what: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(what)


def share(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def make_schedules(client: httpx.Client, triggers: list[dict[str, object]]) -> list[dict[str, Any]]:
    client.post("/api/jobs", json=JOB).raise_for_status()

    def make(trigger: dict[str, object]) -> dict[str, Any]:
        plan = {"job": "tick", "trigger": trigger, "overlap": "allow"}
        made: dict[str, Any] = client.post("/api/schedules", json=plan).raise_for_status().json()
        return made

    with ThreadPoolExecutor(16) as threads:
        return list(threads.map(make, triggers))


def test_every_fire_time_is_kept_once_or_told_of_while_replicas_are_killed(
    servers: Servers, database: Database, tmp_path: Path
) -> None:
    stack.delete_streams(servers.nats.api)
    chance = random.Random(0)
    kills = 0
    with replicas(database, servers.nats.api, tmp_path) as replica:
        first, second = replica(0), replica(1)
        triggers = [
            {"type": "interval", "seconds": PERIODS[n % len(PERIODS)]} for n in range(SCHEDULES)
        ]
        with first.client() as client:
            made = make_schedules(client, triggers)
        began = time.monotonic()
        while time.monotonic() - began < MINUTES * 60:
            time.sleep(chance.uniform(*BETWEEN_KILLS))
            os.kill(first.process.pid, signal.SIGKILL)
            kills += 1
            first, second = second, replica(kills + 1)
        with second.client() as client:
            for schedule in made:
                client.post(f"/api/schedules/{schedule['id']}/pause").raise_for_status()
    check(database, made, kills)


def check(database: Database, made: list[dict[str, Any]], kills: int) -> None:
    rows = asked(database.url, FIRES)
    fires: dict[str, list[asyncpg.Record]] = {schedule["id"]: [] for schedule in made}
    for row in rows:
        fires[row[0]].append(row)
    twice = unaccounted = 0
    left_out: Counter[str] = Counter()
    for n, schedule in enumerate(made):
        step = timedelta(seconds=PERIODS[n % len(PERIODS)])
        times = Counter[datetime]()
        for _, last, since, count, outcome, why, _ in fires[schedule["id"]]:
            several = [since + i * step for i in range((last - since) // step + 1)]
            assert len(several) == count, (schedule["id"], since, last, count)
            times.update(several)
            if outcome != "fired":
                left_out[f"{outcome}: {why}"] += count
        first = datetime.fromisoformat(schedule["created_at"]) + step
        expected = {first + i * step for i in range((max(times) - first) // step + 1)}
        twice += sum(count - 1 for count in times.values())
        unaccounted += len(expected ^ set(times))
    started = [row[1] for row in asked(database.url, STARTED)]
    fired = [row for row in rows if row[4] == "fired"]
    runs = asked(database.url, "SELECT count(*) FROM perdure.runs")[0][0]
    told(
        ("minutes, replicas killed", f"{MINUTES:g}, {kills}"),
        ("schedules, each 1 s to 1 min", len(made)),
        ("fire times that became a run", len(fired)),
        ("  late, half and 99 of 100 and worst", _late(started)),
        ("runs, events that tell of one", f"{runs}, {len(started)}"),
        *((f"left out, {why}", count) for why, count in sorted(left_out.items())),
        ("fire times twice", twice),
        ("fire times without a word", unaccounted),
    )
    assert twice == unaccounted == 0
    assert len({row[6] for row in fired}) == len(fired) == len(started) == runs


def _late(seconds: list[float]) -> str:
    return ", ".join(f"{share(seconds, part):.2f} s" for part in (0.5, 0.99, 1.0))


def test_ten_thousand_schedules_cost_next_to_nothing_while_none_is_due(
    servers: Servers, database: Database, tmp_path: Path
) -> None:
    stack.delete_streams(servers.nats.api)
    with running_api(database, servers.nats.api, tmp_path) as api, api.client() as client:
        triggers: list[dict[str, object]] = [
            {"type": "cron", "expression": f"{n % 60} {n // 60 % 24} 1 1 *"} for n in range(IDLE)
        ]
        make_schedules(client, triggers)
        looks = run(_looks(database.url))
        eventually(partial(_is_quiet, api.process.pid), 60, what="the api has settled")
        before, began = _spent(api.process.pid, database.url), time.monotonic()
        time.sleep(IDLE_SECONDS)
        whole = time.monotonic() - began
        after = _spent(api.process.pid, database.url)
        page = client.get("/api/schedules?limit=50").elapsed.total_seconds() * 1000
    cores = [(a - b) / whole * 100 for a, b in zip(after, before, strict=True)]
    told(
        ("schedules, none due", IDLE),
        (
            "one look, half and 95 of 100",
            ", ".join(f"{share(looks, p):.2f} ms" for p in (0.5, 0.95)),
        ),
        ("idle: api, PostgreSQL, of a core", f"{cores[0]:.2f} %, {cores[1]:.2f} %"),
        ("a page of 50 by the API", f"{page:.1f} ms"),
    )


async def _looks(url: str) -> list[float]:
    connection = await asyncpg.connect(url)
    try:
        took = []
        for _ in range(LOOKS):
            began = time.perf_counter()
            assert await connection.fetch(LOOK, AT_ONCE) == []
            await connection.fetchval(NEXT)
            took.append((time.perf_counter() - began) * 1000)
        return took
    finally:
        await connection.close()


def _is_quiet(pid: int) -> bool:
    return bool(psutil.Process(pid).cpu_percent(interval=1) < 20)


def _spent(pid: int, url: str) -> tuple[float, float]:
    """Give the seconds of CPU that the api and PostgreSQL have taken."""
    return _cpu(psutil.Process(pid)), sum(map(_cpu, _postgres(url)))


def _postgres(url: str) -> list[psutil.Process]:
    port = int(url.rpartition(":")[2].partition("/")[0])
    for process in psutil.process_iter(["name"]):
        if process.info["name"] == "postgres" and any(
            c.laddr.port == port and c.status == psutil.CONN_LISTEN
            for c in process.net_connections("inet")
        ):
            return [process, *process.children()]
    return []


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)
