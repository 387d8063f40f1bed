"""People do anything at all to runs while parts are killed and stopped; then everything can be ended.

make load-walk                     2,000 runs
make load-walk COUNT=500 SEED=7    so many, by the choices of another seed
"""

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from random import Random
from typing import Final

import httpx
import psutil
import pytest

from tests.support.checker import check
from tests.support.faults import ask_until_answered, is_alive
from tests.support.system import System
from tests.support.waiting import eventually

RUNS: Final = int(os.environ.get("PERDURE_TEST_SYSTEM_WALK_RUNS", "48"))
SEED: Final = int(os.environ.get("PERDURE_TEST_SYSTEM_WALK_SEED", "1"))
WALKERS: Final = 3
FAULTS: Final = max(4, RUNS // 40)
LEASE_SECONDS: Final = 5

pytestmark = [pytest.mark.fault, pytest.mark.timeout(180 + RUNS)]

VARIABLES = {"PERDURE_LEASE_SECONDS": str(LEASE_SECONDS), "PERDURE_EXECUTOR_SLOTS": "24"}

MARK: Final = """echo '{"checkpoint": {"cursor": 1}}' >&$PERDURE_FD; """
SCRIPTS: Final = {
    "true": 3,
    "echo out; echo err >&2; exit 3": 3,
    "sleep 0.5; echo late": 3,
    MARK + "sleep 0.3; exit 4": 6,
    MARK + "sleep 0.2; echo done": 3,
    MARK + "sleep 600": 2,
    "trap '' TERM; setsid sleep 600 & sleep 600; sleep 600": 1,
}
"""What runs do, and how often; the last two end only when someone ends them."""
ACTIONS: Final[tuple[tuple[str, dict[str, object]], ...]] = (
    ("cancel", {}),
    ("cancel", {"force": True}),
    ("resume", {}),
    ("restart", {}),
    ("restart", {"from": "beginning"}),
    ("rerun", {}),
    ("retry-now", {}),
    ("hold", {}),
    ("release", {}),
    ("fail", {"message": "enough"}),
    ("priority", {"priority": 5}),
)
KINDS: Final = (
    "kill executor",
    "kill warden",
    "kill executor+warden",
    "kill api",
    "stop executor",
    "stop executor+warden",
    "stop api",
    "stop work",
)
NOT_FINAL: Final = "scheduled,waiting,queued,running,retrying,paused,cancelling"
ALLOWED: Final = frozenset({200, 201, 409, 503})


class People:
    """Some who ask for runs and act on them, each by the choices of an own seed."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.asked: list[str] = []
        self.answers: Counter[str] = Counter()
        self.over = threading.Event()
        self.quota = 0
        self._failed: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._walk, args=(n,), name=f"walker {n}")
            for n in range(WALKERS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until all is asked for; fails with what failed a walker."""
        self.over.set()
        for thread in self._threads:
            thread.join()
        assert not self._failed, self._failed

    def _walk(self, number: int) -> None:
        random = Random(f"{SEED}-{number}")
        mine = 0
        try:
            with self.system.client() as client:
                while not self.over.is_set() or mine < self.quota // WALKERS:
                    if mine < self.quota // WALKERS:
                        mine += 1
                        self._ask(client, random, f"walker {number}, run {mine}")
                    else:
                        self.over.wait(random.random() / 5)
                    if random.random() < 0.5:
                        self._act(client, random)
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            self._failed.append(error)

    def _ask(self, client: httpx.Client, random: Random, name: str) -> None:
        (script,) = random.choices(list(SCRIPTS), list(SCRIPTS.values()))
        body = {
            "name": name,
            "spec": {"kind": "command", "script": script, "shell": "bash"},
            "queue": random.choice(("default", "default", "narrow")),
            "retry": {
                "max_attempts": random.randint(1, 3),
                "initial_seconds": random.choice((0.1, 5, 60)),
            },
            "limits": {
                "grace_seconds": 0.3,
                "when_cut_off": random.choice(("end", "continue")),
            },
        }
        self.asked.append(ask_until_answered(client, body, name))

    def _act(self, client: httpx.Client, random: Random) -> None:
        """Do anything at all to a run, or what its page offers and was done the least so far."""
        if not self.asked:
            return
        with suppress(httpx.TransportError):  # the api was killed, or stands still
            run, (action, body) = random.choice(self.asked[-40:]), random.choice(ACTIONS)
            if random.random() < 0.5 and (offered := self._offered(client)):
                random.shuffle(offered)
                run, action, body = min(offered, key=lambda one: self._done(one[1]))
            answer = client.post(f"/api/runs/{run}/{action}", json=body, timeout=5)
            assert answer.status_code in ALLOWED, answer.text
            self.answers[f"{action} {answer.status_code}"] += 1
            if answer.status_code == 201:
                self.asked.append(answer.json()["id"])

    def _offered(self, client: httpx.Client) -> list[tuple[str, str, dict[str, object]]]:
        """Give what the newest runs say is legal; nothing while the list cannot be read."""
        answer = client.get("/api/runs", params={"limit": 50}, timeout=5)
        assert answer.status_code in (200, 503), answer.text
        runs = answer.json()["items"] if answer.status_code == 200 else []
        return [
            (run["id"], action, body)
            for run in runs
            for action, body in ACTIONS
            if run["actions"][action] is None
        ]

    def _done(self, action: str) -> int:
        return self.answers[f"{action} 200"] + self.answers[f"{action} 201"]


class Trouble:
    """Kills and stops parts, one after the other, by the choices of a seed."""

    def __init__(self, system: System, people: People) -> None:
        self.system = system
        self.people = people
        self.random = Random(SEED)
        self.done: Counter[str] = Counter()

    def happen(self) -> None:
        """Do one thing, and wait until the system is whole again."""
        kind = self.random.choice(KINDS)
        self.done[kind] += 1
        what, _, parts = kind.partition(" ")
        if what == "kill":
            names = parts.split("+")
            self.system.runs_again(self.system.kill(*names))
        elif parts == "work":
            self._stop(self._work(), self.random.uniform(0.2, 2))
        else:
            # Now and then for longer than a lease, so that what goes on then comes too late.
            longest = 3.0 if parts == "api" else LEASE_SECONDS * 1.5
            pids = [self.system.pid(name) for name in parts.split("+")]
            self._stop(pids, self.random.uniform(0.2, longest))

    def _work(self) -> list[int]:
        """Give the processes of some runs."""
        runs = set(self.random.sample(self.people.asked, min(20, len(self.people.asked))))
        return [process.pid for process in left_of(runs)]

    def _stop(self, pids: list[int], seconds: float) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        threading.Event().wait(seconds)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def left_of(runs: Iterable[str]) -> list[psutil.Process]:
    """Give the living processes of any of these runs."""
    known, found = set(runs), []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("PERDURE_RUN_ID") in known and is_alive(process.pid):
                found.append(process)
    return found


def end_all(system: System) -> None:
    """End by force whatever has not ended: there is no run that nobody can end."""

    def none_left() -> bool:
        with system.client() as client:
            answer = client.get("/api/runs", params={"state": NOT_FINAL, "limit": 500})
            left = [run["id"] for run in answer.raise_for_status().json()["items"]]
            for run in left:
                ended = client.post(f"/api/runs/{run}/cancel", json={"force": True})
                assert ended.status_code in (200, 409), ended.text
            return not left

    eventually(none_left, 120, what="all runs are ended")


def test_whatever_people_and_faults_do_every_invariant_holds_and_every_run_can_be_ended(
    perdure: System,
) -> None:
    """What was answered is there, once; nothing waits beside an idle slot; no process is left."""
    with perdure.client() as client:
        client.put("/api/queues/narrow", json={"concurrency": 2}).raise_for_status()
    people = People(perdure)
    trouble = Trouble(perdure, people)
    people.start()
    try:
        for turn in range(FAULTS):
            people.quota = RUNS * (turn + 1) // FAULTS
            trouble.happen()
    finally:
        people.join()
    endpoint = perdure.endpoint
    check(endpoint.database_url, nats_url=endpoint.nats_url, answered=set(people.asked))
    end_all(perdure)
    store = check(endpoint.database_url, nats_url=endpoint.nats_url, answered=set(people.asked))
    assert {row["phase"] for row in store.runs.values()} == {"final"}
    eventually(lambda: not left_of(store.runs), what="no process is left")
    print(f"\n{len(store.runs):,} runs, {store.position:,} events, seed {SEED}")
    print("  " + ", ".join(f"{what} ×{n}" for what, n in sorted(trouble.done.items())))
    print("  " + ", ".join(f"{what} ×{n}" for what, n in sorted(people.answers.items())))
