"""Backups of many files and of a very large one, killed and cancelled on the way.

`make load-rsync`; FILES= and BYTES= say how many and how large.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.nasty_tree import make, picture
from tests.support.system import System, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.load, pytest.mark.timeout(1800)]

FILES = int(os.environ.get("PERDURE_TEST_BACKUP_FILES", "20000"))
BYTES = int(os.environ.get("PERDURE_TEST_BACKUP_BYTES", "2000000000"))
BLOCK = 10_000_000
FINAL = ("completed", "partial", "failed", "cancelled")
PATIENCE = 900.0


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    settings = {
        "PERDURE_BACKUP_ROOTS": str(tmp_path_factory.getbasetemp()),
        "PERDURE_LEASE_SECONDS": "5",
    }
    with running(tmp_path_factory.mktemp("system"), settings) as system:
        yield system


class Backups:
    """Asks for backups and follows them."""

    def __init__(self, system: System) -> None:
        self.system = system

    def start(self, source: Path, destination: Path, **options: object) -> str:
        spec = {
            "kind": "rsync",
            "source": f"{source}/",
            "destination": str(destination),
            "options": options,
        }
        with self.system.client() as client:
            if options.get("delete"):
                dry = client.post("/api/rsync/dry-run?wait_seconds=0", json=spec)
                self.until(dry.raise_for_status().json()["id"], over)
            retry = {"max_attempts": 6, "initial_seconds": 0.1, "on": ["exit", "lost", "signal"]}
            answer = client.post("/api/runs", json={"spec": spec, "retry": retry})
            return str(answer.raise_for_status().json()["id"])

    def until(self, run: str, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def fitting() -> bool:
            nonlocal found
            with self.system.client() as client:
                found = client.get(f"/api/runs/{run}").raise_for_status().json()
            return fits(found)

        eventually(fitting, PATIENCE, what=f"run {run} fits")
        return found

    def act(self, run: str, action: str) -> None:
        def done() -> bool:
            with self.system.client() as client:
                answer: httpx.Response = client.post(f"/api/runs/{run}/{action}", json={})
            return answer.is_success

        eventually(done, 60, what=f"{action} is taken")


def over(run: dict[str, Any]) -> bool:
    return run["state"] in FINAL


def copied(run: dict[str, Any]) -> float:
    figures = (run["progress"] or {}).get("figures", {})
    return float(figures.get("bytes", 0))


def test_many_files_are_backed_up_while_agent_and_warden_are_killed(
    system: System, tmp_path: Path
) -> None:
    backups, source, copy = Backups(system), tmp_path / "source", tmp_path / "copy"
    make(source, FILES)
    began = time.monotonic()
    run = backups.start(source, copy, hard_links=True, sparse=True, bandwidth_limit="4M")
    backups.until(run, lambda found: copied(found) > 100_000)
    system.runs_again(system.kill("executor"))
    attempt = backups.until(run, lambda found: found["state"] in ("running", *FINAL))["attempt"]
    assert attempt == 1
    system.runs_again(system.kill("warden"))
    first = backups.until(run, over)
    assert (first["state"], first["attempt"]) == ("completed", 2)
    print(f"{FILES} files, agent and warden killed: {time.monotonic() - began:.1f} s")
    # What was killed could not put its temporary file away; deleting cleans up behind it.
    shutil.rmtree(source / "dir 3")
    began = time.monotonic()
    run = backups.start(source, copy, hard_links=True, sparse=True, delete=True, max_delete=FILES)
    second = backups.until(run, over)
    assert second["state"] == "completed", second["failure"]
    assert second["metrics"]["deleted"] > FILES / 10
    print(f"dry run and deletion: {time.monotonic() - began:.1f} s")
    assert picture(copy) == picture(source)
    run = backups.start(copy, tmp_path / "restored", hard_links=True, sparse=True)
    assert backups.until(run, over)["state"] == "completed"
    assert picture(tmp_path / "restored") == picture(source)


def test_a_very_large_file_is_cancelled_and_goes_on(system: System, tmp_path: Path) -> None:
    backups, source, copy = Backups(system), tmp_path / "source", tmp_path / "copy"
    source.mkdir()
    with (source / "large").open("wb") as file:
        for _ in range(BYTES // BLOCK):
            file.write(os.urandom(BLOCK))
    run = backups.start(source, copy, bandwidth_limit="100M")
    backups.until(run, lambda found: copied(found) > BYTES / 4)
    backups.act(run, "cancel")
    assert backups.until(run, over)["state"] == "cancelled"
    kept = (copy / ".rsync-partial" / "large").stat().st_size
    assert kept > BYTES / 5
    backups.act(run, "restart")
    ended = backups.until(run, over)
    assert ended["state"] == "completed"
    assert ended["metrics"]["matched_bytes"] > kept * 0.9
    print(f"{kept / 1e6:.0f} MB were kept, {ended['metrics']['matched_bytes'] / 1e6:.0f} MB of use")
    assert (copy / "large").stat().st_size == (source / "large").stat().st_size
