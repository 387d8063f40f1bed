"""Servers of one's own, named by URL: can they be reached, and are they new enough?"""

import asyncio
import ssl
from typing import Final
from urllib.parse import urlsplit

import asyncpg
import nats
from nats.errors import Error as NatsError

from perdure_devstack.errors import CannotStart

POSTGRES_FLOOR: Final = 15
NATS_FLOOR: Final = (2, 12)
CONNECT_SECONDS: Final = 5.0


async def check_postgres(url: str, variable: str = "PERDURE_DATABASE_URL") -> None:
    """Connect once and look at the version.

    Raises:
        CannotStart: when the URL, the server, the password or the version is wrong.
    """
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
        reason = _reason(error)
        message = f"Cannot use {variable} ({_without_password(url)}): {reason}."
        raise CannotStart(message) from error
    try:
        version = connection.get_server_version()
    finally:
        await connection.close(timeout=CONNECT_SECONDS)
    if version.major < POSTGRES_FLOOR:
        message = (
            f"PostgreSQL at {_without_password(url)} is version {version.major}; "
            f"Perdure needs {POSTGRES_FLOOR} or newer."
        )
        raise CannotStart(message)


async def check_nats(url: str) -> None:
    """Connect once and look at the version and for JetStream.

    Raises:
        CannotStart: when the URL, the server, the password or the version is wrong.
    """

    async def quiet(_: Exception) -> None:
        """Say nothing: the exception that `connect` raises is what is shown."""

    shown = _without_password(url)
    try:
        connection = await nats.connect(
            url,
            allow_reconnect=False,
            connect_timeout=int(CONNECT_SECONDS),
            max_reconnect_attempts=0,
            error_cb=quiet,
        )
    except (NatsError, OSError, ValueError, ssl.SSLError) as error:
        message = f"Cannot use PERDURE_NATS_URL ({shown}): {_reason(error)}."
        raise CannotStart(message) from error
    try:
        version = connection.connected_server_version
        found = (version.major, version.minor)
        try:
            await connection.jetstream().account_info()
        except NatsError as error:
            message = f"NATS at {shown} has no JetStream for this user: switch it on."
            raise CannotStart(message) from error
    finally:
        await connection.close()
    if found < NATS_FLOOR:
        message = (
            f"NATS at {shown} is version {found[0]}.{found[1]}; "
            f"Perdure needs {NATS_FLOOR[0]}.{NATS_FLOOR[1]} or newer."
        )
        raise CannotStart(message)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    user = parts.username
    return f"{parts.scheme}://{f'{user}@' if user else ''}{host}{parts.path}"


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return "no answer"
    text = " ".join(str(error).split())
    return text.removeprefix("nats: ").rstrip(".") or type(error).__name__
