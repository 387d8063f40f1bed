"""Results over HTTP: small ones stand with the run, larger ones are kept apart and read with it."""

from collections.abc import Iterator

import httpx
import pytest

from perdure import Client
from tests.support.system import System

SAY = """x=$(head -c "$1" /dev/zero | tr '\\0' x); printf '{"result": "%s"}\\n' "$x" >&"$PERDURE_FD" """


@pytest.fixture
def client(running_system: System) -> Iterator[httpx.Client]:
    with running_system.client() as client:
        yield client


def test_a_result_is_given_whole_with_its_run_and_by_its_size_in_lists(
    client: httpx.Client, running_system: System
) -> None:
    with Client(running_system.endpoint.url, running_system.endpoint.admin_token) as python:
        for size, kept_apart in ((1_000, None), (60_000, 60_002)):
            spec = {"kind": "command", "argv": ["sh", "-c", SAY, "sh", str(size)]}
            answer = client.post("/api/runs", json={"spec": spec, "tags": [f"brings-{size}"]})
            run = answer.json()["id"]
            ended = python.wait(run, timeout_seconds=60)
            assert (ended.result, ended.result_bytes) == ("x" * size, kept_apart)
            past = client.get(f"/api/runs/{run}", params={"at": ended.version}).json()
            assert past["result"] == "x" * size
            asked = {"tag": f"brings-{size}", "min_position": str(ended.position)}
            (listed,) = client.get("/api/runs", params=asked).json()["items"]
            assert listed["result_bytes"] == kept_apart
            assert listed["result"] == (None if kept_apart else "x" * size)
            client.delete(f"/api/runs/{run}").raise_for_status()
            gone = client.get(f"/api/runs/{run}").json()
            assert (gone["result"], gone["result_bytes"]) == (None, None)
