"""What keeps the api from starting, and what it does when a server goes away."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import stack
from tests.support.http_api import COMMAND, environment, running_api
from tests.support.stack import Database, OwnNats, Postgres, Servers
from tests.support.waiting import eventually


def refusal(database: Database, nats_url: str, folder: Path, **settings: str) -> str:
    """Start an api that cannot start; give the one line that it says."""
    outcome = subprocess.run(
        [sys.executable, "-m", "perdure_cli.main", "api"],
        env=environment(database, nats_url, folder, **settings),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert outcome.returncode == 2, outcome.stderr
    lines = outcome.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"PERDURE_DATABASE_URL": ""}, "PERDURE_DATABASE_URL is not set"),
        ({"PERDURE_DATABASE_URL": "mysql://x"}, "PERDURE_DATABASE_URL is no address"),
        (
            {"PERDURE_DATABASE_URL": "postgresql://u:secret@127.0.0.1:1/x"},
            "Cannot use PERDURE_DATABASE_URL",
        ),
        ({"PERDURE_NATS_URL": "nats://u:secret@127.0.0.1:1"}, "Cannot use PERDURE_NATS_URL"),
        ({"PERDURE_PORT": "99999"}, "PERDURE_PORT"),
        ({"PERDURE_HOST": "0.0.0.0"}, "PERDURE_PUBLIC_URL"),
        (
            {"PERDURE_HOST": "no.such.host.invalid", "PERDURE_ALLOW_PLAIN_HTTP": "1"},
            "no address of this machine",
        ),
        ({"PERDURE_PUBLIC_URL": "perdure"}, "PERDURE_PUBLIC_URL"),
        ({"PERDURE_LEASE_SECONDS": "soon"}, "PERDURE_LEASE_SECONDS"),
    ],
    ids=lambda value: (
        " ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else ""
    ),
)
def test_a_setting_that_is_not_right_is_told_in_one_line(
    servers: Servers,
    module_database: Database,
    tmp_path: Path,
    settings: dict[str, str],
    words: str,
) -> None:
    line = refusal(module_database, servers.nats.api, tmp_path, **settings)
    assert words in line
    assert "secret" not in line


def test_a_port_in_use_is_told_in_one_line(
    servers: Servers, module_database: Database, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        line = refusal(module_database, servers.nats.api, tmp_path, PERDURE_PORT=port)
    assert f"Port {port} of 127.0.0.1 is taken" in line


def test_a_database_that_was_not_migrated_is_told_in_one_line(
    servers: Servers, empty_database: Database, tmp_path: Path
) -> None:
    assert "perdure migrate" in refusal(empty_database, servers.nats.api, tmp_path)


def test_requests_are_taken_while_nats_is_away(
    database: Database, own_nats: OwnNats, tmp_path: Path
) -> None:
    with running_api(database, own_nats.urls.api, tmp_path) as api, api.client() as client:
        eventually(lambda: client.get("/readyz").json()["status"] == "ready", what="it is ready")
        own_nats.kill()
        eventually(lambda: client.get("/readyz").json()["status"] == "degraded", what="it tells")
        answer = client.get("/readyz")
        assert answer.status_code == 200
        assert "NATS" in answer.json()["reasons"][0]
        made = client.post("/api/runs", json={"spec": COMMAND})
        assert made.status_code == 201
        assert client.get(f"/api/runs/{made.json()['id']}/why").status_code == 200
        own_nats.start()
        eventually(lambda: client.get("/readyz").json()["status"] == "ready", what="it recovers")


@contextmanager
def shut(postgres: Postgres, database: Database) -> Iterator[None]:
    """Let nobody into a database for a while, and throw out who is in."""
    postgres.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false")
    try:
        postgres.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database.name}'"
        )
        yield
    finally:
        postgres.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true")


def test_without_postgres_it_says_so_and_recovers_by_itself(
    servers: Servers, database: Database, tmp_path: Path
) -> None:
    stack.delete_streams(servers.nats.api)
    with running_api(database, servers.nats.api, tmp_path) as api, api.client() as client:
        kept = client.post("/api/runs", json={"spec": COMMAND}).json()["id"]
        with shut(servers.postgres, database):
            answer = eventually(
                lambda: (a := client.get("/readyz")).status_code == 503 and a,
                what="it is not ready",
            )
            assert answer
            assert answer.json()["status"] == "unavailable"
            assert client.get("/healthz").status_code == 200
            for refused in (
                client.post("/api/runs", json={"spec": COMMAND}),
                client.get(f"/api/runs/{kept}"),
                client.get("/api/runs"),
            ):
                assert refused.status_code == 503, refused.text
                assert refused.json()["type"] == "/problems/unavailable"
                assert int(refused.headers["retry-after"]) >= 1
        eventually(lambda: client.get("/readyz").status_code == 200, what="it is ready again")
        assert client.get(f"/api/runs/{kept}").json()["state"] == "queued"
        eventually(
            lambda: client.post("/api/runs", json={"spec": COMMAND}).status_code == 201,
            what="it takes requests again",
        )
