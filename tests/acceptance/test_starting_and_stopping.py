"""`perdure up` with everything real: what a user's scripts rely on."""

import json
import sys
from collections.abc import Callable

import asyncpg
import httpx
import nats
import psutil
import pytest
from nats.errors import Error as NatsError

from tests.support.programs import clean_environment, start, stop
from tests.support.stack import Database, OwnNats
from tests.support.system import System
from tests.support.waiting import eventually

ECHO = {
    "spec": {"kind": "command", "argv": ["/bin/echo", "hello"]},
    # An attempt that was given to an executor just killed is lost, and counts.
    "retry": {"max_attempts": 5},
}


def echo_completes(system: System) -> str:
    """Have a small run completed, and give its id."""
    with system.client() as client:
        run: str = client.post("/api/runs", json=ECHO).raise_for_status().json()["id"]
    system.run_that(run, lambda found: found["state"] == "completed")
    return run


def takes_requests(system: System) -> None:
    """Wait until the api is ready for requests."""
    with system.client() as client:
        eventually(lambda: client.get("/readyz").is_success, what="the api is ready")


def test_a_run_is_completed_after_each_part_was_killed(system: System) -> None:
    for name in ("executor", "warden", "api", "postgres", "nats"):
        system.runs_again(system.kill(name))
        takes_requests(system)
        echo_completes(system)


def test_what_was_completed_is_still_there_after_everything_was_killed(system: System) -> None:
    run = echo_completes(system)
    system.kill_everything()
    system.start()
    system.run_that(run, lambda found: found["state"] == "completed")
    echo_completes(system)


def test_the_login_link_opens_the_dashboard_once_and_is_replaced(running_system: System) -> None:
    link = running_system.endpoint.login_url
    first = httpx.get(link, trust_env=False)
    assert first.status_code == 303
    assert first.headers["Location"] == "/"
    assert "set-cookie" in first.headers
    second = httpx.get(link, trust_env=False)
    assert second.status_code == 410
    assert "perdure login" in second.text
    eventually(lambda: running_system.endpoint.login_url != link, what="a fresh login link")


def test_the_admin_token_works_after_the_next_start(system: System) -> None:
    token = system.endpoint.admin_token
    assert system.stop() == 0
    system.start()
    assert system.endpoint.admin_token == token
    with system.client() as client:
        assert client.get("/api/runs").is_success


def test_a_second_executor_joins_with_the_nats_url(running_system: System) -> None:
    executor = start(
        [sys.executable, "-m", "perdure_cli.main", "executor"],
        environment=clean_environment(
            PERDURE_NATS_URL=running_system.endpoint.nats_url,
            PERDURE_DATA_DIR=str(running_system.folder / "second"),
            PERDURE_EXECUTOR_NAME="second",
        ),
        directory=running_system.folder,
    )
    try:
        with running_system.client() as client:

            def names() -> set[str]:
                answer = client.get("/api/executors").raise_for_status().json()
                return {item["name"] for item in answer["items"] if item["state"] == "live"}

            eventually(lambda: "second" in names(), what="the second executor is live")
    finally:
        assert stop(executor) == 0


async def test_the_nats_url_lets_one_follow_events_but_not_make_them(
    running_system: System,
) -> None:
    refused: list[Exception] = []

    async def note(error: Exception) -> None:
        refused.append(error)

    client = await nats.connect(running_system.endpoint.nats_url, error_cb=note)
    try:
        events = await client.subscribe("perdure.events.>")
        await client.flush()
        run = echo_completes(running_system)
        while run not in (await events.next_msg(timeout=30)).subject:
            """Events of other tests' runs pass by."""
        await client.publish("perdure.events.v1.default.run.x.completed", b"{}")
        await client.flush()
        with pytest.raises(NatsError):
            await client.jetstream().purge_stream("PERDURE_EVENTS")
        assert any("permissions violation" in str(error).lower() for error in refused)
    finally:
        await client.close()


async def test_the_database_url_may_not_rewrite_history(running_system: System) -> None:
    echo_completes(running_system)
    connection = await asyncpg.connect(running_system.endpoint.database_url)
    try:
        for statement in ("UPDATE perdure.events SET data = data", "DELETE FROM perdure.events"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


def test_servers_of_ones_own_are_used_and_left_alone(
    start_system: Callable[..., System], empty_database: Database, own_nats: OwnNats
) -> None:
    system = start_system(
        PERDURE_DATABASE_URL=empty_database.owner_url, PERDURE_NATS_URL=own_nats.urls.api
    )
    assert system.endpoint.database_url == empty_database.owner_url
    assert system.endpoint.nats_url == own_nats.urls.api
    assert system.endpoint.pids.postgres is None
    assert system.endpoint.pids.nats is None
    assert not (system.data_dir / "postgres").exists()
    echo_completes(system)
    assert system.stop() == 0
    assert psutil.pid_exists(own_nats.pid)


def test_a_host_that_others_can_reach_needs_a_public_url(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    system = System(tmp_path_factory.mktemp("open"), {"PERDURE_HOST": "0.0.0.0"})
    system.launch()
    assert system.wait() == 2
    assert len(system.output.splitlines()) == 1
    assert "PERDURE_PUBLIC_URL" in system.output


def test_a_second_executor_of_one_name_is_refused(running_system: System) -> None:
    with running_system.client() as client:
        name = client.get("/api/executors").raise_for_status().json()["items"][0]["name"]
    said = running_system.folder / "refusal.txt"
    with said.open("wb") as output:
        executor = start(
            [sys.executable, "-m", "perdure_cli.main", "executor"],
            environment=clean_environment(
                PERDURE_NATS_URL=running_system.endpoint.nats_url,
                PERDURE_DATA_DIR=str(running_system.data_dir),
                PERDURE_EXECUTOR_NAME=name,
            ),
            directory=running_system.folder,
            output=output,
        )
    assert executor.wait(60) == 2, said.read_text()


def test_the_endpoint_names_all_processes(start_system: Callable[..., System]) -> None:
    system = start_system(PERDURE_EXECUTOR_NAME="night-shift")
    endpoint = json.loads((system.data_dir / "endpoint.json").read_text())
    assert set(endpoint["pids"]) == {
        "supervisor", "api", "executor", "warden", "postgres", "nats",
    }  # fmt: skip
    assert all(isinstance(pid, int) for pid in endpoint["pids"].values())
    assert (system.data_dir / "executor-night-shift").is_dir()
    assert system.stop() == 0
