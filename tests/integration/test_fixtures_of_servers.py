import asyncpg
import nats as nats_client

from tests.support.stack import Database, NatsUrls, OwnNats


async def test_each_test_gets_a_migrated_database_of_its_own(database: Database) -> None:
    connection = await asyncpg.connect(database.url)
    try:
        assert await connection.fetchval("SELECT current_database()") == database.name
        assert await connection.fetchval("SELECT count(*) FROM perdure.events") == 0
    finally:
        await connection.close()


async def test_an_empty_database_has_no_tables_of_ours(empty_database: Database) -> None:
    connection = await asyncpg.connect(empty_database.owner_url)
    try:
        assert await connection.fetchval("SELECT to_regclass('perdure.events')") is None
    finally:
        await connection.close()


async def test_each_test_gets_a_nats_without_streams(nats: NatsUrls) -> None:
    connection = await nats_client.connect(nats.api)
    try:
        assert await connection.jetstream().streams_info() == []
        await connection.jetstream().add_stream(name="LEFT_BEHIND", subjects=["left"])
    finally:
        await connection.close()


async def test_what_an_earlier_test_left_in_nats_is_gone(nats: NatsUrls) -> None:
    connection = await nats_client.connect(nats.api)
    try:
        assert await connection.jetstream().streams_info() == []
    finally:
        await connection.close()


async def test_a_nats_of_ones_own_can_be_wiped(own_nats: OwnNats) -> None:
    connection = await nats_client.connect(own_nats.urls.api)
    await connection.jetstream().add_stream(name="SOON_GONE", subjects=["gone"])
    await connection.close()

    own_nats.kill()
    own_nats.wipe()
    own_nats.start()

    connection = await nats_client.connect(own_nats.urls.api)
    try:
        assert await connection.jetstream().streams_info() == []
    finally:
        await connection.close()
