"""`perdure migrate`: bring the database to the version of this program."""

import asyncio
import os

import click

from perdure_api.store.migrate import migrate as apply_migrations
from perdure_cli.stops import WrongUse


@click.command()
def migrate() -> None:
    """Apply the pending migrations; repeatable, and safe while older programs run.

    Connects with PERDURE_MIGRATE_URL (the owner of the database), else PERDURE_DATABASE_URL.
    """
    url = os.environ.get("PERDURE_MIGRATE_URL") or os.environ.get("PERDURE_DATABASE_URL")
    if not url:
        message = "Set PERDURE_MIGRATE_URL or PERDURE_DATABASE_URL to the database to migrate."
        raise WrongUse(message)
    asyncio.run(apply_migrations(url))
