"""The relay against real PostgreSQL and NATS, with NATS losing its data in every way it can."""

from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import nats
import pytest

from perdure_api.followers import relay as relay_module
from perdure_api.messaging import topology
from perdure_api.store import database as databases
from perdure_contract.subjects import EVENT_STREAM
from tests.support.following import (
    assert_copy_of_the_log,
    running_relay,
    stream_ends_at,
)
from tests.support.histories import request, running_writer, tell
from tests.support.stack import Database, NatsUrls, OwnNats
from tests.support.waiting import becomes

pytestmark = pytest.mark.integration


async def test_position_n_is_at_sequence_n_with_the_chain_in_its_header(
    database: Database, nats: NatsUrls
) -> None:
    async with running_writer(database.url) as writer, running_relay(database.url, nats.api):
        run_ids = await tell(writer, 120)
        messages = await stream_ends_at(nats.reader, writer.position)
    assert_copy_of_the_log(messages)
    first = messages[0]
    assert first.subject == f"perdure.events.v1.default.run.{run_ids[0]}.requested"
    assert first.event.type == "perdure.run.requested.v1"
    assert first.event.subject == f"run-{run_ids[0]}"


async def test_what_is_committed_while_it_runs_follows_at_once(
    database: Database, nats: NatsUrls
) -> None:
    async with (
        running_writer(database.url) as writer,
        running_relay(database.url, nats.api) as relay,
    ):
        writer.on_commit(lambda _commit: relay.wake())
        for _ in range(5):
            await request(writer)
            await stream_ends_at(nats.reader, writer.position)


async def test_a_deleted_stream_is_made_again(database: Database, nats: NatsUrls) -> None:
    async with running_writer(database.url) as writer, running_relay(database.url, nats.api):
        await tell(writer, 50)
        before = await stream_ends_at(nats.reader, writer.position)
        await _delete_stream(nats.api)
        await request(writer)
        after = await stream_ends_at(nats.reader, writer.position)
    assert_copy_of_the_log(after)
    assert after[: len(before)] == before


async def test_nats_with_all_its_data_lost_is_filled_again(
    database: Database, own_nats: OwnNats
) -> None:
    urls = own_nats.urls
    async with running_writer(database.url) as writer, running_relay(database.url, urls.api):
        await tell(writer, 50)
        before = await stream_ends_at(urls.reader, writer.position)
        own_nats.kill()
        own_nats.wipe()
        await tell(writer, 10, seed=2)
        own_nats.start()
        after = await stream_ends_at(urls.reader, writer.position)
    assert_copy_of_the_log(after)
    assert after[: len(before)] == before


async def test_data_deleted_beneath_a_running_nats_is_published_again(
    database: Database, own_nats: OwnNats
) -> None:
    urls = own_nats.urls
    async with running_writer(database.url) as writer, running_relay(database.url, urls.api):
        await tell(writer, 2000)
        await stream_ends_at(urls.reader, writer.position)
        own_nats.wipe()
        # More than a file of the stream takes, so that the server notices.
        await tell(writer, 3000, seed=2)
        await becomes(lambda: _holds(urls.api, writer.position), 60)
        messages = await stream_ends_at(urls.reader, writer.position)
    assert_copy_of_the_log(messages)


async def test_a_rolled_back_nats_is_continued_where_it_ends(
    database: Database, own_nats: OwnNats, tmp_path: Path
) -> None:
    urls = own_nats.urls
    async with running_writer(database.url) as writer, running_relay(database.url, urls.api):
        await tell(writer, 30)
        await stream_ends_at(urls.reader, writer.position)
        own_nats.stop()
        own_nats.save(tmp_path / "copy")
        own_nats.start()
        await tell(writer, 30, seed=2)
        before = await stream_ends_at(urls.reader, writer.position)
        own_nats.kill()
        own_nats.roll_back(tmp_path / "copy")
        own_nats.start()
        await request(writer)
        after = await stream_ends_at(urls.reader, writer.position)
    assert_copy_of_the_log(after)
    assert after[: len(before)] == before


async def test_two_relays_at_once_put_nothing_in_the_wrong_place(
    database: Database, nats: NatsUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def everyone_leads(url, _duty):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
        connection = await databases.connect(url)
        try:
            yield connection
        finally:
            await connection.close()

    monkeypatch.setattr(relay_module, "leadership", everyone_leads)
    async with (
        running_writer(database.url) as writer,
        running_relay(database.url, nats.api) as one,
        running_relay(database.url, nats.api) as two,
    ):
        writer.on_commit(lambda _commit: one.wake())
        writer.on_commit(lambda _commit: two.wake())
        for seed in range(20):
            await tell(writer, 30, seed=seed)
        messages = await stream_ends_at(nats.reader, writer.position)
    assert_copy_of_the_log(messages)


async def test_only_one_of_two_relays_works(database: Database, nats: NatsUrls) -> None:
    async with running_writer(database.url) as writer:
        await tell(writer, 5)
        async with running_relay(database.url, nats.api) as one:
            await becomes(lambda: _is_at(one, writer.position))
            async with running_relay(database.url, nats.api) as two:
                await request(writer)
                await becomes(lambda: _is_at(one, writer.position))
                assert two.position == 0


async def test_the_stream_of_another_store_is_left_alone(
    database: Database, nats: NatsUrls
) -> None:
    async with running_writer(database.url) as writer:
        await tell(writer, 5)
        async with running_relay(database.url, nats.api):
            before = await stream_ends_at(nats.reader, writer.position)
        await _as_owner(database, "UPDATE perdure.head SET store_id = gen_random_uuid()")
        await request(writer)
        async with running_relay(database.url, nats.api) as stranger:
            await becomes(lambda: _says(stranger, "another Perdure store"))
        assert await stream_ends_at(nats.reader, before[-1].sequence) == before


async def test_after_postgres_was_put_back_the_stream_is_made_again_and_says_so(
    database: Database, nats: NatsUrls
) -> None:
    async with running_writer(database.url) as writer:
        await tell(writer, 10)
        kept = writer.position
        await tell(writer, 10, seed=2)
        async with running_relay(database.url, nats.api):
            await stream_ends_at(nats.reader, writer.position)
    await _put_back(database, kept)
    async with running_writer(database.url) as writer, running_relay(database.url, nats.api):
        await request(writer, name="another past")
        messages = await stream_ends_at(nats.reader, kept + 1)
    assert_copy_of_the_log(messages)
    assert await _metadata(nats.api) >= {topology.FORKED: str(kept)}.items()


async def test_a_log_that_differs_at_the_end_of_the_stream_is_noticed(
    database: Database, nats: NatsUrls
) -> None:
    async with running_writer(database.url) as writer:
        await tell(writer, 10)
        kept = writer.position
        await request(writer, name="this past")
        async with running_relay(database.url, nats.api):
            await stream_ends_at(nats.reader, kept + 1)
    await _put_back(database, kept)
    async with running_writer(database.url) as writer:
        await request(writer, name="another past")
        async with running_relay(database.url, nats.api):
            await becomes(lambda: _is_forked(nats.api))
            messages = await stream_ends_at(nats.reader, kept + 1)
    assert_copy_of_the_log(messages)
    assert b"another past" in bytes(messages[-1].event.data)


async def test_it_waits_for_a_nats_that_is_away(database: Database, own_nats: OwnNats) -> None:
    async with (
        running_writer(database.url) as writer,
        running_relay(database.url, own_nats.urls.api) as relay,
    ):
        await request(writer)
        await stream_ends_at(own_nats.urls.reader, 1)
        own_nats.kill()
        await request(writer)
        await becomes(lambda: _says(relay, "NATS"))
        own_nats.start()
        await stream_ends_at(own_nats.urls.reader, 2)
        await becomes(lambda: _is_well(relay))


async def _delete_stream(url: str) -> None:
    client = await nats.connect(url)
    await client.jetstream().delete_stream(EVENT_STREAM)
    await client.close()


async def _holds(url: str, position: int) -> bool:
    client = await nats.connect(url)
    try:
        jetstream = client.jetstream()
        await jetstream.get_msg(EVENT_STREAM, seq=1)
        await jetstream.get_msg(EVENT_STREAM, seq=position)
    finally:
        await client.close()
    return True


async def _metadata(url: str) -> set[tuple[str, str]]:
    client = await nats.connect(url)
    info = await client.jetstream().stream_info(EVENT_STREAM)
    await client.close()
    return set((info.config.metadata or {}).items())


async def _is_forked(url: str) -> bool:
    return any(key == topology.FORKED for key, _ in await _metadata(url))


async def _is_at(relay: relay_module.Relay, position: int) -> bool:
    return relay.position == position


async def _is_well(relay: relay_module.Relay) -> bool:
    return relay.problem is None


async def _says(relay: relay_module.Relay, part: str) -> bool:
    return part in (relay.problem or "")


async def _as_owner(database: Database, *statements: str) -> None:
    connection = await asyncpg.connect(database.owner_url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def _put_back(database: Database, position: int) -> None:
    """Make the log what it was at an earlier position, as an older backup would."""
    await _as_owner(
        database,
        "ALTER TABLE perdure.events DISABLE TRIGGER no_rewrite",
        f"DELETE FROM perdure.events WHERE position > {position}",
        "ALTER TABLE perdure.events ENABLE TRIGGER no_rewrite",
        f"UPDATE perdure.head SET position = {position}, "
        f"chain = (SELECT chain FROM perdure.events WHERE position = {position})",
        f"DELETE FROM perdure.runs WHERE last_position > {position}",
    )
