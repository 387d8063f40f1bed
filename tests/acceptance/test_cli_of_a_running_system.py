"""The command line against a whole Perdure, as people and scripts use it."""

import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from perdure_cli.main import root
from tests.support.programs import clean_environment
from tests.support.system import System
from tests.support.waiting import eventually

pytestmark = pytest.mark.acceptance

Ended = subprocess.CompletedProcess[str]
Perdure = Callable[..., Ended]


@pytest.fixture
def perdure(running_system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Perdure:
    """Give the command as one has it who works on the data directory of a running system."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERDURE_DATA_DIR", str(running_system.data_dir))

    def run(*words: str, stdin: str = "") -> Ended:
        # In this process: starting Python anew takes longer than what is tested.
        outcome = CliRunner().invoke(root, words, input=stdin, catch_exceptions=False)
        return Ended(words, outcome.exit_code, outcome.stdout, outcome.stderr)

    return run


@pytest.fixture
def perdure_process(running_system: System, tmp_path: Path) -> Perdure:
    """Give the command as a process of its own."""
    environment = clean_environment(PERDURE_DATA_DIR=str(running_system.data_dir))

    def run(*words: str) -> Ended:
        return subprocess.run(
            [sys.executable, "-m", "perdure_cli.main", *words],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def answer(outcome: Ended) -> Any:  # noqa: ANN401 - what JSON holds
    assert outcome.returncode == 0, outcome.stderr
    return json.loads(outcome.stdout)


def shown(perdure: Perdure, run_id: str) -> dict[str, Any]:
    run: dict[str, Any] = answer(perdure("run", "show", run_id, "--json"))
    return run


def test_a_followed_run_gives_its_output_on_the_same_streams(perdure_process: Perdure) -> None:
    script = "echo to people; echo to the log >&2"
    outcome = perdure_process("run", "submit", "--follow", "--", "/bin/sh", "-c", script)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout == "to people\n"
    assert "to the log" in outcome.stderr.splitlines()
    assert "is completed" in outcome.stderr


def test_a_followed_run_that_fails_ends_with_1_and_says_why(perdure_process: Perdure) -> None:
    outcome = perdure_process("run", "submit", "--follow", "--", "/bin/sh", "-c", "exit 3")
    assert outcome.returncode == 1
    assert "exit code 3" in outcome.stderr.splitlines()[-1]


def test_every_option_of_a_submission_arrives(perdure: Perdure, tmp_path: Path) -> None:
    (tmp_path / "job.sh").write_text("cat; echo $COLOUR")
    words = (
        "--name", "nightly photos", "--queue", "photos", "--priority", "7", "--tag", "nightly",
        "--label", "site=b", "--at", "2099-01-31T02:30:00Z", "--unique-key", str(uuid.uuid4()),
        "--env", "COLOUR=red", "--cwd", "/tmp", "--script", "job.sh", "--shell", "/bin/bash",
        "--stdin", "-", "--max-attempts", "6", "--retry-wait", "2s", "--retry-factor", "3",
        "--retry-max-wait", "5m", "--retry-jitter", "0.2", "--retry-on", "exit", "--retry-on",
        "lost", "--no-retry-exit", "2", "--timeout", "1h", "--stuck-after", "1d", "--grace", "5",
        "--memory", "500M", "--log-bytes", "1M", "--when-cut-off", "continue",
    )  # fmt: skip
    run = answer(perdure("run", "submit", "--json", *words, stdin="given"))
    assert run["state"] == "scheduled"
    assert (run["name"], run["queue"], run["priority"]) == ("nightly photos", "photos", 7)
    assert (run["tags"], run["labels"]) == (["nightly"], {"site": "b"})
    assert run["spec"]["env"] == {"COLOUR": "red"}
    assert (run["spec"]["cwd"], run["spec"]["shell"]) == ("/tmp", "/bin/bash")
    assert run["retry"] == {
        "max_attempts": 6,
        "initial_seconds": 2.0,
        "factor": 3.0,
        "max_seconds": 300.0,
        "jitter": 0.2,
        "on": ["exit", "lost"],
        "not_exit_codes": [2],
    }
    assert run["limits"] == {
        "timeout_seconds": 3600.0,
        "stuck_after_seconds": 86400.0,
        "grace_seconds": 5.0,
        "memory_bytes": 500_000_000,
        "log_bytes": 1_000_000,
        "when_cut_off": "continue",
    }
    answer(perdure("run", "cancel", run["id"], "--json"))


def test_a_script_reads_its_input_and_variables(perdure: Perdure, tmp_path: Path) -> None:
    (tmp_path / "job.sh").write_text("cat; echo $COLOUR")
    words = ("--script", "job.sh", "--stdin", "-", "--env", "COLOUR=red", "--follow")
    outcome = perdure("run", "submit", *words, stdin="given\n")
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout == "given\nred\n"


def test_the_same_idempotency_key_gives_the_same_run(perdure: Perdure) -> None:
    words = ("run", "submit", "--idempotency-key", str(uuid.uuid4()), "--", "/bin/true")
    assert perdure(*words).stdout == perdure(*words).stdout != ""


def test_a_run_is_listed_shown_explained_and_its_log_printed(perdure: Perdure) -> None:
    tag = f"t{uuid.uuid4().hex[:8]}"
    words = ("--tag", tag, "--follow", "--json", "--", "/bin/echo", "here")
    assert perdure("run", "submit", *words).returncode == 0

    def listed() -> list[dict[str, Any]]:
        runs: list[dict[str, Any]] = answer(perdure("run", "list", "--tag", tag, "--json"))["items"]
        return runs

    eventually(lambda: len(listed()) == 1, what="the run is listed")
    (run,) = listed()
    assert run["id"] in perdure("run", "list", "--tag", tag).stdout
    assert "completed" in perdure("run", "show", run["id"]).stdout
    assert perdure("run", "log", run["id"]).stdout == "here\n"
    (line,) = perdure("run", "log", run["id"], "--json").stdout.splitlines()
    assert json.loads(line)["text"] == "here"
    assert answer(perdure("run", "why", run["id"], "--json"))["state"] == "completed"
    assert perdure("run", "wait", run["id"]).returncode == 0


def test_each_update_of_a_followed_run_is_one_line_of_json(perdure: Perdure) -> None:
    script = (
        'echo one; echo "{\\"progress\\": {\\"done\\": 1, \\"total\\": 2}}" >&$PERDURE_FD; sleep 1'
    )
    outcome = perdure("run", "submit", "--follow", "--json", "--", "/bin/sh", "-c", script)
    assert outcome.returncode == 0, outcome.stderr
    updates = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert updates[-1]["state"]["state"] == "completed"
    assert [entry["text"] for u in updates if "log" in u for entry in u["log"]] == ["one"]
    assert updates[-1]["state"]["progress"]["done"] == 1


def test_a_run_that_waits_is_held_released_started_and_cancelled(perdure: Perdure) -> None:
    words = ("--at", "+1h", "--json", "--", "/bin/sleep", "600")
    run_id = answer(perdure("run", "submit", *words))["id"]
    assert answer(perdure("run", "hold", run_id, "--json"))["state"] == "paused"
    assert answer(perdure("run", "priority", run_id, "-5", "--json"))["priority"] == -5
    assert answer(perdure("run", "release", run_id, "--json"))["state"] == "scheduled"
    assert answer(perdure("run", "retry-now", run_id, "--json"))["state"] in ("queued", "running")
    eventually(lambda: shown(perdure, run_id)["state"] == "running", what="it runs")
    assert "cancel" in perdure("run", "cancel", run_id, "--reason", "enough").stdout
    assert perdure("run", "follow", run_id).returncode == 1
    assert shown(perdure, run_id)["state"] == "cancelled"


def test_what_is_not_legal_is_refused_in_one_line_with_2(perdure: Perdure) -> None:
    run_id = perdure("run", "submit", "--follow", "--json", "--", "/bin/true").stdout
    run_id = json.loads(run_id.splitlines()[-1])["state"]["id"]
    outcome = perdure("run", "cancel", run_id)
    assert outcome.returncode == 2
    assert len(outcome.stderr.splitlines()) == 1


def test_a_field_that_the_server_refuses_is_named(perdure: Perdure) -> None:
    outcome = perdure("run", "submit", "--queue", "No Such Name!", "--", "/bin/true")
    assert outcome.returncode == 2
    assert "/queue" in outcome.stderr


def test_an_unknown_run_is_refused_with_2(perdure: Perdure) -> None:
    assert perdure("run", "show", str(uuid.uuid4())).returncode == 2


def test_a_wrong_token_is_refused_with_2_and_says_how_to_get_one(perdure: Perdure) -> None:
    outcome = perdure("run", "list", "--token", "pd_none_secret")
    assert outcome.returncode == 2
    assert "perdure token create" in outcome.stderr


def test_a_paused_queue_starts_nothing_until_it_is_resumed(perdure: Perdure) -> None:
    queue = f"q{uuid.uuid4().hex[:8]}"
    assert (
        answer(perdure("queue", "set", queue, "--concurrency", "1", "--json"))["concurrency"] == 1
    )
    assert answer(perdure("queue", "pause", queue, "--json"))["paused"] is True
    run_id = answer(perdure("run", "submit", "--queue", queue, "--json", "--", "/bin/true"))["id"]
    assert shown(perdure, run_id)["state"] == "queued"
    assert answer(perdure("queue", "resume", queue, "--json"))["paused"] is False
    assert perdure("run", "wait", run_id).returncode == 0
    assert queue in perdure("queue", "list").stdout


def test_executors_are_listed_with_their_slots(perdure: Perdure, running_system: System) -> None:
    (executor,) = answer(perdure("executors", "list", "--json"))["items"]
    assert executor["state"] == "live"
    assert executor["slots"] > 0


def test_a_token_opens_until_it_is_revoked(perdure: Perdure, running_system: System) -> None:
    made = answer(perdure("token", "create", "--name", "test", "--role", "viewer", "--json"))
    assert perdure("run", "list", "--token", made["token"]).returncode == 0
    assert perdure("run", "submit", "--token", made["token"], "--", "/bin/true").returncode == 2
    assert made["id"] in perdure("token", "list").stdout
    assert answer(perdure("token", "revoke", made["id"], "--json")) == {
        "id": made["id"],
        "revoked": True,
    }
    eventually(
        lambda: perdure("run", "list", "--token", made["token"]).returncode == 2,
        what="the token opens nothing",
    )


def test_login_prints_a_link_that_opens_once(perdure: Perdure, running_system: System) -> None:
    link = perdure("login").stdout.strip()
    assert link.startswith(running_system.endpoint.url)
    with running_system.client() as client:
        assert client.get(link).status_code == 303
        assert client.get(link).status_code == 410


def test_the_log_can_be_read_from_its_first_event(perdure: Perdure) -> None:
    perdure("run", "submit", "--follow", "--", "/bin/true")
    lines = perdure("events", "tail", "--no-wait", "--json").stdout.splitlines()
    positions = [json.loads(line)["position"] for line in lines]
    assert positions == list(range(1, len(positions) + 1))
    types = ("--type", "perdure.run.completed.v1")
    some = perdure("events", "tail", "--no-wait", "--json", *types).stdout.splitlines()
    assert {json.loads(line)["type"] for line in some} == {"perdure.run.completed.v1"}


def test_the_log_and_its_views_are_verified_and_rebuilt(perdure: Perdure) -> None:
    perdure("run", "submit", "--follow", "--", "/bin/true")
    verdict = answer(perdure("audit", "verify", "--json"))
    assert verdict["broken"] is None
    assert verdict["events"] > 0
    assert answer(perdure("projections", "verify", "--json"))["items"][0]["differing"] == 0
    assert answer(perdure("projections", "rebuild", "run_list", "--json"))["items"][0]["rows"] > 0
    listed = answer(perdure("projections", "list", "--json"))["items"]
    assert {p["status"] for p in listed} == {"live"}


def test_an_unknown_projection_is_wrong_use(perdure: Perdure) -> None:
    outcome = perdure("projections", "rebuild", "nothing")
    assert outcome.returncode == 2
    assert "run_list" in outcome.stderr


def test_the_demo_shows_each_kind_of_work(perdure: Perdure, running_system: System) -> None:
    outcome = perdure("demo")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "line 40" in outcome.stdout
    assert f"{running_system.endpoint.url}/runs?tag=demo" in outcome.stdout
