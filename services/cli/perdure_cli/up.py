"""`perdure up`: the whole system on this machine."""

import asyncio
import sys

import click

from perdure_devstack.errors import CannotStart
from perdure_devstack.settings import from_environment
from perdure_devstack.supervisor import Supervisor

CANNOT_START = 2


@click.command()
def up() -> None:
    """Start PostgreSQL, NATS, one api and one executor, and keep them running until Ctrl-C.

    Set PERDURE_DATABASE_URL or PERDURE_NATS_URL to use servers of your own.
    """
    try:
        asyncio.run(Supervisor(from_environment()).run())
    except CannotStart as error:
        click.echo(error, err=True)
        sys.exit(CANNOT_START)
