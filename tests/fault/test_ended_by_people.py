"""What people end or start again while its processes, or its executor, do not play along."""

import json
import os
import signal
import subprocess
import sys

import httpx
import pytest

from tests.support.checker import check
from tests.support.faults import (
    Work,
    ask,
    ended,
    events,
    is_alive,
    names,
    processes_of,
    second_executor,
    stopped,
)
from tests.support.played_api import keepers_of
from tests.support.system import System
from tests.support.waiting import eventually

pytestmark = pytest.mark.fault

VARIABLES = {"PERDURE_EXECUTOR_SLOTS": "8"}
"""The lease is that of everyday, so nothing here is ended by the lease."""

FROM_CHECKPOINT = """
import json, os, pathlib
start = os.environ.get("PERDURE_CHECKPOINT")
came_to = json.loads(pathlib.Path(start).read_text())["cursor"] if start else 0
attempt, fd = os.environ["PERDURE_ATTEMPT"], int(os.environ["PERDURE_FD"])
with open("marks", "a") as marks:
    marks.write(f"start {attempt} after {came_to}\\n")
if not start:
    os.write(fd, b'{"checkpoint": {"cursor": 228}}\\n')
    open("gate").read()
os.write(fd, b'{"checkpoint": {"cursor": 313}}\\n')
os.write(fd, json.dumps({"result": attempt}).encode() + b"\\n")
"""

STUBBORN = """
trap '' TERM
env -i setsid bash -c 'trap "" TERM; echo $$ > away; sleep 600; sleep 600' &
setsid bash -c 'trap "" TERM; sleep 600; sleep 600' &
until [ -s away ]; do sleep 0.01; done
echo "start $PERDURE_ATTEMPT" >> marks
sleep 600; sleep 600
"""


def act(client: httpx.Client, run_id: str, action: str, **body: object) -> dict[str, object]:
    """Do something to a run, and give it as it is then."""
    answer = client.post(f"/api/runs/{run_id}/{action}", json=body)
    assert answer.status_code == 200, answer.text
    after: dict[str, object] = answer.json()
    return after


def warden_of(perdure: System, name: str) -> int:
    """Give the warden of a second executor."""
    note = perdure.folder / name / f"executor-{name}" / "warden.json"
    pid: int = json.loads(note.read_text())["pid"]
    return pid


def hands_of(perdure: System, name: str, agent: subprocess.Popen[bytes]) -> list[int]:
    """Give all processes of a second executor."""
    warden = warden_of(perdure, name)
    return [agent.pid, warden, *keepers_of(warden)]


def test_old_processes_that_continue_after_a_restart_from_checkpoint_change_nothing(
    perdure: System, work: Work
) -> None:
    """The old attempt is fenced at once; nobody can end it yet, and it ends once it goes on."""
    argv = [sys.executable, "-c", FROM_CHECKPOINT]
    spec: dict[str, object] = {"kind": "command", "argv": argv, "cwd": str(work.folder)}
    site = {"PERDURE_EXECUTOR_LABELS": "site=b"}
    with perdure.client() as client, second_executor(perdure, "old-hands", **site) as old:
        run_id = ask(client, spec, labels={"site": "b"})
        perdure.run_that(run_id, lambda run: run["checkpoint"] is not None)
        client.post("/api/executors/old-hands/drain", json={}).raise_for_status()
        processes = [process.pid for process in processes_of(run_id)]
        with second_executor(perdure, "new-hands", **site):
            with stopped(*hands_of(perdure, "old-hands", old), *processes):
                act(client, run_id, "restart", **{"from": "checkpoint"})
                run = ended(perdure, run_id)
                assert (run["state"], run["executor"], run["result"]) == (
                    "completed", "new-hands", "2",
                )  # fmt: skip
                assert any(is_alive(pid) for pid in processes)
                work.open_gate()
            eventually(lambda: not processes_of(run_id), what="no process is left")
        after = ended(perdure, run_id)
        assert (after["state"], after["attempt"], after["result"]) == ("completed", 2, "2")
        assert work.marks == ["start 1 after 0", "start 2 after 228"]
        told = [name for name in names(events(client, run_id)) if name != "report-refused"]
        assert told == [
            "requested", "attempt-started", "checkpointed", "restarted", "attempt-started",
            "checkpointed", "completed",
        ]  # fmt: skip
    check(perdure.endpoint.database_url)


def test_a_run_whose_executor_is_gone_is_ended_by_force(perdure: System, work: Work) -> None:
    """The api closes it without a word of the executor and long before the lease, and it is fenced."""
    labels = {"site": "gone"}
    with perdure.client() as client:
        with second_executor(perdure, "gone", PERDURE_EXECUTOR_LABELS="site=gone") as agent:
            run_id = ask(client, work.gated, labels=labels)
            eventually(lambda: work.marks == ["start 1"], what="it works")
            for pid in (agent.pid, warden_of(perdure, "gone")):
                os.kill(pid, signal.SIGKILL)
        act(client, run_id, "cancel", force=True)
        assert ended(perdure, run_id)["state"] == "cancelled"
        told = events(client, run_id)
        assert names(told) == ["requested", "attempt-started", "cancel-requested", "cancelled"]
        assert told[-1]["data"]["forced"] is True  # type: ignore[index]
        eventually(lambda: not processes_of(run_id), what="no process is left")
    check(perdure.endpoint.database_url)


def test_a_tree_that_ignores_term_and_has_left_its_group_is_ended_by_force(
    perdure: System, work: Work
) -> None:
    """Whoever left the group, the session, or even its environment, is ended with the rest."""
    with perdure.client() as client:
        run_id = ask(client, work.script(STUBBORN), limits={"grace_seconds": 600})
        eventually(lambda: work.marks == ["start 1"], what="it works")
        away = int((work.folder / "away").read_text())
        assert len(processes_of(run_id)) >= 3
        act(client, run_id, "cancel")
        assert is_alive(away)
        act(client, run_id, "cancel", force=True)
        assert ended(perdure, run_id)["state"] == "cancelled"
        eventually(lambda: not processes_of(run_id) and not is_alive(away), what="all are ended")
        told = names(events(client, run_id))
        assert told == [
            "requested", "attempt-started", "cancel-requested", "cancel-requested", "cancelled",
        ]  # fmt: skip
    check(perdure.endpoint.database_url)
