"""Servers of one's own, named by URL: can they be reached, and are they new enough?"""

import asyncio
from typing import Final
from urllib.parse import urlsplit

import asyncpg
import msgspec
import nats
from nats.errors import Error as NatsError

from perdure_devstack.errors import CannotStart
from perdure_devstack.nats import greeting

POSTGRES_FLOOR: Final = 15
NATS_FLOOR: Final = (2, 12)
NATS_PORT: Final = 4222
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
    """Read the server's greeting, then log in once.

    Raises:
        CannotStart: when the URL, the server, the password or the version is wrong.
    """
    shown = _without_password(url)
    try:
        parts = urlsplit(url.split(",", maxsplit=1)[0])
        said = await greeting(parts.hostname or "127.0.0.1", parts.port or NATS_PORT)
        version = tuple(int(number) for number in said.version.split(".")[:2])
    except (OSError, EOFError, ValueError, msgspec.DecodeError) as error:
        message = f"Cannot use PERDURE_NATS_URL ({shown}): {_reason(error)}."
        raise CannotStart(message) from error
    if version < NATS_FLOOR:
        message = (
            f"NATS at {shown} is version {said.version}; "
            f"Perdure needs {NATS_FLOOR[0]}.{NATS_FLOOR[1]} or newer."
        )
        raise CannotStart(message)
    if not said.jetstream:
        message = f"NATS at {shown} has no JetStream: switch it on."
        raise CannotStart(message)
    await _log_in(url, shown)


async def _log_in(url: str, shown: str) -> None:
    async def quiet(_: Exception) -> None:
        """Say nothing: the exception that is raised is what is shown."""

    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            connection = await nats.connect(url, allow_reconnect=False, error_cb=quiet)
            try:
                await connection.jetstream().account_info()
            finally:
                await connection.close()
    except (NatsError, OSError, ValueError) as error:
        message = f"Cannot use PERDURE_NATS_URL ({shown}): {_reason(error)}."
        raise CannotStart(message) from error


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    user = parts.username
    return f"{parts.scheme}://{f'{user}@' if user else ''}{host}{parts.path}"


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return "no answer"
    if isinstance(error, ConnectionRefusedError):
        return "nobody answers there"
    if isinstance(error, EOFError | msgspec.DecodeError):
        return "what answers there is no NATS"
    text = " ".join(str(error).split())
    return text.removeprefix("nats: ").rstrip(".") or type(error).__name__
