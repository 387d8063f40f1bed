"""What is known of a token is remembered for a moment, and renewed beside the requests that use it."""

from dataclasses import dataclass
from typing import cast

import asyncpg
import pytest
import pytest_asyncio

from perdure_api.duties import Core
from perdure_api.errors import Refused
from perdure_api.security import tokens
from perdure_api.security.secrets import digest
from perdure_api.security.tokens import REMEMBERED_SECONDS, Tokens, compose
from tests.support.api_core import BY
from tests.support.waiting import becomes

pytestmark = pytest.mark.integration

TOKEN_ID = "0123456789ab"
HEADER = f"Bearer {compose(TOKEN_ID, 'secret')}".encode()


@dataclass
class Clock:
    """Stands still between the steps of a test."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


class Watched:
    """A pool of connections: how often it was asked for a row, and whether it can be reached."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.asked = 0
        self.answered = 0
        self.is_away = False

    async def fetchrow(self, *asked: object) -> asyncpg.Record | None:
        self.asked += 1
        if self.is_away:
            raise ConnectionRefusedError
        row = await self._pool.fetchrow(*asked)
        self.answered += 1
        return row

    async def execute(self, *asked: object) -> str:
        done: str = await self._pool.execute(*asked)
        return done


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    standing = Clock()
    monkeypatch.setattr(tokens, "monotonic", standing)
    return standing


@pytest_asyncio.fixture
async def pool(core: Core) -> Watched:
    await core.commands.issue_token(
        BY, token_id=TOKEN_ID, name="script", role="operator", sha256=digest("secret")
    )
    return Watched(core.database.pool)


def known_to(pool: Watched) -> Tokens:
    return Tokens(cast("asyncpg.Pool", pool))


async def test_a_token_in_steady_use_never_waits_for_the_database(
    pool: Watched, clock: Clock
) -> None:
    known = known_to(pool)
    await known.caller(HEADER)
    for renewed in range(2, 6):
        clock.now += 0.6 * REMEMBERED_SECONDS
        asked = pool.asked
        assert (await known.caller(HEADER)).actor == "token:script"
        assert pool.asked == asked  # it was let in before anybody was asked

        async def is_renewed(times: int = renewed) -> bool:
            return pool.answered == times

        await becomes(is_renewed, what="it was read again")


async def test_a_revoked_token_is_refused_once_it_was_renewed(
    core: Core, pool: Watched, clock: Clock
) -> None:
    known = known_to(pool)
    await known.caller(HEADER)
    await core.commands.revoke_token(BY, TOKEN_ID)
    clock.now += 0.6 * REMEMBERED_SECONDS
    await known.caller(HEADER)

    async def is_refused() -> bool:
        try:
            await known.caller(HEADER)
        except Refused:
            return True
        return False

    await becomes(is_refused, what="it is refused, though the clock stands still")


async def test_a_renewal_that_fails_is_told_to_nobody_who_need_not_wait(
    pool: Watched, clock: Clock
) -> None:
    known = known_to(pool)
    await known.caller(HEADER)
    pool.is_away = True
    clock.now += 0.6 * REMEMBERED_SECONDS
    await known.caller(HEADER)

    async def was_tried() -> bool:
        return pool.asked == 2

    await becomes(was_tried, what="the database was asked")
    await known.caller(HEADER)
    clock.now += REMEMBERED_SECONDS
    with pytest.raises(ConnectionRefusedError):
        await known.caller(HEADER)
