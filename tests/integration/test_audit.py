"""The audit finds what an owner with all rights did to the log, and names the place."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from perdure_api.store import audit
from perdure_api.store.database import connect
from tests.support.histories import running_writer, tell
from tests.support.stack import Database

pytestmark = pytest.mark.integration

PLACE = 57


@pytest.fixture
async def told(database: Database) -> int:
    async with running_writer(database.url) as writer:
        await tell(writer, 60)
        return writer.position


@pytest.fixture
async def owner(database: Database, told: int) -> AsyncIterator[asyncpg.Connection]:
    """An owner who has switched the guards off."""
    connection = await asyncpg.connect(database.owner_url)
    await connection.set_type_codec(
        "json", schema="pg_catalog", encoder=bytes, decoder=bytes, format="binary"
    )
    await connection.execute("ALTER TABLE perdure.events DISABLE TRIGGER no_rewrite")
    yield connection
    await connection.close()


async def test_an_untouched_log_is_whole(database: Database, told: int) -> None:
    connection = await connect(database.url)
    heard: list[int] = []
    verdict = await audit.verify(connection, told=lambda position, _end: heard.append(position))
    assert (verdict.events, verdict.broken, verdict.notes) == (told, None, ())
    chain = await connection.fetchval("SELECT encode(chain, 'hex') FROM perdure.head")
    assert verdict.chain == chain
    assert heard[-1] == told
    await connection.close()


async def test_an_empty_log_is_whole(database: Database) -> None:
    connection = await connect(database.url)
    verdict = await audit.verify(connection)
    assert (verdict.events, verdict.broken) == (0, None)
    await connection.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "data = overlay(data::text placing 'X' from 3 for 1)::json",
            "data is not what was hashed",
        ),
        ("data = (data::text || ' ')::json", "data is not what was hashed"),
        ("actor = 'somebody-else'", "envelope"),
        ("actor = NULL", "envelope"),
        ("time = time + interval '1 microsecond'", "envelope"),
        ("type = 'perdure.run.completed.v1'", "envelope"),
        ("tenant = 'other'", "envelope"),
        ("id = gen_random_uuid()", "envelope"),
        ("correlation_id = gen_random_uuid()", "envelope"),
        ("causation_id = gen_random_uuid()", "envelope"),
        ("version = version + 1000", "envelope"),
        ("stream = 'run-00000000-0000-7000-8000-000000000000'", "envelope"),
        ("sha256 = sha256(data::text::bytea || 'x')", "data is not what was hashed"),
        ("chain = set_byte(chain, 31, (get_byte(chain, 31) + 1) % 256)", "envelope"),
        (
            (
                "data = overlay(data::text placing 'X' from 3 for 1)::json, "
                "sha256 = sha256(overlay(data::text placing 'X' from 3 for 1)::bytea)"
            ),
            "envelope",
        ),
    ],
)
async def test_a_changed_event_is_found(owner: asyncpg.Connection, change: str, words: str) -> None:
    await owner.execute(f"UPDATE perdure.events SET {change} WHERE position = {PLACE}")
    verdict = await audit.verify(owner)
    assert verdict.broken is not None
    assert verdict.broken.position == PLACE
    assert words in verdict.broken.what
    assert verdict.events == PLACE - 1


async def test_a_removed_event_is_found(owner: asyncpg.Connection) -> None:
    await owner.execute(f"DELETE FROM perdure.events WHERE position = {PLACE}")
    verdict = await audit.verify(owner)
    assert verdict.broken == audit.Break(position=PLACE, what="the event is missing")


async def test_removed_last_events_are_found(owner: asyncpg.Connection, told: int) -> None:
    await owner.execute(f"DELETE FROM perdure.events WHERE position > {told - 3}")
    verdict = await audit.verify(owner)
    assert verdict.broken == audit.Break(position=told - 2, what="the event is missing")


async def test_a_head_that_was_put_back_is_found(owner: asyncpg.Connection, told: int) -> None:
    await owner.execute(f"UPDATE perdure.head SET position = {told - 1}")
    verdict = await audit.verify(owner)
    assert verdict.broken is not None
    assert "head" in verdict.broken.what


async def test_who_could_rewrite_the_log_is_noted(owner: asyncpg.Connection) -> None:
    verdict = await audit.verify(owner)
    assert verdict.broken is None
    assert "triggers alone" in verdict.notes[0]
    assert "trigger no_rewrite on perdure.events is switched off" in verdict.notes
