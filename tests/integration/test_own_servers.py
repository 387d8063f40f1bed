import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from perdure_devstack import own_servers
from perdure_devstack.errors import CannotStart
from perdure_devstack.own_servers import check_nats, check_postgres
from tests.support.stack import Database, NatsUrls


async def test_servers_that_are_new_enough_are_taken(database: Database, nats: NatsUrls) -> None:
    await check_postgres(database.url)
    await check_nats(nats.api)


async def test_a_wrong_password_is_told_without_repeating_it(database: Database) -> None:
    head, _, tail = database.url.partition("@")
    user = head.rpartition(":")[0]
    with pytest.raises(CannotStart, match="password authentication failed") as refusal:
        await check_postgres(f"{user}:wrong-one@{tail}")
    assert "wrong-one" not in str(refusal.value)


async def test_a_postgresql_that_is_too_old_is_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_servers, "POSTGRES_FLOOR", 99)
    with pytest.raises(CannotStart, match="Perdure needs 99 or newer"):
        await check_postgres(database.url)


async def test_a_nats_that_is_too_old_is_refused() -> None:
    async with _pretended_nats(b'{"version":"2.11.9","jetstream":true}') as url:
        with pytest.raises(CannotStart, match=r"version 2\.11\.9; Perdure needs 2\.12 or newer"):
            await check_nats(url)


async def test_a_nats_without_jetstream_is_refused() -> None:
    async with _pretended_nats(b'{"version":"2.15.1"}') as url:
        with pytest.raises(CannotStart, match="has no JetStream"):
            await check_nats(url)


@asynccontextmanager
async def _pretended_nats(info: bytes) -> AsyncIterator[str]:
    """Serve the first words of a NATS server, and nothing else."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"INFO " + info + b"\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
