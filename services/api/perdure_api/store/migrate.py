"""Brings a database up to date: migrations in order, then the application role and its rights.

Migrations are `NNNN_(pre|post)_subject.sql`: *pre* ones go in before the new programs start, *post*
ones (which take away what only the old programs need) after. Each runs once, in a transaction with
the row that records it; what was applied is never edited.
"""

import hashlib
import re
from importlib import resources
from typing import Final, NamedTuple

import asyncpg

from perdure_api.errors import CannotStart
from perdure_runtime import logs

log = logs.get(__name__)

APPLICATION_ROLE: Final = "perdure_app"
_FILE: Final = re.compile(r"^\d{4}_(pre|post)_[a-z0-9_]+\.sql$")
_SET_IS_A_RIGHT: Final = 16
"""From this PostgreSQL on, membership and the right to SET ROLE are two things."""
_LOCK: Final = 0x7065_7264_0001
"""Advisory lock: one migration at a time in a database."""

_RECORD: Final = """
CREATE SCHEMA IF NOT EXISTS perdure;
CREATE TABLE IF NOT EXISTS perdure.migrations (
    name       text PRIMARY KEY,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)"""


class Migration(NamedTuple):
    """One file of `migrations/`."""

    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """The checksum that is recorded when it is applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    """Give the migrations of this version of the program, in order."""
    folder = resources.files("perdure_api.store") / "migrations"
    files = sorted((f for f in folder.iterdir() if _FILE.match(f.name)), key=lambda f: f.name)
    return [Migration(file.name.removesuffix(".sql"), file.read_text()) for file in files]


async def migrate(url: str) -> list[str]:
    """Apply what is missing and set the rights; repeatable, and safe beside another one.

    Args:
        url: A database whose user may create in it: its owner.

    Returns:
        The names of the migrations that were applied now.

    Raises:
        CannotStart: when the rights do not suffice, or an applied migration was edited since.
    """
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        return await _bring_up_to_date(connection)
    except asyncpg.InsufficientPrivilegeError as error:
        message = (
            f"The database user may not migrate ({error}): "
            "set PERDURE_MIGRATE_URL to the user that owns the database."
        )
        raise CannotStart(message) from error
    finally:
        await connection.close()


async def pending(url: str) -> list[str]:
    """Tell which migrations a database lacks."""
    connection = await asyncpg.connect(url)
    try:
        return await pending_in(connection)
    finally:
        await connection.close()


async def pending_in(connection: asyncpg.Connection) -> list[str]:
    """Tell which migrations the connected database lacks; newer ones than ours are no hindrance."""
    try:
        applied = {row[0] for row in await connection.fetch("SELECT name FROM perdure.migrations")}
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        applied = set()
    except asyncpg.InsufficientPrivilegeError:
        applied = set()  # the schema is there, its rights are not set yet
    return [migration.name for migration in migrations() if migration.name not in applied]


async def _bring_up_to_date(connection: asyncpg.Connection) -> list[str]:
    if await connection.fetchval("SELECT to_regclass('perdure.migrations') IS NULL"):
        await connection.execute(_RECORD)
    applied = dict(
        tuple(row) for row in await connection.fetch("SELECT name, sha256 FROM perdure.migrations")
    )
    done = []
    for migration in migrations():
        if migration.name not in applied:
            await _apply(connection, migration)
            done.append(migration.name)
        elif applied[migration.name] != migration.sha256:
            message = (
                f"Migration {migration.name} was changed after it was applied to this database: "
                "use the program version that applied it, or a new database."
            )
            raise CannotStart(message)
    await _set_rights(connection)
    return done


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO perdure.migrations (name, sha256) VALUES ($1, $2)",
            migration.name,
            migration.sha256,
        )
    log.info("migration applied", migration=migration.name)


async def _set_rights(connection: asyncpg.Connection) -> None:
    """Make the application role where that is allowed; else the owner runs everything."""
    if not await _application_role(connection):
        log.warning(
            "no application role",
            why="this user may not create roles",
            effect="services run as the owner; triggers alone keep the log append-only",
        )
        return
    sql = (resources.files("perdure_api.store") / "privileges.sql").read_text()
    async with connection.transaction():
        await connection.execute(sql)


async def _application_role(connection: asyncpg.Connection) -> bool:
    exists = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", APPLICATION_ROLE
    )
    try:
        if not exists:
            await _create_role(connection)
        if not await may_become_application(connection):
            await connection.execute(f"GRANT {APPLICATION_ROLE} TO CURRENT_USER")
    except asyncpg.InsufficientPrivilegeError:
        return False
    return True


async def _create_role(connection: asyncpg.Connection) -> None:
    try:
        async with connection.transaction():
            await connection.execute(f"CREATE ROLE {APPLICATION_ROLE} NOLOGIN")
    except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
        pass  # roles belong to the whole server: another database's migration was faster


async def may_become_application(connection: asyncpg.Connection) -> bool:
    """Tell whether `SET ROLE perdure_app` is possible (also true for that role itself)."""
    try:
        version = connection.get_server_version().major
        mode = "SET" if version >= _SET_IS_A_RIGHT else "MEMBER"
        return bool(
            await connection.fetchval(
                "SELECT pg_has_role(current_user, $1, $2)", APPLICATION_ROLE, mode
            )
        )
    except asyncpg.UndefinedObjectError:
        return False
