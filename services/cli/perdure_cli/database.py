"""Commands that go to PostgreSQL themselves: who may read the database may use them.

They need no running api: the first token and the first login link are made this way, and the log
can be verified while nothing else runs.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg

from perdure import NoServer
from perdure.endpoint import read_endpoint_file
from perdure_api.errors import ApiError, NotFoundError, Unavailable
from perdure_api.store import database
from perdure_cli.stops import ServerUnreachable, WrongUse
from perdure_runtime import logs

T = TypeVar("T")


def database_url() -> str:
    """Find the database: PERDURE_DATABASE_URL, else the system that runs on the data directory."""
    url = os.environ.get("PERDURE_DATABASE_URL")
    if url:
        return url
    try:
        return read_endpoint_file().database_url
    except NoServer as error:
        message = f"{error} Or set PERDURE_DATABASE_URL."
        raise ServerUnreachable(message) from error


def on_database(work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    """Do some work on a connection of its own; what goes wrong is one line and an exit code."""

    async def run() -> T:
        connection = await database.connect(url)
        try:
            return await work(connection)
        finally:
            await connection.close()

    url = database_url()
    return told_plainly(run)


def told_plainly(run: Callable[[], Awaitable[T]]) -> T:
    """Run to the end and turn the errors of the store into one line and an exit code."""

    async def main() -> T:
        return await run()

    # What the store has to say is told by the command itself; only trouble is logged.
    logs.configure(service="cli", level="warning")
    try:
        return asyncio.run(main())
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError) as error:
        message = f"Cannot reach PostgreSQL ({error}): is it running? `perdure up` starts one."
        raise ServerUnreachable(message) from error
    except NotFoundError:
        raise
    except Unavailable as error:
        raise ServerUnreachable(str(error)) from error
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        message = f"PostgreSQL refused the login ({error}): check PERDURE_DATABASE_URL."
        raise WrongUse(message) from error
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as error:
        message = "This database holds no Perdure of this version: run `perdure migrate` first."
        raise WrongUse(message) from error
    except (ApiError, asyncpg.PostgresError) as error:
        raise WrongUse(str(error)) from error
