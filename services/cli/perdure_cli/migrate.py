"""`perdure migrate`: bring the database to the version of this program."""

import asyncio
import os

import asyncpg
import click

from perdure_api.errors import CannotStart
from perdure_api.store.migrate import migrate as apply_migrations
from perdure_cli.output import Output, json_option
from perdure_cli.stops import WrongUse
from perdure_runtime import logs


@click.command()
@json_option
def migrate(*, as_json: bool) -> None:
    """Apply the pending migrations; repeatable, and safe while older programs run.

    Connects with PERDURE_MIGRATE_URL (the owner of the database), else PERDURE_DATABASE_URL.
    """
    url = os.environ.get("PERDURE_MIGRATE_URL") or os.environ.get("PERDURE_DATABASE_URL")
    if not url:
        message = "Set PERDURE_MIGRATE_URL or PERDURE_DATABASE_URL to the database to migrate."
        raise WrongUse(message)
    out = Output(as_json=as_json)
    logs.configure(service="migrate")
    try:
        applied = asyncio.run(apply_migrations(url))
    except CannotStart as error:
        raise WrongUse(str(error)) from error
    except (OSError, asyncpg.PostgresError, ValueError) as error:
        message = f"Cannot migrate the database ({error}): check the URL and that it is running."
        raise WrongUse(message) from error
    if as_json:
        out.value({"applied": applied})
    else:
        for name in applied:
            out.line(f"applied {name}")
        if not applied:
            out.line("The database is up to date.")
