"""What every projection must do, whichever it is: add yours to ALL."""

from collections.abc import AsyncIterator, Callable
from random import Random

import asyncpg
import pytest

from perdure_api.projections import projection
from perdure_api.projections.projection import (
    Build,
    MovedElsewhere,
    PoisonEvent,
    Projection,
    Recorded,
    advance,
)
from perdure_api.projections.run_list import RunList
from perdure_api.store.database import connect
from tests.support.histories import running_writer, tell
from tests.support.stack import Database

pytestmark = pytest.mark.integration

ALL: list[Projection] = [RunList()]
each = pytest.mark.parametrize("view", ALL, ids=lambda view: view.name)


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    async with running_writer(database.url) as writer:
        await tell(writer, 80)
    connection = await connect(database.url)
    yield connection
    await connection.close()


@each
async def test_how_events_are_cut_into_batches_changes_nothing(
    connection: asyncpg.Connection, view: Projection
) -> None:
    random = Random(7)
    end = await connection.fetchval("SELECT position FROM perdure.head")
    outcomes = [
        await _folded(connection, view, number, sizes)
        for number, sizes in enumerate(
            (lambda: end, lambda: 1, lambda: 13, lambda: random.randint(1, 60)), start=100
        )
    ]
    assert outcomes[0]
    assert all(outcome == outcomes[0] for outcome in outcomes)


@each
async def test_its_checkpoint_and_its_rows_change_together(
    connection: asyncpg.Connection, view: Projection
) -> None:
    build = await projection.live(connection, view.name)
    before = await _rows(connection, build.table)
    transaction = connection.transaction()
    await transaction.start()
    after = await advance(connection, view, build, limit=20)
    assert after.position == build.position + 20
    await transaction.rollback()
    assert await projection.live(connection, view.name) == build
    assert await _rows(connection, build.table) == before


@each
async def test_who_comes_second_folds_nothing(
    connection: asyncpg.Connection, view: Projection
) -> None:
    build = await projection.live(connection, view.name)
    first = await advance(connection, view, build, limit=10)
    rows = await _rows(connection, build.table)
    with pytest.raises(MovedElsewhere):
        await advance(connection, view, build, limit=10)
    assert await projection.position(connection, view.name) == first.position
    assert await _rows(connection, build.table) == rows


@each
async def test_events_of_types_it_does_not_know_are_no_trouble(
    connection: asyncpg.Connection, view: Projection
) -> None:
    build = await projection.live(connection, view.name)
    unknown = Recorded(
        1, "comet-7", "perdure.comet.seen.v3", "default", build.updated_at, b'{"tail": 1}'
    )
    await view.apply(connection, build.table, [unknown])


@each
async def test_an_event_that_cannot_be_read_is_named(
    connection: asyncpg.Connection, view: Projection
) -> None:
    build = await projection.live(connection, view.name)
    broken = Recorded(
        9, "run-x", "perdure.run.requested.v1", "default", build.updated_at, b'{"run": 7}'
    )
    with pytest.raises(PoisonEvent) as caught:
        await view.apply(connection, build.table, [broken])
    assert caught.value.position == 9


async def _folded(
    connection: asyncpg.Connection, view: Projection, number: int, size: Callable[[], int]
) -> list[str]:
    """Fold the whole log into a table of its own, in batches of the sizes given."""
    live = await projection.live(connection, view.name)
    build: Build = live._replace(build=number, position=0, status="building")
    await connection.execute(f"CREATE TABLE {build.table} (LIKE {live.table} INCLUDING ALL)")
    await connection.execute(
        "INSERT INTO perdure.checkpoints (name, build, version, position, status) "
        "VALUES ($1, $2, $3, 0, 'building')",
        build.name,
        build.build,
        build.version,
    )
    while (after := await advance(connection, view, build, limit=size())) != build:
        build = after
    return await _rows(connection, build.table)


async def _rows(connection: asyncpg.Connection, table: str) -> list[str]:
    rows = await connection.fetch(f"SELECT to_jsonb(t)::text FROM {table} t ORDER BY 1")
    return [row[0] for row in rows]
