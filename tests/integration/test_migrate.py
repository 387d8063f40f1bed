"""Migrations on a real PostgreSQL: rights, repetition, two at once, servers that refuse roles."""

import asyncio

import asyncpg
import pytest
from sqlalchemy import Connection, inspect
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import create_async_engine

from perdure_api.errors import CannotStart
from perdure_api.store import migrate as migrate_module
from perdure_api.store.migrate import Migration, migrate, migrations, pending
from perdure_api.store.tables import metadata
from tests.support.stack import Database, Servers

pytestmark = pytest.mark.integration

POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]


async def test_a_fresh_database_gets_everything_and_a_second_time_nothing(
    empty_database: Database,
) -> None:
    names = [migration.name for migration in migrations()]
    assert await pending(empty_database.url) == names
    assert await migrate(empty_database.owner_url) == names
    assert await migrate(empty_database.owner_url) == []
    assert await pending(empty_database.url) == []


async def test_two_at_once_share_the_work(empty_database: Database) -> None:
    done = await asyncio.gather(*(migrate(empty_database.owner_url) for _ in range(3)))
    assert sorted(name for names in done for name in names) == [m.name for m in migrations()]


async def test_names_say_order_and_when_to_deploy() -> None:
    numbers = [migration.name[:4] for migration in migrations()]
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]


async def test_an_edited_migration_is_noticed(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate(empty_database.owner_url)
    first, *rest = migrations()
    edited = [Migration(first.name, first.sql + "\n-- afterthought"), *rest]
    monkeypatch.setattr(migrate_module, "migrations", lambda: edited)
    with pytest.raises(CannotStart, match="was changed after it was applied"):
        await migrate(empty_database.owner_url)


async def test_a_failing_migration_leaves_nothing_behind(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = [
        *migrations(),
        Migration("9999_pre_broken", "CREATE TABLE perdure.half (); SELECT 1/0"),
    ]
    monkeypatch.setattr(migrate_module, "migrations", lambda: broken)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(database.owner_url)
    connection = await asyncpg.connect(database.owner_url)
    assert await connection.fetchval("SELECT to_regclass('perdure.half')") is None
    assert await pending(database.url) == ["9999_pre_broken"]
    await connection.close()


async def test_the_application_may_not_migrate(empty_database: Database) -> None:
    with pytest.raises(CannotStart, match="PERDURE_MIGRATE_URL"):
        await migrate(empty_database.url)


async def test_where_roles_are_refused_the_owner_runs_everything(
    empty_database: Database, servers: Servers
) -> None:
    name = f"plain_{empty_database.name}"
    connection = await asyncpg.connect(empty_database.superuser_url)
    await connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'plain'")
    await connection.execute(f"ALTER DATABASE {empty_database.name} OWNER TO {name}")
    try:
        url = _as(empty_database.url, name, "plain")
        assert await migrate(url) == [migration.name for migration in migrations()]
        plain = await asyncpg.connect(url)
        assert await plain.fetchval("SELECT position FROM perdure.head") == 0
        with pytest.raises(asyncpg.PostgresError, match="append-only"):
            await plain.execute("TRUNCATE perdure.events")
        await plain.close()
    finally:
        await connection.execute(f"ALTER DATABASE {empty_database.name} OWNER TO CURRENT_USER")
        await connection.execute(f"REASSIGN OWNED BY {name} TO CURRENT_USER")
        await connection.execute(f"DROP OWNED BY {name}")
        await connection.execute(f"DROP ROLE {name}")
        await connection.close()


async def test_the_tables_that_queries_name_are_those_that_migrations_made(
    database: Database,
) -> None:
    engine = create_async_engine(database.url.replace("postgresql://", "postgresql+asyncpg://"))
    async with engine.connect() as connection:
        migrated = await connection.run_sync(_migrated_columns)
    await engine.dispose()
    assert migrated == {
        table.fullname: {column.name: column.type.compile(POSTGRESQL) for column in table.columns}
        for table in metadata.sorted_tables
    }


def _migrated_columns(connection: Connection) -> dict[str, dict[str, str]]:
    inspector = inspect(connection)
    return {
        table.fullname: {
            column["name"]: column["type"].compile(POSTGRESQL)
            for column in inspector.get_columns(table.name, schema=table.schema)
        }
        for table in metadata.sorted_tables
    }


def _as(url: str, user: str, password: str) -> str:
    return f"postgresql://{user}:{password}@{url.split('@', 1)[1]}"
