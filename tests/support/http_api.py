"""The api as a process of its own, on real servers, with a token for each role."""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from perdure_api.bootstrap import offline
from perdure_api.domain.callers import SYSTEM
from perdure_api.security.issuing import issue_token
from perdure_api.security.roles import ROLES
from tests.support.programs import clean_environment, start, stop
from tests.support.stack import Database
from tests.support.waiting import eventually

COMMAND = {"kind": "command", "argv": ["/bin/true"]}


@dataclass(frozen=True)
class Api:
    """A running api."""

    url: str
    folder: Path
    tokens: dict[str, str]
    process: subprocess.Popen[bytes]

    @property
    def login_url(self) -> str:
        """The unused login link that it keeps."""
        return (self.folder / "data" / "login_url").read_text().strip()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    def client(
        self, role: str | None = "admin", *, token: str = "", cookies: dict[str, str] | None = None
    ) -> httpx.Client:
        """Give a client with the token of a role, with another token, or without one."""
        bearer = token if role is None else self.tokens[role]
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        return httpx.Client(
            base_url=self.url, headers=headers, cookies=cookies, timeout=30, trust_env=False
        )

    def raw(self, data: bytes) -> bytes:
        """Send bytes and give all that comes back until the api closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while part := connection.recv(65536):
                answer += part
            return answer


def environment(database: Database, nats_url: str, folder: Path, **more: str) -> dict[str, str]:
    """Give the settings of an api under test."""
    given = {
        "PERDURE_DATABASE_URL": database.url,
        "PERDURE_NATS_URL": nats_url,
        "PERDURE_DATA_DIR": str(folder / "data"),
        "PERDURE_PORT": "0",
    }
    return clean_environment(**(given | more))


@contextmanager
def running_api(database: Database, nats_url: str, folder: Path, **more: str) -> Iterator[Api]:
    """Run an api for as long as the block lasts."""
    tokens = make_tokens(database)
    with (folder / "api.txt").open("wb") as output:
        process = start(
            [sys.executable, "-m", "perdure_cli.main", "api"],
            environment=environment(database, nats_url, folder, **more),
            directory=folder,
            output=output,
        )
    try:
        url = eventually(lambda: _address(folder / "api.txt", process), what="the api serves")
        yield Api(url, folder, tokens, process)
    finally:
        stop(process)


@contextmanager
def replicas(database: Database, nats_url: str, folder: Path) -> Iterator[Callable[[int], Api]]:
    """Give what starts another api on the same servers, by its number; all are stopped in the end."""
    with ExitStack() as lives:

        def replica(number: int) -> Api:
            home = folder / f"api{number}"
            home.mkdir()
            api = lives.enter_context(running_api(database, nats_url, home))
            eventually(lambda: httpx.get(f"{api.url}/healthz", trust_env=False).is_success)
            return api

        yield replica


def make_tokens(database: Database) -> dict[str, str]:
    """Make a token for each role, without an api."""

    async def make() -> dict[str, str]:
        async with offline(database.url) as (commands, _):
            return {
                role: (await issue_token(commands, SYSTEM, name=role, role=role)).text
                for role in ROLES
            }

    return asyncio.run(make())


def _address(output: Path, process: subprocess.Popen[bytes]) -> str:
    assert process.poll() is None, output.read_text()
    for line in output.read_text().splitlines():
        said = json.loads(line) if line.startswith("{") else {}
        if said.get("event") == "api serves":
            return str(said["address"])
    return ""
