"""`perdure api`: the process that decides, remembers and serves."""

import click

from perdure_api.bootstrap import main as serve


@click.command()
def api() -> None:
    """Start one api process; several may share one database.

    It reads its settings from the environment: PERDURE_DATABASE_URL and PERDURE_NATS_URL name the
    servers, PERDURE_HOST and PERDURE_PORT the address. It never migrates: see `perdure migrate`.
    """
    serve()
