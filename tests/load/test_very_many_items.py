"""A batch of very many items, cancelled in the middle and resumed, while people look at its items.

make load-items              1,000,000 items
make load-items COUNT=50000  another number
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx
import psutil
import pytest

from tests.support.checker import check
from tests.support.faults import FINAL, ask, events, names, processes_of
from tests.support.looking import Looking, timed, told
from tests.support.system import System
from tests.support.waiting import eventually

pytestmark = [pytest.mark.load, pytest.mark.timeout(7200)]

COUNT: Final = int(os.environ.get("PERDURE_TEST_ITEMS", "1000000"))
MOST_EVENTS: Final = 2000
PATIENCE_SECONDS: Final = 7000
EACH: Final = {"kind": "python", "func": "perdure.demo:noop", "args": ["{number}"]}


class LookingAtItems(Looking):
    """Looks at the items of a run; notes memory meanwhile."""

    pause_seconds = 0.5

    def __init__(self, system: System, run_id: str) -> None:
        super().__init__(system)
        self.memory_mb: dict[str, list[float]] = {"api": [], "agent": [], "driver": []}
        self._run_id = run_id

    def look(self, person: httpx.Client, program: httpx.Client) -> None:
        page, items = f"/runs/{self._run_id}", f"/api/runs/{self._run_id}/items"
        after = {"after": str(COUNT // 2)}
        self.page.append(timed(lambda: person.get(page, params={"tab": "items"})))
        self.api.append(timed(lambda: program.get(items, params=after)))
        self._weigh()

    def _weigh(self) -> None:
        pids = {"api": self.system.pid("api"), "agent": self.system.pid("executor")}
        for process in processes_of(self._run_id):
            with suppress(psutil.Error):
                if "perdure_executor.batch" in process.cmdline():
                    pids["driver"] = process.pid
        for name, pid in pids.items():
            with suppress(psutil.Error):
                self.memory_mb[name].append(psutil.Process(pid).memory_info().rss / 1e6)


def grown(found: list[float]) -> str:
    """Tell how memory was in the first and the last tenth of the time, and at most."""
    tenth = max(1, len(found) // 10)
    first, last = statistics.mean(found[tenth : 2 * tenth]), statistics.mean(found[-tenth:])
    return f"{first:.0f} MB, later {last:.0f} MB, at most {max(found):.0f} MB"


def test_very_many_items_take_no_more_memory_than_few(
    start_system: Callable[..., System], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each has its outcome, in few events; the table tells how it went."""
    system = start_system(PERDURE_BACKUP_ROOTS=tempfile.gettempdir())
    file = tmp_path / "numbers.csv"
    with file.open("w") as lines:
        lines.write("number\n")
        lines.writelines(f"{n}\n" for n in range(1, COUNT + 1))
    rows: list[tuple[str, str]] = []
    with system.client() as client:
        client.timeout = httpx.Timeout(600)
        began = time.monotonic()
        spec: dict[str, object] = {
            "kind": "batch",
            "file": str(file),
            "each": EACH,
            "concurrency": 2,
        }
        run_id = ask(client, spec)
        rows.append(("stored", f"{time.monotonic() - began:.1f} s"))

        def run() -> dict[str, object]:
            found: dict[str, object] = client.get(f"/api/runs/{run_id}").json()
            return found

        def done() -> int:
            progress = run()["progress"]
            return int(progress["done"]) if isinstance(progress, dict) else 0

        eventually(lambda: done() > 0, 600, what="the first items are done")
        rows.append(("first items done after", f"{time.monotonic() - began:.1f} s"))
        looking = LookingAtItems(system, run_id)
        with looking.meanwhile():
            eventually(lambda: done() >= COUNT // 2, PATIENCE_SECONDS, what="half of them are done")
            client.post(f"/api/runs/{run_id}/cancel", json={}).raise_for_status()
            eventually(lambda: run()["state"] == "cancelled", what="it is cancelled")
            before = done()
            resumed = time.monotonic()
            client.post(f"/api/runs/{run_id}/resume", json={}).raise_for_status()
            eventually(lambda: done() > before, 600, what="it goes on")
            rows.append(("resumed after", f"{time.monotonic() - resumed:.1f} s"))
            eventually(
                lambda: run()["state"] in FINAL, PATIENCE_SECONDS, what="all of them are done"
            )
        seconds = time.monotonic() - began
        ended = run()
        assert (ended["state"], ended["failure"]) == ("completed", None)
        items = ended["items"]
        assert isinstance(items, dict)
        assert (items["done"], items["pending"]) == (COUNT, 0)
        found = names(all_events(client, run_id))
        assert len(found) < MOST_EVENTS
    rows += [
        ("all done", f"{seconds:.0f} s, {COUNT / seconds:,.0f} items/s"),
        ("events", f"{len(found):,}, {found.count('items-recorded'):,} with outcomes"),
        ("items page meanwhile", told(looking.page)),
        ("GET items meanwhile", told(looking.api)),
        *((f"memory of the {name}", grown(mb)) for name, mb in looking.memory_mb.items()),
    ]
    check(system.endpoint.database_url)
    with capsys.disabled():
        print(f"\n\n{COUNT:,} items, cancelled in the middle and resumed")
        for name, value in rows:
            print(f"  {name:<26} {value}")


def all_events(client: httpx.Client, run_id: str) -> list[dict[str, object]]:
    """Give all events of a run, page by page."""
    found = events(client, run_id)
    while len(found) % 500 == 0 and found:
        more = client.get(
            f"/api/runs/{run_id}/events",
            params={"limit": 500, "after": str(found[-1]["streamversion"])},
        ).json()["items"]
        if not more:
            break
        found += more
    return found
