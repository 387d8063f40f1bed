"""Real servers for tests: named by a URL, else from the wheels, else from containers.

PERDURE_TEST_POSTGRES_URL   a user who may create databases and roles
PERDURE_TEST_NATS_URL       a user who may do everything; its streams are deleted
"""

import asyncio
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import nats
from nats.js.errors import NotFoundError

from perdure_devstack.chosen import choose
from perdure_devstack.directories import Directories
from perdure_devstack.nats import EmbeddedNats, program
from tests.support.programs import clean_environment, start, stop
from tests.support.waiting import eventually


@dataclass(frozen=True)
class NatsUrls:
    """One NATS with JetStream, for each of its users."""

    api: str
    executor: str
    reader: str


@dataclass(frozen=True)
class Database:
    """One database of the test's own."""

    name: str
    url: str
    """As the application role."""
    owner_url: str
    """As the owner, who migrates."""
    superuser_url: str


class Postgres:
    """A PostgreSQL in which each test gets a database; `template` is a migrated one."""

    def __init__(self, superuser_url: str, owner_url: str, application_url: str) -> None:
        self._superuser_url = superuser_url
        self._owner_url = owner_url
        self._application_url = application_url
        self._template: Database | None = None

    @contextmanager
    def database(self, *, migrated: bool = True) -> Iterator[Database]:
        """Make a database, copied from the migrated template unless told otherwise."""
        template = self.template.name if migrated else "template0"
        database = self._named(f"test_{secrets.token_hex(6)}")
        self._create(database, template)
        try:
            yield database
        finally:
            self.execute(f"DROP DATABASE {database.name} WITH (FORCE)")

    @property
    def template(self) -> Database:
        """The migrated database from which the others are copied; made when first asked for."""
        if self._template is None:
            template = self._named(f"template_{secrets.token_hex(6)}")
            self._create(template, "template0")
            migrate(template)
            self._template = template
        return self._template

    def execute(self, statement: str) -> None:
        """Run one statement as superuser, outside of any test's database."""

        async def run() -> None:
            connection = await asyncpg.connect(_with_database(self._superuser_url, "postgres"))
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        asyncio.run(run())

    def drop_template(self) -> None:
        """Take the template away again."""
        if self._template is not None:
            self.execute(f"DROP DATABASE {self._template.name} WITH (FORCE)")
            self._template = None

    def _create(self, database: Database, template: str) -> None:
        owner = urlsplit(self._owner_url).username
        self.execute(f'CREATE DATABASE {database.name} TEMPLATE {template} OWNER "{owner}"')

    def _named(self, name: str) -> Database:
        return Database(
            name=name,
            url=_with_database(self._application_url, name),
            owner_url=_with_database(self._owner_url, name),
            superuser_url=_with_database(self._superuser_url, name),
        )


def migrate(database: Database) -> None:
    """Bring a database to this version, with the command that users have."""
    outcome = subprocess.run(
        [sys.executable, "-m", "perdure_cli.main", "migrate"],
        env=clean_environment(
            PERDURE_DATABASE_URL=database.url, PERDURE_MIGRATE_URL=database.owner_url
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@dataclass(frozen=True)
class Servers:
    """The servers of a whole test run."""

    postgres: Postgres
    nats: NatsUrls


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """Give servers for a whole test run; those started here are stopped at its end."""
    postgres_url = os.environ.get("PERDURE_TEST_POSTGRES_URL")
    nats_url = os.environ.get("PERDURE_TEST_NATS_URL")
    with ExitStack() as stack:
        if postgres_url is None or nats_url is None:
            try:
                urls = stack.enter_context(_from_wheels(folder))
            except WheelsDoNotRunError:
                urls = stack.enter_context(_from_containers())
        else:
            urls = {}
        if postgres_url is not None:
            urls |= dict.fromkeys(("superuser", "owner", "application"), postgres_url)
        if nats_url is not None:
            urls |= dict.fromkeys(("nats_api", "nats_executor", "nats_reader"), nats_url)
        postgres = Postgres(urls["superuser"], urls["owner"], urls["application"])
        stack.callback(postgres.drop_template)
        yield Servers(
            postgres=postgres,
            nats=NatsUrls(urls["nats_api"], urls["nats_executor"], urls["nats_reader"]),
        )


class WheelsDoNotRunError(Exception):
    """The wheels have no servers for this machine."""


@contextmanager
def _from_wheels(folder: Path) -> Iterator[dict[str, str]]:
    with (folder / "errors.txt").open("wb") as errors:
        process = start(
            [sys.executable, "-m", "perdure_devstack"],
            environment=clean_environment(PERDURE_DATA_DIR=str(folder)),
            directory=folder,
            output=subprocess.PIPE,
            errors=errors,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise WheelsDoNotRunError((folder / "errors.txt").read_text())
        yield json.loads(line)
    finally:
        stop(process)


@contextmanager
def _from_containers() -> Iterator[dict[str, str]]:
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - the last resort
    from testcontainers.postgres import PostgresContainer  # noqa: PLC0415 - the last resort

    with (
        PostgresContainer("postgres:18", driver=None) as postgres,
        DockerContainer("nats:2.12").with_command("-js").with_exposed_ports(4222) as server,
    ):
        url = postgres.get_connection_url()
        host, port = server.get_container_host_ip(), int(server.get_exposed_port(4222))
        eventually(lambda: _nats_answers(host, port), what="NATS answers")
        yield dict.fromkeys(("superuser", "owner", "application"), url) | dict.fromkeys(
            ("nats_api", "nats_executor", "nats_reader"), f"nats://{host}:{port}"
        )


def delete_streams(url: str) -> None:
    """Make a NATS as good as new."""

    async def run() -> None:
        connection = await nats.connect(url)
        try:
            jetstream = connection.jetstream()
            for stream in await jetstream.streams_info():
                assert stream.config.name is not None
                await jetstream.delete_stream(stream.config.name)
        except NotFoundError:
            pass
        finally:
            await connection.close()

    asyncio.run(run())


class OwnNats:
    """A NATS of the test's own, to be killed, wiped and rolled back."""

    def __init__(self, folder: Path) -> None:
        directories = Directories(folder)
        directories.prepare()
        self._server = EmbeddedNats(directories, choose(directories).nats, os.environ)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.store = directories.nats
        self.urls = NatsUrls(
            self._server.api_url, self._server.executor_url, self._server.reader_url
        )

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the server on what is in the store, and wait until it answers."""
        self._server.write_configuration()
        with (self._folder / "output.txt").open("ab") as output:
            self._process = start(
                [str(program()), "--config", str(self._server.configuration)],
                environment=clean_environment(),
                directory=self._folder,
                output=output,
            )
        port = self._server.choice.port
        eventually(lambda: _nats_answers("127.0.0.1", port), what="NATS answers")

    def stop(self) -> None:
        """Stop in good order."""
        if self._process is not None:
            stop(self._process)

    def kill(self) -> None:
        """End it as a crash does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def wipe(self) -> None:
        """Delete all that it holds; only while it is stopped."""
        shutil.rmtree(self.store)

    def save(self, copy: Path) -> None:
        """Copy all that it holds; only while it is stopped."""
        shutil.copytree(self.store, copy)

    def roll_back(self, copy: Path) -> None:
        """Put an older copy in the place of what it holds; only while it is stopped."""
        shutil.rmtree(self.store)
        shutil.copytree(copy, self.store)


def _nats_answers(host: str, port: int) -> bool:
    """Ask without an event loop, because a test may have one running."""
    with socket.create_connection((host, port), timeout=5) as connection:
        return b'"jetstream":true' in connection.recv(65_536)


def _with_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
