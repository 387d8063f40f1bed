"""A batch of 313 items of which 11 fail, broken after item 228 in every way: each item is done once.

What was done is counted outside of Perdure, in a file to which each item appends itself.
"""

import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import psutil
import pytest

from tests.support.checker import check
from tests.support.faults import Work, ask, ended, events, names, processes_of
from tests.support.system import System
from tests.support.waiting import eventually

pytestmark = pytest.mark.fault

VARIABLES = {"PERDURE_BACKUP_ROOTS": tempfile.gettempdir()}

TOTAL = 313
BROKEN_AFTER = 228
FAILING = (3, 21, 40, 77, 99, 100, 101, 150, 187, 200, 227)
SCRIPT = """
[ "$1" -le 228 ] || [ -e open ] || read -r _ < gate
echo "$1" >> counted
[ -e mended ] || case " $2 " in *" $1 "*) exit 3;; esac
"""


class Batch:
    """The run, which waits before item 229 until the gate is opened."""

    def __init__(self, system: System, work: Work) -> None:
        self.system = system
        self.work = work
        failing = " ".join(map(str, FAILING))
        each = {
            "kind": "command",
            "argv": ["sh", "-c", SCRIPT, "sh", "{number}", failing],
            "cwd": str(work.folder),
        }
        file = work.folder / "input.csv"
        file.write_text("number\n" + "".join(f"{n}\n" for n in range(1, TOTAL + 1)))
        with system.client() as client:
            self.id = ask(client, {"kind": "batch", "file": str(file), "each": each})
        file.unlink()
        eventually(lambda: sum(self.counted.values()) == BROKEN_AFTER, what="228 items are counted")

    @property
    def counted(self) -> Counter[int]:
        """How often each item was done, by its own word."""
        file = self.work.folder / "counted"
        return Counter(map(int, file.read_text().split())) if file.exists() else Counter()

    def goes_on(self) -> None:
        """It still runs: open the gate."""
        self.work.open_gate()

    def is_resumed(self) -> None:
        """It has failed with 228 items done: go on from there."""
        run = ended(self.system, self.id)
        assert run["state"] == "failed"
        assert run["items"] == {
            "total": TOTAL,
            "pending": TOTAL - BROKEN_AFTER,
            "done": BROKEN_AFTER - len(FAILING),
            "failed": len(FAILING),
            "skipped": 0,
            "filtered": 0,
        }
        self.work.open_gate()
        self.act("resume")

    def act(self, action: str) -> None:
        """Have something done to it."""
        with self.system.client() as client:
            answer = client.post(f"/api/runs/{self.id}/{action}", json={})
            assert answer.status_code == 200, answer.text

    def failed(self) -> tuple[object, ...]:
        """Give the ordinals of its failed items."""
        with self.system.client() as client:
            answer = client.get(f"/api/runs/{self.id}/items?outcome=failed&limit=500")
            return tuple(item["ordinal"] for item in answer.raise_for_status().json()["items"])


def kill_the_driver(system: System, batch: Batch) -> None:
    for process in processes_of(batch.id):
        with suppress(psutil.NoSuchProcess):  # what the others were is gone with the driver
            if "perdure_executor.batch" in process.cmdline():
                os.kill(process.pid, signal.SIGKILL)


def kill_agent_and_warden(system: System, batch: Batch) -> None:
    system.runs_again(system.kill("executor", "warden"))


def kill_the_api(system: System, batch: Batch) -> None:
    system.runs_again(system.kill("api"))


def delete_what_nats_has(system: System, batch: Batch) -> None:
    shutil.rmtree(system.data_dir / "nats", ignore_errors=True)
    system.runs_again(system.kill("nats"))


@pytest.mark.parametrize(
    ("break_it", "then"),
    [
        (kill_the_driver, Batch.is_resumed),
        (kill_agent_and_warden, Batch.is_resumed),
        (kill_the_api, Batch.goes_on),
        (delete_what_nats_has, Batch.goes_on),
    ],
    ids=lambda made: made.__name__,
)
def test_each_item_is_done_once_and_only_the_failed_ones_again(
    perdure: System,
    work: Work,
    break_it: Callable[[System, Batch], None],
    then: Callable[[Batch], None],
) -> None:
    """Its input is deleted as soon as it was requested, which makes no difference."""
    batch = Batch(perdure, work)
    break_it(perdure, batch)
    then(batch)

    assert ended(perdure, batch.id)["state"] == "partial"
    assert batch.counted == Counter(range(1, TOTAL + 1))
    assert batch.failed() == FAILING

    (work.folder / "mended").touch()
    batch.act("retry-items")
    assert ended(perdure, batch.id)["state"] == "completed"
    assert batch.counted == Counter([*range(1, TOTAL + 1), *FAILING])
    with perdure.client() as client:
        assert names(events(client, batch.id)).count("items-recorded") <= 2 * len(
            client.get(f"/api/runs/{batch.id}/attempts").json()["items"]
        )
    check(perdure.endpoint.database_url, nats_url=perdure.endpoint.nats_url)
