"""Two api replicas killed in turn under schedules of a second: every fire time once, or told why not."""

import os
import signal
import sys
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import stack
from tests.support.http_api import replicas
from tests.support.stack import Database, Servers
from tests.support.waiting import eventually

pytestmark = pytest.mark.fault
SECOND = timedelta(seconds=1)
SCHEDULES = 5
ROUNDS = 4


def fires_of(client: httpx.Client, schedule: str) -> list[dict[str, Any]]:
    answer = client.get(f"/api/schedules/{schedule}/fires", params={"limit": 500})
    found: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
    return found


def has_fired(client: httpx.Client, schedule: str, times: int) -> bool:
    return len(fires_of(client, schedule)) >= times


def settled_times(fires: list[dict[str, Any]]) -> list[datetime]:
    """Give every fire time that is told of, in order, those in a row one by one."""
    times = []
    for fire in fires:
        moment = datetime.fromisoformat(fire["fire_at"])
        last = datetime.fromisoformat(fire["until"] or fire["fire_at"])
        while moment <= last:
            times.append(moment)
            moment += SECOND
    return sorted(times)


def test_every_fire_time_is_kept_once_or_told_of(
    servers: Servers, database: Database, tmp_path: Path
) -> None:
    stack.delete_streams(servers.nats.api)
    with replicas(database, servers.nats.api, tmp_path) as replica:
        first, second = replica(0), replica(1)
        with first.client() as client:
            job = {"name": "tick", "spec": {"kind": "command", "argv": [sys.executable, "-V"]}}
            client.post("/api/jobs", json=job).raise_for_status()
            every = {"type": "interval", "seconds": 1}
            plan = {"job": "tick", "trigger": every, "overlap": "allow"}
            made = [
                client.post("/api/schedules", json=plan).raise_for_status().json()
                for _ in range(SCHEDULES)
            ]
        for number in range(2, 2 + ROUNDS):
            with second.client() as client:
                seen = len(fires_of(client, made[0]["id"]))
                os.kill(first.process.pid, signal.SIGKILL)
                fired_on = partial(has_fired, client, made[0]["id"], seen + 3)
                eventually(fired_on, what="the other replica fires")
            first, second = second, replica(number)
        with second.client() as client:
            for schedule in made:
                client.post(f"/api/schedules/{schedule['id']}/pause").raise_for_status()
            for schedule in made:
                fires = fires_of(client, schedule["id"])
                times = settled_times(fires)
                assert len(times) == len(set(times)), "no time twice"
                steps = {later - earlier for earlier, later in pairwise(times)}
                assert steps == {SECOND}, "no time left out"
                assert times[0] == datetime.fromisoformat(schedule["created_at"]) + SECOND
                runs = [fire["run"] for fire in fires if fire["outcome"] == "fired"]
                assert len(runs) == len(set(runs)) >= 3 * ROUNDS
                kept = client.get(f"/api/runs/{runs[0]}").raise_for_status().json()
                assert kept["job"] == "tick"
