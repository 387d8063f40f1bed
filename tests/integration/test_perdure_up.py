"""The supervisor over a stand-in for the services: starting, keeping, refusing, stopping."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import psutil
import pytest

from tests.support.system import System, running
from tests.support.waiting import eventually

FAKE_UP: Final = (
    sys.executable,
    str(Path(__file__).parent.parent / "support" / "run_fake_supervisor.py"),
)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., System]]:
    with ExitStack() as systems:

        def start(name: str = "one", **variables: str) -> System:
            folder = tmp_path / name
            folder.mkdir(exist_ok=True)
            return systems.enter_context(running(folder, variables, FAKE_UP))

        yield start


def refused(folder: Path, **variables: str) -> str:
    """Start one that cannot start, and give the one line that it says."""
    folder.mkdir(exist_ok=True)
    system = System(folder, variables, FAKE_UP)
    system.launch()
    code = system.wait()
    lines = system.output.splitlines()
    assert code == 2, lines
    assert len(lines) == 1, lines
    return lines[0]


def test_endpoint_json_tells_how_to_reach_the_system(up: Callable[..., System]) -> None:
    system = up()
    endpoint = system.endpoint
    path = system.data_dir / "endpoint.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(json.loads(path.read_text())) == {
        "url", "admin_token", "login_url", "database_url", "nats_url", "pids",
    }  # fmt: skip
    assert endpoint.database_url.startswith("postgresql://perdure_app:")
    assert endpoint.nats_url.startswith("nats://executor:")
    assert all(psutil.pid_exists(system.pid(name)) for name in endpoint.pids.__struct_fields__)
    assert endpoint.url in system.output
    assert endpoint.login_url in system.output


def test_a_clean_stop_ends_all_parts_and_takes_endpoint_json_away(
    up: Callable[..., System],
) -> None:
    system = up()
    pids = [system.pid(name) for name in system.endpoint.pids.__struct_fields__]
    assert system.stop(signal.SIGINT) == 0
    assert not (system.data_dir / "endpoint.json").exists()
    assert not [pid for pid in pids if _lives(pid)]


def test_each_part_that_is_killed_is_started_again(up: Callable[..., System]) -> None:
    system = up()
    url = system.endpoint.url
    for name in ("postgres", "nats", "executor", "api"):
        system.runs_again(system.kill(name))
        assert f"{name} ended (killed by SIGKILL): starting it again." in system.output
    assert system.endpoint.url == url
    with system.client() as client:
        assert client.get("/api/runs").status_code == 200


def test_a_part_that_keeps_ending_is_started_more_and_more_slowly(
    up: Callable[..., System],
) -> None:
    system = up()
    before = system.endpoint.pids
    (system.data_dir / "api.fails").write_text("cannot find my keys")
    system.kill("api")
    eventually(lambda: "starting it again in 2 s" in system.output)
    assert "api does not start (cannot find my keys): starting it again" in system.output
    (system.data_dir / "api.fails").unlink()
    system.runs_again({"api": before.api or 0})


def test_ports_and_passwords_stay_over_starts(up: Callable[..., System]) -> None:
    system = up()
    first = system.endpoint
    system.stop()
    system.start()
    assert system.endpoint.database_url == first.database_url
    assert system.endpoint.nats_url == first.nats_url
    assert system.endpoint.admin_token == first.admin_token


def test_it_starts_again_after_everything_was_killed(up: Callable[..., System]) -> None:
    system = up()
    for _ in range(2):
        system.kill_everything()
        system.start()
    with system.client() as client:
        assert client.get("/api/runs").status_code == 200


def test_children_do_not_outlive_a_killed_supervisor(up: Callable[..., System]) -> None:
    system = up()
    pids = [system.pid(name) for name in ("api", "executor", "postgres", "nats")]
    system.kill("supervisor")
    system.process.wait()
    eventually(lambda: not [pid for pid in pids if _lives(pid)], what="all children ended")


def test_servers_left_running_by_a_killed_supervisor_are_ended_first(
    up: Callable[..., System],
) -> None:
    system = up()
    orphans = [system.pid("postgres"), system.pid("nats")]
    # Stopped, they do not hear that their parent died.
    for pid in orphans:
        os.kill(pid, signal.SIGSTOP)
    system.kill("supervisor")
    system.process.wait()
    system.start()
    assert not [pid for pid in orphans if _lives(pid)]


def test_the_files_of_nats_may_be_deleted_while_it_runs(up: Callable[..., System]) -> None:
    system = up()
    before = {"nats": system.pid("nats")}
    subprocess.run(["rm", "-rf", str(system.data_dir / "nats")], check=True)
    system.runs_again(before)


def test_two_systems_run_side_by_side(up: Callable[..., System]) -> None:
    one, two = up("one"), up("two")
    assert one.endpoint.url != two.endpoint.url
    assert two.stop() == 0
    with one.client() as client:
        assert client.get("/api/runs").status_code == 200


def test_the_login_link_in_endpoint_json_follows_the_api(up: Callable[..., System]) -> None:
    system = up()
    (system.data_dir / "login_url").write_text("http://x/login/fresh")
    eventually(lambda: system.endpoint.login_url == "http://x/login/fresh")


def test_a_log_that_grows_too_long_is_set_aside(up: Callable[..., System]) -> None:
    system = up()
    log = system.data_dir / "logs" / "api.log"
    with log.open("ab") as file:
        file.write(b"x" * 11_000_000)
    eventually(lambda: log.stat().st_size < 1_000_000)
    assert log.with_suffix(".log.1").stat().st_size > 10_000_000


def test_an_executor_is_given_no_database(up: Callable[..., System]) -> None:
    system = up(PERDURE_EXECUTOR_NAME="alone")
    home = system.data_dir / "executor-alone"
    environment = json.loads((home / "environment.json").read_text())
    assert not [name for name in environment if "DATABASE" in name or "MIGRATE" in name]
    assert environment["PERDURE_NATS_URL"] == system.endpoint.nats_url


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become someone else")
def test_postgresql_does_not_run_as_root_and_opens_no_closed_folder(
    up: Callable[..., System], tmp_path: Path
) -> None:
    tmp_path.chmod(0o700)
    system = up()
    assert psutil.Process(system.pid("postgres")).uids().real != 0
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_a_data_directory_in_use_is_refused(up: Callable[..., System], tmp_path: Path) -> None:
    system = up()
    said = refused(tmp_path / "two", PERDURE_DATA_DIR=str(system.data_dir))
    assert "is in use by process" in said
    assert system.endpoint.pids.supervisor == system.process.pid


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert f"Port {port} of 127.0.0.1 is taken" in refused(tmp_path / "a", PERDURE_PORT=port)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PERDURE_PORT": "many"}, "PERDURE_PORT is 'many'"),
        ({"PERDURE_HOST": "192.0.2.1"}, "PERDURE_HOST '192.0.2.1' is no address"),
        ({"PERDURE_DATABASE_URL": "mysql://x/y"}, "PERDURE_DATABASE_URL is no address"),
        ({"PERDURE_DATABASE_URL": "postgresql://u:secret@127.0.0.1:1/x"}, "PERDURE_DATABASE_URL"),
        ({"PERDURE_NATS_URL": "127.0.0.1:4222"}, "PERDURE_NATS_URL is no address"),
        ({"PERDURE_NATS_URL": "nats://u:secret@127.0.0.1:1"}, "PERDURE_NATS_URL"),
        ({"PERDURE_DATA_DIR": "/proc/perdure"}, "Cannot use the data directory /proc/perdure"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_in_one_line(
    tmp_path: Path, variables: dict[str, str], words: str
) -> None:
    said = refused(tmp_path / "a", **variables)
    assert words in said
    assert "secret" not in said


def test_a_service_that_cannot_start_is_said_in_its_own_words(tmp_path: Path) -> None:
    data_dir = tmp_path / "a" / ".perdure"
    data_dir.mkdir(parents=True)
    (data_dir / "migrate.fails").write_text("the database is of a later version")
    assert "the database is of a later version" in refused(tmp_path / "a")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_is_said_in_one_line(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("this machine does not let root mount")
    try:
        assert "disk" in refused(tmp_path / "a", PERDURE_DATA_DIR=str(disk / "data"))
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def _lives(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False
