"""What is in the log stays: the application may add to it, and nobody rewrites it unnoticed."""

import asyncio

import asyncpg
import pytest
from sqlalchemy import text

from perdure_api.followers.partitions import AHEAD, SIZE, Partitions
from perdure_api.store.database import Database as OpenDatabase
from perdure_api.store.database import connect
from perdure_api.store.event_log import read_all
from tests.support.histories import request, running_writer, tell
from tests.support.stack import Database

pytestmark = pytest.mark.integration

REWRITES = [
    "UPDATE perdure.events SET actor = 'nobody'",
    "UPDATE perdure.events_00000 SET actor = 'nobody'",
    "DELETE FROM perdure.events",
    "DELETE FROM perdure.events_00000",
    "TRUNCATE perdure.events",
    "TRUNCATE perdure.events_00000",
]
TRICKS = [
    "DROP TABLE perdure.events",
    "DROP TABLE perdure.events_00000",
    "DROP SCHEMA perdure CASCADE",
    "ALTER TABLE perdure.events DISABLE TRIGGER ALL",
    "ALTER TABLE perdure.events DETACH PARTITION perdure.events_00000",
    "DROP TRIGGER no_rewrite ON perdure.events",
    (
        "CREATE OR REPLACE FUNCTION perdure.refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN RETURN NEW; END'"
    ),
    "UPDATE perdure.head SET store_id = gen_random_uuid()",
    "DELETE FROM perdure.head",
    "UPDATE perdure.blobs SET data = ''",
    "DELETE FROM perdure.log_chunks",
    "DELETE FROM perdure.runs",
    "DELETE FROM perdure.migrations",
    "SET session_replication_role = replica",
    "COPY perdure.events TO PROGRAM 'cat'",
    "COPY perdure.events FROM PROGRAM 'true'",
    "SELECT pg_read_file('/etc/passwd')",
    "CREATE TABLE perdure.mine ()",
    "SET ROLE perdure_owner",
]


@pytest.mark.parametrize("statement", REWRITES + TRICKS)
async def test_the_application_is_refused(module_database: Database, statement: str) -> None:
    connection = await asyncpg.connect(module_database.url)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize("statement", REWRITES)
async def test_triggers_stop_even_the_owner(module_database: Database, statement: str) -> None:
    async with running_writer(module_database.url) as writer:
        await request(writer)
    connection = await asyncpg.connect(module_database.owner_url)
    try:
        with pytest.raises(asyncpg.PostgresError, match="append-only"):
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_services_give_up_rights_that_they_do_not_need(database: Database) -> None:
    for url in (database.owner_url, database.superuser_url):
        opened = await OpenDatabase.connect(url)
        alone = await connect(url)
        async with opened.engine.connect() as composed:
            roles = {
                await alone.fetchval("SELECT current_user"),
                await opened.pool.fetchval("SELECT current_user"),
                (await composed.execute(text("SELECT current_user"))).scalar(),
            }
        assert roles == {"perdure_app"}
        await alone.close()
        await opened.close()


async def test_readers_never_see_a_gap_while_many_writers_commit_and_roll_back(
    database: Database,
) -> None:
    """The reader takes what is there after its last position, as every follower does."""
    done = asyncio.Event()
    seen: list[int] = []

    async def read() -> None:
        connection = await connect(database.url)
        while True:
            finished = done.is_set()
            events = await read_all(connection, after=seen[-1] if seen else 0, limit=500)
            seen.extend(event.position for event in events)
            if finished and not events:
                break
        await connection.close()

    async def write(seed: int) -> int:
        rolled_back = await asyncpg.connect(database.url)
        async with running_writer(database.url) as writer:
            for number in range(8):
                await request(writer, name=f"{seed} {number}")
                await tell(writer, 3, seed=seed)
                transaction = rolled_back.transaction()
                await transaction.start()
                await rolled_back.execute("UPDATE perdure.head SET position = position + 7")
                await transaction.rollback()
            await rolled_back.close()
            return writer.position

    reading = asyncio.ensure_future(read())
    ends = await asyncio.gather(*(write(seed) for seed in range(6)))
    done.set()
    await reading
    assert seen == list(range(1, max(ends) + 1))


async def test_partitions_are_made_ahead_of_time_while_readers_read(database: Database) -> None:
    opened = await OpenDatabase.connect(database.url)
    async with opened.pool.acquire() as reader, reader.transaction():
        await reader.fetch("SELECT FROM perdure.events LIMIT 1")
        await Partitions(opened.pool).tick()
        await Partitions(opened.pool).tick()
    names = await opened.pool.fetch(
        "SELECT relid::regclass::text FROM pg_partition_tree('perdure.events') WHERE isleaf"
    )
    assert len(names) == AHEAD + 1
    await opened.close()
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute(f"UPDATE perdure.head SET position = {SIZE - 1}")
    await owner.close()
    async with running_writer(database.url) as writer:
        await tell(writer, 3)
        assert writer.position > SIZE
    newest = await asyncpg.connect(database.owner_url)
    with pytest.raises(asyncpg.PostgresError, match="append-only"):
        await newest.execute(f"TRUNCATE perdure.events_{AHEAD:05}")
    await newest.close()
