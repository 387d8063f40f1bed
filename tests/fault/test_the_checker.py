"""The checker is only worth its name if it finds what is broken: here each thing is broken by hand."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from perdure_api.store.writer import Writer
from tests.support import histories
from tests.support.checker import checked
from tests.support.stack import Database

pytestmark = pytest.mark.fault

BROKEN = {
    "a gap in the positions": (
        "DELETE FROM perdure.events WHERE position = 5",
        "positions are not",
    ),
    "data that was changed": (
        """UPDATE perdure.events SET data = '{"run": "x"}' WHERE type = 'perdure.run.held.v1'""",
        "the hash is not that of the data",
    ),
    "data that was changed with its hash": (
        "UPDATE perdure.events SET actor = 'somebody else' WHERE position = 3",
        "position 3: the chain is broken",
    ),
    "a version that was left out": (
        "UPDATE perdure.events SET version = 50 WHERE position = 2",
        "versions are",
    ),
    "an end of the log that was forgotten": (
        "UPDATE perdure.head SET position = position - 1",
        "positions are not",
    ),
    "a row that is not the fold": (
        "UPDATE perdure.runs SET state = replace(state::text, 'echo', 'rm')::json",
        "the row is not the fold",
    ),
    "a column that is not the row's": (
        "UPDATE perdure.runs SET priority = 99",
        "column priority is 99",
    ),
    "a run that went missing": (
        "DELETE FROM perdure.runs WHERE first_position = 1",
        "runs without row",
    ),
}


@pytest.fixture
async def told(database: Database) -> AsyncIterator[Writer]:
    async with histories.running_writer(database.url) as writer:
        await histories.tell(writer, 60)
        yield writer


async def test_a_sound_store_is_found_sound(told: Writer, database: Database) -> None:
    store = await checked(database.url)
    assert len(store.runs) == 60


@pytest.mark.parametrize("what", BROKEN)
async def test_the_checker_finds(told: Writer, database: Database, what: str) -> None:
    statement, complaint = BROKEN[what]
    connection = await asyncpg.connect(database.superuser_url)
    await connection.execute("SET session_replication_role = replica")
    await connection.execute(statement)
    await connection.close()
    with pytest.raises(AssertionError, match=complaint):
        await checked(database.url)


async def test_the_checker_misses_what_was_answered(told: Writer, database: Database) -> None:
    with pytest.raises(AssertionError, match="was answered and is gone"):
        await checked(database.url, answered={"01950000-0000-7000-8000-000000000000"})
    with pytest.raises(AssertionError, match="0 runs are named nobody"):
        await checked(database.url, once={"nobody"})
