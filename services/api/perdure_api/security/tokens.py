"""API tokens: `pd_<id>_<secret>`. The secret is shown once; its hash is kept.

What is known of a token is remembered for half a second, so that thousands of requests a second ask
the database a few times, and a revoked one opens nothing after that. In its second half the memory is
renewed beside the request that finds it so: whoever comes again soon never waits for the database.
"""

import asyncio
from datetime import datetime
from hmac import compare_digest
from typing import Final

import asyncpg
from msgspec import Struct

from perdure_api.domain.callers import Caller, Role
from perdure_api.errors import Refused
from perdure_api.security.secrets import digest
from perdure_runtime.clock import monotonic, now

PREFIX: Final = "pd"
REMEMBERED_SECONDS: Final = 0.5
REMEMBERED_TOKENS: Final = 10_000
USE_NOTED_EVERY_SECONDS: Final = 60

_FIND: Final = """
SELECT tenant, name, role, sha256, expires_at, revoked_at,
       last_used IS NULL OR last_used < clock_timestamp() - make_interval(secs => $2) AS stale
FROM perdure.tokens WHERE token_id = $1"""
_NOTE_USE: Final = "UPDATE perdure.tokens SET last_used = clock_timestamp() WHERE token_id = $1"


class KnownToken(Struct, frozen=True):
    """A token as it was in the database a moment ago."""

    caller: Caller
    sha256: bytes
    expires_at: datetime | None
    revoked: bool
    until: float
    """When this memory ends, on the monotonic clock."""


class Tokens:
    """Finds who a token stands for."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._known: dict[str, KnownToken | None] = {}
        self._asking: dict[str, asyncio.Future[KnownToken | None]] = {}

    async def caller(self, authorization: bytes | None) -> Caller:
        """Give the caller of an `Authorization` header.

        Raises:
            Refused: without a token, with one that is unknown, revoked or expired.
        """
        token_id, secret = parse(authorization)
        known = self._known.get(token_id)
        left = 0.0 if known is None else known.until - monotonic()
        if left <= 0:
            known = await self._ask(token_id)
        elif left < REMEMBERED_SECONDS / 2:
            self._renew(token_id)
        if known is None or known.revoked or not compare_digest(known.sha256, digest(secret)):
            raise Refused("unauthorized", "This token is not known here.")
        if known.expires_at is not None and known.expires_at <= now():
            raise Refused(
                "token-expired",
                "This token has expired; make a new one with `perdure token create`.",
            )
        return known.caller

    def forget(self, token_id: str) -> None:
        """Ask the database anew for a token."""
        self._known.pop(token_id, None)

    async def _ask(self, token_id: str) -> KnownToken | None:
        """Read the token, once for all that ask at the same time."""
        return await asyncio.shield(self._asked(token_id))

    def _renew(self, token_id: str) -> None:
        """Read the token beside what goes on; when that fails, the next one who has to wait is told."""
        self._asked(token_id).add_done_callback(
            lambda asked: asked.cancelled() or asked.exception()
        )

    def _asked(self, token_id: str) -> "asyncio.Future[KnownToken | None]":
        asking = self._asking.get(token_id)
        if asking is None:
            asking = asyncio.ensure_future(self._read(token_id))
            self._asking[token_id] = asking
            asking.add_done_callback(lambda _: self._asking.pop(token_id, None))
        return asking

    async def _read(self, token_id: str) -> KnownToken | None:
        row = await self._pool.fetchrow(_FIND, token_id, USE_NOTED_EVERY_SECONDS)
        if row is None:
            self._known.pop(token_id, None)
            return None
        known = KnownToken(
            caller=Caller(actor=f"token:{row['name']}", tenant=row["tenant"], role=row["role"]),
            sha256=row["sha256"],
            expires_at=row["expires_at"],
            revoked=row["revoked_at"] is not None,
            until=monotonic() + REMEMBERED_SECONDS,
        )
        if len(self._known) >= REMEMBERED_TOKENS:
            self._known.clear()
        self._known[token_id] = known
        if row["stale"] and not known.revoked:
            await self._pool.execute(_NOTE_USE, token_id)
        return known


def parse(authorization: bytes | None) -> tuple[str, str]:
    """Take an `Authorization` header apart: the token's id and its secret."""
    if authorization is None:
        raise Refused("unauthorized", "Send a token: `Authorization: Bearer pd_…`.")
    scheme, _, token = authorization.partition(b" ")
    parts = token.strip().split(b"_", 2)
    if scheme.lower() != b"bearer" or len(parts) != 3 or parts[0] != PREFIX.encode():  # noqa: PLR2004 - prefix, id, secret
        raise Refused("unauthorized", "The Authorization header holds no token of Perdure.")
    return parts[1].decode("latin-1"), parts[2].decode("latin-1")


def compose(token_id: str, secret: str) -> str:
    """Give a token as it is shown, once."""
    return f"{PREFIX}_{token_id}_{secret}"


def as_role(text: str) -> Role:
    """Read a role's name; raises `ValueError` with the choices."""
    match text:
        case "viewer" | "operator" | "author" | "admin":
            return text
        case _:
            message = "the role is one of viewer, operator, author, admin"
            raise ValueError(message)
