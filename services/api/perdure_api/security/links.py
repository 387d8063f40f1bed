"""One-time login links: opened once, within ten minutes, they become a browser's session."""

from datetime import timedelta
from typing import Final, TypeAlias

import asyncpg

from perdure_api.domain.callers import Caller, Role
from perdure_api.errors import Refused
from perdure_api.security.secrets import digest, new_secret
from perdure_contract.identifiers import DEFAULT_TENANT

LIFETIME: Final = timedelta(minutes=10)
PATH: Final = "/login/"

Connection: TypeAlias = asyncpg.Connection | asyncpg.Pool

_TIDY: Final = (
    "DELETE FROM perdure.login_links WHERE expires_at < clock_timestamp() - interval '1 day'"
)
_ISSUE: Final = """
INSERT INTO perdure.login_links (sha256, tenant, role, expires_at)
VALUES ($1, $2, $3, clock_timestamp() + $4::interval)"""
_USE: Final = """
UPDATE perdure.login_links SET used_at = clock_timestamp()
WHERE sha256 = $1 AND used_at IS NULL AND expires_at > clock_timestamp()
RETURNING tenant, role"""
_USABLE: Final = """
SELECT EXISTS (SELECT FROM perdure.login_links
WHERE sha256 = $1 AND used_at IS NULL AND expires_at > clock_timestamp() + $2::interval)"""


async def issue_login_link(
    connection: Connection, *, base_url: str, tenant: str = DEFAULT_TENANT, role: Role = "admin"
) -> str:
    """Make a link and give its whole address; a database connection is all it takes."""
    secret = new_secret()
    await connection.execute(_TIDY)
    await connection.execute(_ISSUE, digest(secret), tenant, role, LIFETIME)
    return f"{base_url.rstrip('/')}{PATH}{secret}"


async def use_login_link(connection: Connection, secret: str) -> Caller:
    """Use up a link; of two that open it at once one wins.

    Raises:
        Refused: when it was used before, is too old or was never made.
    """
    row = await connection.fetchrow(_USE, digest(secret))
    if row is None:
        raise Refused(
            "link-used", "This link was used or is too old. `perdure login` prints a new one."
        )
    return Caller(actor="user:admin", tenant=row["tenant"], role=row["role"])


async def stays_usable(connection: Connection, secret: str, *, longer_than: timedelta) -> bool:
    """Tell whether a link is unused and will be good for a while."""
    return bool(await connection.fetchval(_USABLE, digest(secret), longer_than))
